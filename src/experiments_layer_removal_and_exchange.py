"""Step 1, the published command: remove each layer, or exchange each pair of neighbours, and measure next-word prediction.

The options and their defaults are the published ones; ``layerscope sweep`` has more. It samples as published: the lines of the
train split, drawn with ``random.Random(42).sample``. LAYERSCOPE_DATA_DIR may name a folder that holds the data set.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from layerscope.cli.ending import GOES_ON, exit_on_error
from layerscope.cli.swept import show_sweep


def main() -> None:
    """Parse the published options and run one sweep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_name", default="meta-llama/Meta-Llama-3-8B")
    parser.add_argument(
        "--dataset_type", default="wiki-text-2", choices=["wiki-text-2", "gpt2-output-dataset", "wiki-text-103", "bookcorpus"]
    )
    parser.add_argument("--max_samples", type=int, default=1000)
    parser.add_argument("--experiment", default="removal", choices=["removal", "exchange"])
    parser.add_argument("--output_dir", type=Path, default=Path("results"))
    parser.add_argument("--gpu_id", default="0", help="GPU to use, such as 0 or 0,1; the CPU where there is none")
    options = parser.parse_args()
    exit_on_error(lambda: _run(options), stands=GOES_ON)


def _run(options: argparse.Namespace) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = options.gpu_id  # before torch looks for GPUs
    from layerscope.models.loading import LoadOptions
    from layerscope.sweeps.prepare import SweepRequest

    folder = os.environ.get("LAYERSCOPE_DATA_DIR")
    show_sweep(
        SweepRequest(
            model=options.model_name,
            dataset=options.dataset_type,
            experiments=(options.experiment,),
            options=LoadOptions(device_map="auto" if "," in options.gpu_id else None),
            split="train",
            data_dir=Path(folder) if folder else None,
            protocol="lines",
            max_samples=options.max_samples,
            seed=42,
            output_dir=options.output_dir,
        )
    )


if __name__ == "__main__":
    main()

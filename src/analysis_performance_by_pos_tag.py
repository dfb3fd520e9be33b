"""Step 2, the published command: a finished run of step 1 split by part of speech. ``layerscope pos`` has more options.

It looks for the run in ``results/<experiment>/``, where step 1 puts it; ``--model_name`` is the model's name with or without
the organisation before it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from layerscope.cli.ending import exit_on_error
from layerscope.cli.pos import show_pos


def main() -> None:
    """Parse the published options and analyse one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dataset_type", default="wiki-text-2", choices=["wiki-text-2", "gpt2-output-dataset", "wiki-text-103", "bookcorpus"]
    )
    parser.add_argument("--experiment", default="removal", choices=["removal", "exchange"])
    parser.add_argument("--sample_size", type=int, default=1000)
    parser.add_argument("--model_name", default="Meta-Llama-3-8B")
    options = parser.parse_args()
    exit_on_error(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    from layerscope.results.directory import find_run
    from layerscope.sweeps.parts_of_speech import TagRequest

    folder = Path("results") / options.experiment
    show_pos(find_run(folder, options.model_name, options.dataset_type, options.sample_size), TagRequest())


if __name__ == "__main__":
    main()

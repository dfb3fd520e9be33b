"""Step 3, the published command: the perplexities of several models, layer by layer, on one figure.

The options and their defaults are the published ones; ``layerscope compare`` has more. It reads the ppl.json of any published
run: ``original`` and ``removed.layer_i`` or ``exchanged.layer_i_with_j``, each with ``avg_ppl``; ours say more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from layerscope.cli.ending import exit_on_error


def main() -> None:
    """Parse the published options and make one comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json_files", nargs="+", type=Path, required=True, help="ppl.json of each run, two or more")
    parser.add_argument("--experiment", default="removal", choices=["removal", "exchange"])
    parser.add_argument("--output_dir", type=Path, default=Path("figures/comparisons"))
    options = parser.parse_args()
    exit_on_error(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    from layerscope.cli.compare import show_comparison
    from layerscope.sweeps.compare_summaries import compare_summaries
    from layerscope.sweeps.drawing import draw_comparison

    comparison = compare_summaries(options.json_files, experiment=options.experiment, output_dir=options.output_dir)
    draw_comparison(comparison)
    show_comparison(comparison)


if __name__ == "__main__":
    main()

"""Peak memory of a contrast from few pairs to many, each run in a process of its own through the command line's job."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
from pathlib import Path

from benchmarks.common import MODEL, parser, record
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.run import run_contrast
from layerscope.engine.allocator import keep_freed_memory
from layerscope.models.loading import LoadOptions


def peak_of(
    per_subtype: int, positions: tuple[str, ...], dtype: str, answers: multiprocessing.Queue[tuple[int, float]]
) -> None:
    """Run template pairs and answer with their number and the peak memory in MiB."""
    keep_freed_memory()  # as the command does
    with tempfile.TemporaryDirectory() as folder:
        request = ContrastRequest(
            MODEL, per_subtype=per_subtype, positions=positions, options=LoadOptions(dtype=dtype), output_dir=Path(folder)
        )
        prepared = prepare_contrast(request)
        run_contrast(prepared)
        answers.put((prepared.n_pairs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    """Measure each size."""
    made = parser(__doc__)
    made.add_argument("--per-subtype", type=int, nargs="+", default=[13, 125, 1400])
    made.add_argument("--positions", default="edit,edit+1,edit+2,edit+3,detection,last")
    made.add_argument("--dtype", default="bfloat16")
    options = made.parse_args()
    context = multiprocessing.get_context("spawn")
    found = []
    for per_subtype in options.per_subtype:
        answers = context.Queue()
        worker = context.Process(
            target=peak_of, args=(per_subtype, tuple(options.positions.split(",")), options.dtype, answers)
        )
        worker.start()
        found.append(answers.get())
        worker.join()
        print(f"{found[-1][0]} pairs: {found[-1][1]:.0f} MiB", flush=True)
    record(
        "contrast growth",
        f"SmolLM2-135M, {options.dtype}, template pairs, 3 sites, {len(options.positions.split(','))} positions",
        "; ".join(f"{n} pairs {peak:.0f} MiB" for n, peak in found) + f"; last / first {found[-1][1] / found[0][1]:.3f}",
    )


if __name__ == "__main__":
    main()

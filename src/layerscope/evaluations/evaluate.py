"""One call from a request to a finished evaluation."""

from __future__ import annotations

from layerscope.evaluations.finished import FinishedEvaluation
from layerscope.evaluations.prepare import EvaluationRequest, prepare_evaluation
from layerscope.evaluations.run import run_evaluation
from layerscope.progress import Progress, nobody_asks


def evaluate(request: EvaluationRequest, *, force: bool = False, progress: Progress = nobody_asks) -> FinishedEvaluation:
    """Evaluate paths of a model and the intact model on tasks; existing results are not computed again.

    Args:
        request: model, paths, tasks and so on.
        force: replace whatever the run directory holds.
        progress: called as work is done.

    Returns:
        The run directory, opened.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.

    Examples:
        >>> request = ls.EvaluationRequest("smollm2-135m", ("agreement",), ("0-9,12-29",), data_dir=Path("blimp"))
        >>> ls.evaluate(request, force=True).tasks[["path", "metric", "samples"]].values.tolist()
        [['0-29', 'acc', 4], ['0-9,12-29', 'acc', 4]]
    """
    prepared = prepare_evaluation(request)
    run_evaluation(prepared, force=force, progress=progress)
    return FinishedEvaluation.open(prepared.directory.path)

"""Paths that an ordinary checkpoint can hold: one layer after the other. Pure values; no torch."""

from __future__ import annotations

from layerscope.errors import PathError
from layerscope.paths.path import LayerPath
from layerscope.paths.steps import LayerStep, ParallelStep


def sequential_steps(path: LayerPath) -> tuple[LayerStep, ...]:
    """The steps of a path, each of which becomes one layer of a checkpoint.

    Args:
        path: any path.

    Returns:
        One step or more, none of them with layers side by side or without a single head.

    Raises:
        PathError: the path visits no layer, has layers side by side, or leaves out a single head.
    """
    if not path.steps:
        raise PathError(
            f"An ordinary checkpoint has one layer or more; '{path}' visits none: name the layers to keep, such as 0-9,12-29."
        )
    steps: list[LayerStep] = []
    for step in path.steps:
        if isinstance(step, ParallelStep):
            raise PathError(
                f"An ordinary checkpoint runs one layer after the other; '{path}' has layers side by side: {step}. "
                "Such a path can be measured (layerscope sweep --path), not exported."
            )
        if step.missing_head is not None:
            raise PathError(
                f"An exported layer is a whole one or half of one; '{path}' leaves out a single head: {step}. Such a path can "
                "be measured (layerscope sweep --path), not exported."
            )
        steps.append(step)
    return tuple(steps)

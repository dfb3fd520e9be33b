"""Which weights of a layer to set to zero so that one of its halves adds nothing: those of its last map, as a rule.

No table of families is kept. ``halves.py`` knows the modules that write a half; here their maps are tried from the last to the
first, on a random hidden state, until the layer does to the bit what it does with that half silenced. A half that has several
outputs (shared experts beside routed ones, a state space beside attention) needs several maps: as few as do it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import torch
from torch.func import functional_call

from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.paths.steps import LayerStep


@torch.inference_mode()
def find_silent_weights(decoder: Decoder, step: LayerStep) -> tuple[str, ...]:
    """The parameters of a layer which, set to zero, leave only the half that a step runs.

    Args:
        decoder: bit-identical afterwards; the zeros are handed to the layer, not written into it.
        step: a half step.

    Returns:
        Parameters by their name within the layer, biases included.

    Raises:
        ModelError: the model's layers have no such halves, or no zeros silence this one.
    """
    layer = decoder.layers[step.layer]
    recording = decoder.record(torch.zeros((1, 2), dtype=torch.long, device=decoder.device))
    call = recording.calls[step.layer]
    noise = torch.randn(recording.embedded.shape, generator=torch.Generator().manual_seed(0)).to(recording.embedded)
    wanted = decoder.run_step(step, noise, recording)
    parameters = dict(layer.named_parameters())

    def silences(maps: Collection[tuple[str, ...]]) -> bool:
        zeros = {name: torch.zeros_like(parameters[name]) for names in maps for name in names}
        output = functional_call(layer, zeros, (noise, *call.args), call.kwargs)
        return torch.equal(output[0] if isinstance(output, tuple | list) else output, wanted)

    candidates = _maps(decoder, step)[::-1]
    for names in candidates:
        if silences([names]):
            return names
    for count in range(2, len(candidates) + 1):
        chosen = list(candidates[:count])
        if silences(chosen):
            for names in chosen[::-1]:
                others = [other for other in chosen if other != names]
                if silences(others):
                    chosen = others
            return tuple(name for names in chosen for name in names)
    raise ModelError(
        f"Half a layer is exported by setting its output weights to zero; in '{decoder.model.config.model_type}' no zeros do "
        f"what the step {step} does, so a path with it cannot be exported."
    )


def _maps(decoder: Decoder, step: LayerStep) -> list[tuple[str, ...]]:
    """Each matrix of the half to silence, with its bias, in order of definition."""
    halves = decoder.halves
    writers = (halves.attn if step.part == "mlp" else halves.mlp)[step.layer]
    inside = {id(parameter) for module in writers for parameter in module.parameters()}
    maps: dict[str, list[str]] = {}
    matrices: set[str] = set()
    for name, parameter in decoder.layers[step.layer].named_parameters():
        if id(parameter) not in inside:
            continue
        matrix = re.sub(r"(?<=\.)bias$", "weight", name).removesuffix("_bias")
        maps.setdefault(matrix, []).append(name)
        if name == matrix and parameter.dim() > 1:
            matrices.add(matrix)
    return [tuple(names) for matrix, names in maps.items() if matrix in matrices]

"""What a model must show at load before any number of it is trusted. Three short forward passes on random tokens.

1. Causality: changing the last token changes no earlier logit. Right padding without a mask rests on it.
2. Independence: a layer's output depends on its input and its own recorded arguments only. Models whose layers read each
   other's keys and values fail it, because a path would then feed a layer stale ones.
3. Layout: the hidden state has one row per text and one column per position, so that scored tokens are found in it.
4. Replay: recording, running the intact path and injecting gives the model's own logits.

Before all of them: weights and predictions are numbers (``finite.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder, Recording
from layerscope.models.finite import check_weights, final_states, overflow
from layerscope.paths.path import LayerPath

_PROBE_SHAPE = (2, 12)
_RELATIVE_TOLERANCE = 1e-4
"""Of the largest value; or four units in the last place of the model's dtype, whichever is more."""


_FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What a family's own code raises when it is used in a way that it was not made for."""


def check_decoder(decoder: Decoder) -> None:
    """Refuse a model that record-and-inject would misread.

    Raises:
        ModelError: the rule that fails, the model's family, and by how much.
    """
    check_weights(decoder)
    ids = probe_ids(decoder)
    try:
        own = decoder.logits(ids)
    except _FAILURES as error:
        raise ModelError(
            f"A decoder must predict from token ids alone; '{_family(decoder)}' does not ({_first_line(error)}), so it cannot "
            "be swept."
        ) from error
    if bool(own.isnan().any()) or bool(own.isposinf().any()):  # −∞ is a token that a model rules out
        final_states(decoder, ids)
        raise overflow(decoder, "the output matrix")
    _check_causal(decoder, ids, own)
    try:
        recording = decoder.record(ids)
        states = _intact_states(decoder, recording)
        _check_independent(decoder, recording, states)
        _check_layout(decoder, recording, ids)
        _check_replay(decoder, states[-1], own)
    except _FAILURES as error:
        raise ModelError(
            f"A layer must run on the hidden state that it is given; in '{_family(decoder)}' one needs what another leaves "
            f"behind ({_first_line(error)}), so it cannot be swept."
        ) from error


def probe_ids(decoder: Decoder) -> Tensor:
    """Random token ids ``(batch, seq)``, the same for every load."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, decoder.vocab_size, _PROBE_SHAPE, generator=generator).to(decoder.device)


def _check_causal(decoder: Decoder, ids: Tensor, own: Tensor) -> None:
    changed = ids.clone()
    changed[:, -1] = (changed[:, -1] + 1) % own.shape[-1]
    difference = _difference(decoder.logits(changed)[:, :-1], own[:, :-1])
    if difference > _tolerance(decoder, own):
        raise ModelError(
            f"A decoder-only model predicts each token from those before it; in '{_family(decoder)}' changing the last token "
            f"moves earlier logits by {difference:.3g}, so it cannot be swept."
        )


def _check_replay(decoder: Decoder, final: Tensor, own: Tensor) -> None:
    difference = _difference(decoder.unembed(final), own)
    if difference > _tolerance(decoder, own):
        raise ModelError(
            f"The intact path must give the model's own logits; for '{_family(decoder)}' they differ by {difference:.3g} "
            f"where the largest logit is {own.abs().max().item():.3g}, so its layers carry more than the hidden state and it "
            "cannot be swept."
        )


def _check_independent(decoder: Decoder, recording: Recording, states: list[Tensor]) -> None:
    generator = torch.Generator().manual_seed(1)
    for step in LayerPath.intact(decoder.n_layers).steps:  # whatever layers leave for each other is now wrong
        noise = torch.randn(states[0].shape, generator=generator)
        decoder.run_step(step, noise.to(states[0]), recording)
    for index, step in reversed(list(enumerate(LayerPath.intact(decoder.n_layers).steps))):
        again = decoder.run_step(step, states[index], recording)
        difference = _difference(again, states[index + 1])
        if difference > _tolerance(decoder, states[index + 1]):
            raise ModelError(
                f"A layer must depend on nothing but the hidden state that it is given; in '{_family(decoder)}' layer "
                f"{index} also reads what other layers left behind (its output moves by {difference:.3g}), so it cannot be "
                "swept."
            )


def _check_layout(decoder: Decoder, recording: Recording, ids: Tensor) -> None:
    if recording.embedded.shape[:2] != ids.shape:
        raise ModelError(
            f"A hidden state has the axes batch, position and width; in '{_family(decoder)}' it has the shape "
            f"{tuple(recording.embedded.shape)} for {tuple(ids.shape)} tokens, so it cannot be swept."
        )


def _intact_states(decoder: Decoder, recording: Recording) -> list[Tensor]:
    """The residual stream before every layer and after the last."""
    states = [recording.embedded]
    for step in LayerPath.intact(decoder.n_layers).steps:
        states.append(decoder.run_step(step, states[-1], recording))
    return states


def _difference(first: Tensor, second: Tensor) -> float:
    """Largest absolute difference; infinite where either is not a number and the other is."""
    if first.shape != second.shape:
        return float("inf")
    gap = (first.float() - second.float().to(first.device)).abs()
    return float(
        torch.where(gap.isnan() & first.isnan() & second.isnan().to(first.device), 0.0, gap).nan_to_num(nan=torch.inf).max()
    )


def _tolerance(decoder: Decoder, values: Tensor) -> float:
    scale = max(float(values.float().abs().nan_to_num(posinf=0.0).max()), 1e-6)
    return scale * max(_RELATIVE_TOLERANCE, 4 * torch.finfo(decoder.dtype).eps)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0][:160]}"


def _family(decoder: Decoder) -> str:
    return str(decoder.model.config.model_type)

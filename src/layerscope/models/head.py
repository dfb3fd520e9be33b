"""Logits one slice of the vocabulary at a time, so that no row of the whole vocabulary need ever be in memory.

The model's own modules do it all. Those that it calls between its last layer and its output matrix (the final norm) give what
the matrix reads; a slice of the matrix gives a slice of the logits; the model's own forward, with body and matrix answering at
once, does what comes after (a soft-cap, a scale). Nothing is assumed of a family: each of these is compared with what the model
does, on random states. Where the modules in between are not the whole way, the model's body with the layers passing through
stands in for them, which takes longer and makes a GPU wait; where the slices are not the model's own logits, or the matrix is
not a plain one, the model is unembedded whole.

Axes: ``token`` (rows from anywhere: each stands alone here), ``width`` (what the output matrix reads), ``slice``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from layerscope.models.patching import replaced_forward

_PROBE_ROWS = 5


@dataclass(frozen=True)
class ModelCalls:
    """What a head needs of a decoder."""

    model: PreTrainedModel
    """The model itself."""
    last_layer: nn.Module
    """Its last decoder layer."""
    embed: Callable[[Tensor], Tensor]
    """From token ids, ``batch seq``, to what the first layer reads."""
    unembed: Callable[[Tensor], Tensor]
    """From states that left the last step, ``batch seq *d_model``, to the model's own logits."""
    device: torch.device
    """Where token ids go in."""

    def embedded_nothing(self) -> Tensor:
        """Two tokens of id 0 as the first layer reads them."""
        return self.embed(torch.zeros((1, 2), dtype=torch.long, device=self.device))


def slice_width(device_type: str) -> int:
    """Vocabulary entries per slice: on a CPU so few that a slice of the matrix and of the logits stay in its caches."""
    return 4096 if device_type == "cpu" else 16384


class _BodyAnswer(BaseModelOutputWithPast):
    """What a model's body answers with; whatever else a family looks for in it (router logits, caches) is not there."""

    def __getattr__(self, _: str) -> None:
        return None


class WholeHead:
    """The vocabulary as one slice: the model's own unembedding."""

    def __init__(self, calls: ModelCalls) -> None:
        self._calls = calls

    @cached_property
    def vocab_size(self) -> int:
        """Logits per token."""
        return int(self._logits_of_nothing.shape[-1])

    @cached_property
    def device(self) -> torch.device:
        """Where the logits are."""
        return self._logits_of_nothing.device

    @property
    def slice_width(self) -> int:
        """All of it."""
        return self.vocab_size

    def features(self, hidden: Float[Tensor, "token ..."]) -> Float[Tensor, "token ..."]:
        """The hidden states themselves."""
        return hidden

    def logits(self, features: Float[Tensor, "token ..."], start: int, stop: int) -> Float[Tensor, "token slice"]:
        """The model's logits for the tokens ``start`` to ``stop`` of the vocabulary, in its own dtype."""
        return self._calls.unembed(features.unsqueeze(1)).squeeze(1)[:, start:stop]

    @cached_property
    def _logits_of_nothing(self) -> Tensor:
        return self._calls.unembed(self._calls.embedded_nothing())


class SlicedHead:
    """Logits by slices of the vocabulary, wherever those are proved to be the model's own. Made by ``find_head``."""

    def __init__(self, calls: ModelCalls, matrix: nn.Linear) -> None:
        self._calls, self._matrix = calls, matrix
        self._has_postprocessing = True
        self._between: tuple[nn.Module, ...] | None = None

    @property
    def vocab_size(self) -> int:
        """Rows of the output matrix."""
        return self._matrix.weight.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the output matrix lies, and so the logits."""
        return self._matrix.weight.device

    @property
    def slice_width(self) -> int:
        """Vocabulary entries to take at a time."""
        return min(slice_width(self.device.type), self.vocab_size)

    @torch.inference_mode()
    def features(self, hidden: Float[Tensor, "token ..."]) -> Float[Tensor, "token width"]:
        """What the output matrix reads for hidden states that left the last step."""
        if self._between is None:
            return self._features_through_the_body(hidden)
        state = hidden.unsqueeze(1)
        for module in self._between:
            state = module(state)
        return state.squeeze(1).to(self.device)

    @torch.inference_mode()
    def logits(self, features: Float[Tensor, "token width"], start: int, stop: int) -> Float[Tensor, "token slice"]:
        """The model's logits for the tokens ``start`` to ``stop`` of the vocabulary, in its own dtype."""
        bias = self._matrix.bias
        raw = nn.functional.linear(features, self._matrix.weight[start:stop], None if bias is None else bias[start:stop])
        return self._postprocessed(raw) if self._has_postprocessing else raw

    def settle(self) -> bool:
        """Compare with the model's own logits on random states, and see whether anything comes after the matrix."""
        calls = self._calls
        shape = (_PROBE_ROWS, *calls.embedded_nothing().shape[2:])
        hidden = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(calls.device, calls.model.dtype)
        own = calls.unembed(hidden.unsqueeze(1)).squeeze(1)
        if own.shape[-1] != self.vocab_size:
            return False
        cuts = [0, self.vocab_size // 3, self.vocab_size // 2, self.vocab_size]
        features = self._features_through_the_body(hidden)
        self._between = self._modules_between(hidden)
        if not torch.equal(self.features(hidden), features):
            self._between = None
        sliced = torch.cat([self.logits(features, a, b) for a, b in itertools.pairwise(cuts) if a < b], dim=1)
        probe = torch.randn((_PROBE_ROWS, 7), generator=torch.Generator().manual_seed(3)).to(self.device, features.dtype) * 40
        self._has_postprocessing = not torch.equal(self._postprocessed(probe).float(), probe.float())
        tolerance = 4 * torch.finfo(own.dtype).eps * float(own.abs().max())
        return bool((own.to(sliced) - sliced).abs().max() <= tolerance)

    def _features_through_the_body(self, hidden: Float[Tensor, "token ..."]) -> Float[Tensor, "token width"]:
        seen: list[Tensor] = []

        def matrix(inputs: Tensor) -> Tensor:
            seen.append(inputs)
            return inputs[..., :1]

        with replaced_forward(self._matrix, matrix):
            self._calls.unembed(hidden.unsqueeze(1))
        return seen[0].squeeze(1).to(self.device)

    def _modules_between(self, hidden: Float[Tensor, "token ..."]) -> tuple[nn.Module, ...]:
        """The modules that the model calls between its last layer and its output matrix, those inside them left out."""
        last_layer, between, open_calls = self._calls.last_layer, list[nn.Module](), list[nn.Module]()
        is_past = False

        def enter(module: nn.Module, _: Any) -> None:
            if is_past and not open_calls and module is not self._matrix:
                between.append(module)
            if is_past:
                open_calls.append(module)

        def leave(module: nn.Module, _: Any, __: Any) -> None:
            nonlocal is_past
            if module in open_calls:
                open_calls.remove(module)
            is_past = is_past or module is last_layer

        with ExitStack() as stack:
            for module in self._calls.model.modules():
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
            self._calls.unembed(hidden.unsqueeze(1))
        return tuple(between)

    def _postprocessed(self, raw: Float[Tensor, "token slice"]) -> Float[Tensor, "token slice"]:
        """What the model itself does to logits after its output matrix."""
        model = self._calls.model
        answer = _BodyAnswer(last_hidden_state=raw.new_zeros((len(raw), 1, self._matrix.in_features)))
        with ExitStack() as stack:
            stack.enter_context(replaced_forward(model.base_model, lambda *_, **__: answer))
            stack.enter_context(replaced_forward(self._matrix, lambda _: raw.unsqueeze(1)))
            placeholder = torch.zeros((len(raw), 1), dtype=torch.long, device=self._calls.device)
            logits: Tensor = model(input_ids=placeholder, use_cache=False).logits
        return logits.squeeze(1)


_FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What a family's own code raises when it is used in a way that it was not made for."""


def find_head(calls: ModelCalls) -> SlicedHead | WholeHead:
    """The head by slices if it is proved against the model's own logits, else the whole one."""
    model = calls.model
    output: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if type(output) is not nn.Linear or model.base_model is model:
        return WholeHead(calls)
    head = SlicedHead(calls, output)
    try:
        return head if head.settle() else WholeHead(calls)
    except _FAILURES:
        return WholeHead(calls)

"""Decoder: the uniform view of a Hugging Face causal LM. Record, run a step, unembed; Hugging Face's own code computes it all.

No modelling code is rewritten and no table of families is kept. *Record* calls the model once with every layer's ``forward``
replaced by one that notes its arguments and returns the hidden state as it came: that yields the embeddings and, for each
layer, its own mask, rotary tables and so on, so that a layer keeps them wherever a path puts it. *Run* calls a layer with
its own recorded arguments. *Unembed* calls the model with the layers passing through and the last one answering with a given
hidden state, so final norm, output matrix, soft-cap and scale are exactly the model's.

Axes: ``batch``, ``seq``, ``d_model`` (two axes in families that keep several streams), ``vocab``. Loading is in ``loading.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from layerscope.errors import ModelError, PathError
from layerscope.models.encoder import TextEncoder
from layerscope.models.halves import LayerHalves, find_halves
from layerscope.models.head import ModelCalls, SlicedHead, WholeHead, find_head
from layerscope.models.head_counts import count_heads
from layerscope.models.heads import N_DRAWS, LayerHeads, find_heads
from layerscope.models.layers import find_layers
from layerscope.models.patching import Forward, replaced_forward
from layerscope.paths.steps import LayerStep, ParallelStep, Step

if TYPE_CHECKING:
    from layerscope.models.streaming import StreamedLayers
    from layerscope.models.tuned_lens import TunedLens


@dataclass(frozen=True)
class LayerCall:
    """What a model hands to one of its layers besides the hidden state."""

    args: tuple[Any, ...]
    """Positional arguments after the hidden state."""
    kwargs: dict[str, Any]
    """Keyword arguments: mask, rotary tables, position ids and whatever else the family uses."""


@dataclass(frozen=True)
class Recording:
    """One batch, ready to be walked."""

    embedded: Float[Tensor, "batch seq *d_model"]
    """What the first layer receives."""
    calls: tuple[LayerCall, ...]
    """One a layer, in the model's order."""


@dataclass
class Decoder:
    """A causal LM whose layers can be visited in any order.

    Raises:
        ModelError: the model's layers cannot be found, or its head cannot be reached.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> recording = decoder.record(torch.tensor([[504, 2268, 3163]]))
        >>> hidden = recording.embedded
        >>> for layer in (0, 2, 1, *range(3, decoder.n_layers)):  # layers 1 and 2 exchanged
        ...     hidden = decoder.run_step(LayerStep(layer), hidden, recording)
        >>> decoder.unembed(hidden).shape
        torch.Size([1, 3, 49152])
    """

    model: PreTrainedModel
    """In evaluation mode; bit-identical after every call made here."""
    name: str
    """As the user wrote it; shown in results."""
    encoder: TextEncoder | None = None
    """The model's tokenizer with its BOS policy; None where token ids are made by hand."""
    layers: list[nn.Module] = field(init=False)
    """The decoder layers, in the model's order."""
    compiled: tuple[Forward, ...] | None = None
    """The layers as ``torch.compile`` made them, one per layer; None to run the model's own code as it is."""
    streamed: StreamedLayers | None = None
    """Brings each layer's weights from disk when it runs; None where all are in memory."""
    lens: TunedLens | None = None
    """Translates states for variants that are read through a tuned lens; set by ``attach_lens``."""

    _heads: dict[int, LayerHeads] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.model.train(mode=False)
        self.layers = list(find_layers(self.model))

    @property
    def n_layers(self) -> int:
        """Number of decoder layers."""
        return len(self.layers)

    @cached_property
    def device(self) -> torch.device:
        """Where token ids go in: the device of the input embeddings."""
        return next(self.model.get_input_embeddings().parameters()).device

    @cached_property
    def vocab_size(self) -> int:
        """Rows of the input embeddings; the tokenizer may use fewer."""
        weight: Any = self.model.get_input_embeddings().weight
        return int(weight.shape[0])

    @property
    def context_length(self) -> int | None:
        """Positions that the model can see; None if its configuration names no limit."""
        return context_length(self.model.config)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the hidden states."""
        return self.model.dtype

    @cached_property
    def tuple_lengths(self) -> tuple[int | None, ...]:
        """For each layer, the length of the tuple that it answers with, or None where it answers with a tensor."""
        lengths: list[int | None] = [None] * self.n_layers
        with ExitStack() as stack:
            for index, layer in enumerate(self.layers):

                def note(_: nn.Module, __: Any, output: Any, index: int = index) -> None:
                    lengths[index] = len(output) if isinstance(output, tuple | list) else None

                stack.enter_context(_removable(layer.register_forward_hook(note)))
            stack.enter_context(self.weights_at_hand())
            self._call_body(torch.zeros((1, 2), dtype=torch.long, device=self.device))
        return tuple(lengths)

    @cached_property
    def halves(self) -> LayerHalves:
        """Where each layer's attention and MLP write.

        Raises:
            ModelError: the two cannot be told apart in this model.
        """
        recording = self.record(torch.zeros((1, 2), dtype=torch.long, device=self.device))

        noise = torch.randn(recording.embedded.shape, generator=torch.Generator().manual_seed(0)).to(recording.embedded)

        def run_layer(index: int) -> tuple[Tensor, Tensor]:
            return noise, self.run_step(LayerStep(index), noise, recording)

        return find_halves(self.layers, self.model.config.model_type, run_layer)

    @cached_property
    def head_counts(self) -> tuple[int, ...]:
        """Key-value groups of heads of each layer, as the configuration says; 0 where it names none."""
        return tuple(count.groups for count in count_heads(self.model.config, self.n_layers))

    def heads_of(self, layer: int) -> LayerHeads:
        """The heads of one layer, found and proved on random hidden states when they are first asked for.

        Raises:
            ModelError: they cannot be told apart.
        """
        if layer not in self._heads:
            recordings = {n: self.record(torch.zeros((N_DRAWS, n), dtype=torch.long, device=self.device)) for n in (1, 2)}
            embedded = recordings[2].embedded
            self._heads[layer] = find_heads(
                self.layers[layer],
                torch.randn(embedded.shape, generator=torch.Generator().manual_seed(0)).to(embedded),
                lambda states: self.run_step(LayerStep(layer), states, recordings[states.shape[1]]),
                count=count_heads(self.model.config, self.n_layers)[layer],
                name=f"layer {layer} of '{self.model.config.model_type}'",
            )
        return self._heads[layer]

    @cached_property
    def head(self) -> SlicedHead | WholeHead:
        """The way from final hidden states to logits, by slices of the vocabulary where that gives the model's own."""

        def embed(token_ids: Tensor) -> Tensor:
            return self.record(token_ids).embedded

        return find_head(ModelCalls(self.model, self.layers[-1], embed, self.unembed, self.device))

    @torch.inference_mode()
    def record(self, token_ids: Int[Tensor, "batch seq"]) -> Recording:
        """Embed a batch and note each layer's own arguments; costs next to nothing.

        Args:
            token_ids: right-padded; no mask is needed, since no real token of a causal model sees what stands to its right.

        Raises:
            ModelError: the model did not call each of its layers exactly once.
        """
        calls: list[LayerCall | None] = [None] * self.n_layers
        embedded: list[Tensor] = []

        def recorder(index: int) -> Forward:
            def forward(*args: Any, **kwargs: Any) -> Any:
                hidden, args, kwargs = _split_hidden(args, kwargs)
                if calls[index] is not None:
                    raise ModelError(f"{self.name}: layer {index} is called more than once in a forward pass; not supported.")
                calls[index] = LayerCall(args, kwargs)
                if not embedded:
                    embedded.append(hidden)
                return self.answer_of(index, hidden)

            return forward

        with self._forwards(recorder):
            self._call_body(token_ids)
        seen = tuple(call for call in calls if call is not None)
        if len(seen) != self.n_layers:
            raise ModelError(
                f"{self.name}: {len(seen)} of {self.n_layers} layers were called in a forward pass; not supported."
            )
        return Recording(embedded[0], seen)

    @torch.inference_mode()
    def run_step(
        self, step: Step, hidden: Float[Tensor, "batch seq *d_model"], recording: Recording
    ) -> Float[Tensor, "batch seq *d_model"]:
        """The hidden state after one step of a path.

        Args:
            step: a layer, one half of it, a layer without a head, or several side by side.
            hidden: what the step reads.
            recording: of the batch that ``hidden`` belongs to.

        Raises:
            PathError: the step's layer is not in the model.
            ModelError: half a layer or a layer without a head was asked for, and halves or heads cannot be told apart.
        """
        if isinstance(step, ParallelStep):
            updates = [self.run_step(member, hidden, recording) - hidden for member in step.members]
            return hidden + torch.stack(updates).mean(dim=0)
        return self._run_layer(step, hidden, recording)

    @torch.inference_mode()
    def translate(self, hidden: Float[Tensor, "*rows d_model"], translator: int | None) -> Float[Tensor, "*rows d_model"]:
        """What is unembedded of a state that left the last step.

        Args:
            hidden: the state.
            translator: of the decoder's lens; None to unembed the state as it is.
        """
        if translator is None:
            return hidden
        assert self.lens is not None, "plans are checked before they run"
        return self.lens.translate(hidden, translator)

    @torch.inference_mode()
    def unembed(self, hidden: Float[Tensor, "batch seq *d_model"]) -> Float[Tensor, "batch seq vocab"]:
        """The model's own logits for a hidden state that left the last step.

        Each position stands alone here, so that any shape does: ``(rows, 1, d_model)`` scores rows from anywhere.
        """
        final = self.n_layers - 1

        def injector(index: int) -> Forward:
            def forward(*args: Any, **kwargs: Any) -> Any:
                passing = hidden if index == final else _split_hidden(args, kwargs)[0]
                return self.answer_of(index, passing)

            return forward

        with self._forwards(injector):
            placeholder = torch.zeros(hidden.shape[:2], dtype=torch.long, device=self.device)
            logits: Tensor = self.model(input_ids=placeholder, use_cache=False).logits
        return logits

    @torch.inference_mode()
    def logits(self, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq vocab"]:
        """The model's own forward pass, untouched: what the intact path must reproduce."""
        with self.weights_at_hand():
            logits: Tensor = self.model(input_ids=token_ids.to(self.device), use_cache=False).logits
        return logits

    def _run_layer(self, step: LayerStep, hidden: Tensor, recording: Recording) -> Tensor:
        if step.layer >= self.n_layers:
            raise PathError(f"{self.name} has layers 0-{self.n_layers - 1}; got a step through layer {step.layer}.")
        call = recording.calls[step.layer]
        layer: Forward = self.layers[step.layer]
        with ExitStack() as stack:
            if step.missing_head is not None:
                stack.enter_context(self.heads_of(step.layer).without(step.missing_head))
            elif step.part != "whole":
                stack.enter_context(self.halves.silenced(step.layer, "mlp" if step.part == "attn" else "attn"))
            elif self.compiled is not None:
                layer = self.compiled[step.layer]
            if self.streamed is not None:
                self.streamed.require(step.layer)
            output = layer(hidden, *call.args, **call.kwargs)
        result: Tensor = output[0] if isinstance(output, tuple | list) else output
        return result

    def _call_body(self, token_ids: Tensor) -> None:
        """Run the model without its output matrix, which recording has no use for."""
        self.model.base_model(input_ids=token_ids.to(self.device), use_cache=False)

    def answer_of(self, index: int, hidden: Tensor) -> Any:
        """A hidden state as a layer would answer with it: by itself, or as the first element of a tuple."""
        length = self.tuple_lengths[index]
        return hidden if length is None else (hidden, *[None] * (length - 1))

    @contextmanager
    def _forwards(self, replacement: Callable[[int], Forward]) -> Iterator[None]:
        """Every layer's ``forward`` replaced for a while, and put back whatever happens."""
        _ = self.tuple_lengths  # found with the real layers, before any is replaced
        with ExitStack() as stack:
            for index, layer in enumerate(self.layers):
                stack.enter_context(replaced_forward(layer, replacement(index)))
            yield

    @contextmanager
    def weights_at_hand(self) -> Iterator[None]:
        """For a forward pass of the whole model: streamed layers fetch their weights as they are called."""
        with ExitStack() as stack:
            if self.streamed is not None:
                for index, layer in enumerate(self.layers):
                    stack.enter_context(replaced_forward(layer, _fetching(self.streamed, index, layer.forward)))
            yield


def context_length(config: PretrainedConfig) -> int | None:
    """Positions that a model of this configuration can see; None if it names no limit."""
    text_config = config.get_text_config(decoder=True)
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        value = getattr(text_config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _split_hidden(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """The hidden state that a layer was called with, and the other arguments."""
    if args:
        return args[0], args[1:], kwargs
    rest = dict(kwargs)
    return rest.pop("hidden_states"), (), rest


def _fetching(streamed: StreamedLayers, index: int, forward: Forward) -> Forward:
    def fetch_and_run(*args: Any, **kwargs: Any) -> Any:
        streamed.require(index)
        return forward(*args, **kwargs)

    return fetch_and_run


@contextmanager
def _removable(handle: Any) -> Iterator[None]:
    try:
        yield
    finally:
        handle.remove()

"""Where activations are read: the residual stream after each layer, what each layer and each half adds to it, what reads it.

Each place is found on random tokens and proved there: what attention and MLP write must add up to the layer's update. Families
that normalise or scale a half's output before it is added are read after that, so that every site is in the units of the
residual stream. Only hooks are used; they are gone when the context ends.

Axes: ``batch``, ``seq``, ``d_model``.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerscope.errors import ModelError, check_text, did_you_mean
from layerscope.models.decoder import Decoder
from layerscope.models.head import SlicedHead
from layerscope.paths.steps import LayerStep

Site = Literal["resid_post", "update", "read", "attn_out", "mlp_out"]
SITES: dict[str, str] = {
    "resid_post": "the residual stream after the layer",
    "update": "what the layer adds to it",
    "read": "what the next layer reads of it, after its norm; of the last layer, what the output matrix reads",
    "attn_out": "what the layer's attention adds",
    "mlp_out": "what the layer's MLP adds",
}
"""By name, with what each is."""
_RELATIVE_TOLERANCE = 1e-3


def check_sites(names: Sequence[str]) -> tuple[Site, ...]:
    """Site names, checked, each once.

    Raises:
        ModelError: an unknown name, or none at all.
    """
    for name in names:
        check_text(name, "A site", SITES, ModelError)
        if name not in SITES:
            raise ModelError(f"A site is {', '.join(SITES)}; got '{name}'.{did_you_mean(name, SITES)}")
    if not names:
        raise ModelError(f"At least one site is needed: {', '.join(SITES)}.")
    return tuple(dict.fromkeys(names))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Writer:
    """The module whose output, times a factor, a layer adds to the residual stream."""

    module: nn.Module
    """Its output is the update, or the first element of it."""
    scale: float = 1.0
    """What the family multiplies it with."""
    is_overwritten: bool = False
    """Whether the family goes on to compute in the memory of that output."""


@dataclass
class Activations:
    """What was seen in one forward pass."""

    resid: list[Float[Tensor, "batch seq d_model"]] = field(default_factory=list)
    """The residual stream before the first layer and after each."""
    attn: dict[int, Float[Tensor, "batch seq d_model"]] = field(default_factory=dict)
    """What each layer's attention added, by layer; empty if not asked for."""
    mlp: dict[int, Float[Tensor, "batch seq d_model"]] = field(default_factory=dict)
    """Likewise its MLP."""


class SiteMap:
    """Where the sites of a decoder are. Made once per decoder; finds only what is asked for.

    Args:
        decoder: whose hidden state has one stream.
        sites: those that will be read.

    Raises:
        ModelError: the model keeps several streams, or what its halves write cannot be told apart.

    Examples:
        >>> sites = ls.SiteMap(ls.load_decoder("smollm2-135m"), ["resid_post", "mlp_out"])
        >>> sites.n_layers, sites.width
        (30, 576)
    """

    def __init__(self, decoder: Decoder, sites: Sequence[Site]) -> None:
        self.decoder, self.sites = decoder, tuple(sites)
        ids = torch.arange(1, 5, device=decoder.device)[None, :] % decoder.vocab_size
        if decoder.record(ids).embedded.ndim != 3:
            raise ModelError(
                f"Activations are read from a residual stream of one vector a token; '{decoder.model.config.model_type}' keeps "
                "several, which is not supported."
            )
        self._halves = [_find_writers(decoder, index) for index in _layers_with_halves(decoder, sites)]
        self._norms = [_find_norm(decoder, index) for index in range(decoder.n_layers)] if "read" in sites else []
        if "read" in sites:
            _check_width(decoder, self.width)

    @property
    def width(self) -> int:
        """Dimensions of the residual stream."""
        return int(self.decoder.model.config.get_text_config(decoder=True).hidden_size)

    @property
    def n_layers(self) -> int:
        """Layers of the decoder."""
        return self.decoder.n_layers

    @contextmanager
    def watching(self) -> Iterator[Activations]:
        """Within the context, a forward pass of the model leaves its activations here; one pass per context."""
        seen = Activations()
        with ExitStack() as stack:

            def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                seen.resid.append(args[0] if args else kwargs["hidden_states"])

            first, *_ = self.decoder.layers
            stack.callback(first.register_forward_pre_hook(enter, with_kwargs=True).remove)
            for layer in self.decoder.layers:
                stack.callback(layer.register_forward_hook(lambda _, __, out: seen.resid.append(first_of(out))).remove)
            for index, (attn, mlp) in enumerate(self._halves):
                for writer, kept in ((attn, seen.attn), (mlp, seen.mlp)):
                    stack.callback(writer.module.register_forward_hook(_keeping(seen, kept, index, writer)).remove)
            yield seen

    @torch.inference_mode()
    def value(
        self, seen: Activations, site: Site, layer: int, at: Callable[[Tensor], Float[Tensor, "*rows d_model"]]
    ) -> Float[Tensor, "*rows d_model"]:
        """A site's activations at some tokens.

        Args:
            seen: of a finished pass.
            site: one that the map was made for.
            layer: from 0.
            at: takes the wanted tokens out of an array of all.
        """
        if site == "attn_out":
            return at(seen.attn[layer])
        if site == "mlp_out":
            return at(seen.mlp[layer])
        after = at(seen.resid[layer + 1])
        if site == "update":
            return after - at(seen.resid[layer]).to(after)
        if site == "read":
            return self._read(layer, after)
        return after

    def write_module(self, site: Site, layer: int) -> Writer:
        """The module whose output is a site's value, to change it there.

        Raises:
            ModelError: nothing writes the site by itself: ``update`` and ``read`` are made of others.
        """
        if site == "resid_post":
            return Writer(self.decoder.layers[layer])
        if site in ("attn_out", "mlp_out"):
            return self._halves[layer][0 if site == "attn_out" else 1]
        raise ModelError(f"Activations can be changed at resid_post, attn_out and mlp_out; got '{site}'.")

    def _read(self, layer: int, hidden: Tensor) -> Tensor:
        if layer + 1 == self.decoder.n_layers:
            return _read_by_matrix(self.decoder, hidden.reshape(-1, hidden.shape[-1])).reshape(hidden.shape)
        norm = self._norms[layer + 1]
        return hidden if norm is None else first_of(norm(hidden))


def first_of(output: Any) -> Tensor:
    """The hidden state in a module's answer."""
    result: Tensor = output[0] if isinstance(output, tuple | list) else output
    return result


def _keeping(seen: Activations, kept: dict[int, Tensor], index: int, writer: Writer) -> Callable[..., None]:
    def keep(_: nn.Module, __: Any, output: Any) -> None:
        written = first_of(output).reshape(seen.resid[-1].shape)  # some families flatten batch and positions inside a layer
        written = written * writer.scale if writer.scale != 1.0 else written
        kept[index] = written.clone() if writer.is_overwritten else written

    return keep


@torch.inference_mode()
def _read_by_matrix(decoder: Decoder, hidden: Float[Tensor, "token d_model"]) -> Float[Tensor, "token width"]:
    """What the output matrix reads of hidden states that left the last layer."""
    if isinstance(decoder.head, SlicedHead):
        return decoder.head.features(hidden)
    seen: list[Tensor] = []
    matrix: Any = decoder.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    handle = matrix.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        decoder.unembed(hidden[:, None])
    finally:
        handle.remove()
    return seen[0][:, 0]


def _check_width(decoder: Decoder, width: int) -> None:
    found = _read_by_matrix(decoder, torch.zeros((1, width), dtype=decoder.dtype, device=decoder.device)).shape[1]
    if found != width:
        raise ModelError(
            f"read needs an output matrix that reads what is as wide as the residual stream; in "
            f"'{decoder.model.config.model_type}' it reads {found} dimensions and the stream has {width}: leave this site out."
        )


def _layers_with_halves(decoder: Decoder, sites: Sequence[Site]) -> range:
    return range(decoder.n_layers if {"attn_out", "mlp_out"} & set(sites) else 0)


@torch.inference_mode()
def _probe(decoder: Decoder, index: int, modules: Sequence[nn.Module]) -> tuple[Tensor, list[tuple[int, Tensor]], set[int]]:
    """A layer's update on random numbers, what some modules in it answered, in the order of their calls, and whose answers were
    written over afterwards.
    """
    ids = torch.arange(1, 5, device=decoder.device)[None, :] % decoder.vocab_size
    recording = decoder.record(ids)
    noise = torch.randn(recording.embedded.shape, generator=torch.Generator().manual_seed(index)).to(recording.embedded)
    answers: list[tuple[int, Tensor]] = []
    originals: list[tuple[int, Tensor]] = []
    with ExitStack() as stack:
        for number, module in enumerate(modules):

            def note(_: nn.Module, __: Any, output: Any, number: int = number) -> None:
                found = output[0] if isinstance(output, tuple | list) and output else output
                if isinstance(found, Tensor) and found.numel() == noise.numel():
                    answers.append((number, found.reshape(noise.shape).float().clone()))
                    originals.append((number, found.reshape(noise.shape)))

            stack.callback(module.register_forward_hook(note).remove)
        after = decoder.run_step(LayerStep(index), noise, recording)
    overwritten = {n for (n, then), (_, now) in zip(answers, originals, strict=True) if not torch.equal(then, now.float())}
    return (after - noise).float(), answers, overwritten


def _find_writers(decoder: Decoder, index: int) -> tuple[Writer, Writer]:
    """Two modules of a layer whose outputs, times one factor, add up to its update: attention first."""
    refusal = ModelError(
        f"attn_out and mlp_out need a layer that adds what two modules write; in '{decoder.model.config.model_type}' layer "
        f"{index} does something else: leave these sites out."
    )
    try:
        attn, mlp = decoder.halves.attn[index], decoder.halves.mlp[index]
    except ModelError as error:
        raise refusal from error
    modules = [*attn, *mlp, *(child for child in decoder.layers[index].children() if child not in (*attn, *mlp))]
    update, answers, overwritten = _probe(decoder, index, modules)
    slack = _RELATIVE_TOLERANCE if decoder.dtype == torch.float32 else 30 * torch.finfo(decoder.dtype).eps
    fits = []
    for (one, first), (two, second) in itertools.combinations(answers, 2):
        total = first + second
        scale = float((update * total).sum() / (total * total).sum().clamp(min=1e-30))
        scale = 1.0 if abs(scale - 1.0) < 0.01 else float(f"{scale:.4g}")
        if float((update - scale * total).norm() / update.norm().clamp(min=1e-30)) <= slack:
            swapped = modules[one] in mlp or modules[two] in attn
            pair = (two, one) if swapped else (one, two)
            fits.append((scale != 1.0, pair != (0, len(attn)), pair, scale))
    if not fits:
        raise refusal
    _, _, (one, two), scale = min(fits)
    return Writer(modules[one], scale, one in overwritten), Writer(modules[two], scale, two in overwritten)


@torch.inference_mode()
def _find_norm(decoder: Decoder, index: int) -> nn.Module | None:
    """The norm through which a layer reads the residual stream; None if it reads it as it is."""
    ids = torch.arange(1, 5, device=decoder.device)[None, :] % decoder.vocab_size
    recording = decoder.record(ids)
    noise = torch.randn(recording.embedded.shape, generator=torch.Generator().manual_seed(index)).to(recording.embedded)
    readers: list[nn.Module] = []
    with ExitStack() as stack:
        for child in decoder.layers[index].children():

            def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                given = [*args, *kwargs.values()]
                if any(isinstance(one, Tensor) and one.data_ptr() == noise.data_ptr() for one in given):
                    readers.append(module)

            stack.callback(child.register_forward_pre_hook(note, with_kwargs=True).remove)
        decoder.run_step(LayerStep(index), noise, recording)
    if not readers or "norm" not in type(readers[0]).__name__.lower():
        return None
    # a streamed layer's weights leave again; its norm is small
    return readers[0] if decoder.streamed is None else copy.deepcopy(readers[0])

"""Ablation: some dimensions of some layers at a site are given other values, at some tokens, in an ordinary forward pass.

Hooks only, on the modules that write the site; they are gone when the context ends. What follows an ablated layer computes with
the new values. To look at activations of an ablated pass, enter ``ablated`` first and ``SiteMap.watching`` inside it.

Axes: ``row`` (texts of a pass), ``column`` (its tokens), ``unit`` (ablated dimensions of a layer), ``member`` (of the whole
set).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from layerscope.contrasts.engine.reference import Reference
from layerscope.errors import ModelError, check_text, did_you_mean
from layerscope.models.decoder import Decoder
from layerscope.models.sites import Site, SiteMap, check_sites, first_of

Replacement = Literal["zero", "mean", "resample"]
REPLACEMENTS: tuple[Replacement, ...] = get_args(Replacement)
"""0; the mean over ordinary text; what random tokens of ordinary text have there."""
CHANGEABLE: tuple[Site, ...] = ("resid_post", "attn_out", "mlp_out")
"""Sites that one module writes by itself."""


@dataclass(frozen=True)
class Units:
    """Which dimensions of which layers.

    Raises:
        ModelError: a site that cannot be changed, no unit at all, or numbers that are no layers or dimensions.

    Examples:
        >>> units = ls.Units("resid_post", {5: np.array([1, 2]), 9: np.array([0])})
        >>> units.n_units
        3
    """

    site: Site
    """Where: resid_post, attn_out or mlp_out."""
    layers: Mapping[int, Int[np.ndarray, " unit"]]
    """Dimensions by layer, from 0; each once."""

    def __post_init__(self) -> None:
        check_sites([self.site])
        if self.site not in CHANGEABLE:
            raise ModelError(
                f"Activations can be changed at {', '.join(CHANGEABLE)}; got '{self.site}', which follows from those."
            )
        if not self.layers or any(len(dims) == 0 for dims in self.layers.values()):
            raise ModelError("An ablation needs at least one dimension of each layer that it names; got none: name them.")
        for layer, dims in self.layers.items():
            if layer < 0 or dims.min() < 0:
                raise ModelError(f"Layers and dimensions count from 0; got layer {layer}, dimensions from {dims.min()}.")
            if len(np.unique(dims)) < len(dims):
                raise ModelError(f"Each dimension is named once; layer {layer} has one twice: leave the second out.")

    @classmethod
    def of(cls, site: Site, *, layer: Int[np.ndarray, " member"], dim: Int[np.ndarray, " member"]) -> Units:
        """From a list of members.

        Args:
            site: where.
            layer: of each member.
            dim: of each member.
        """
        return cls(site, {int(one): np.sort(dim[layer == one]) for one in np.unique(layer)})

    @classmethod
    def of_flat(cls, site: Site, *, unit: Int[np.ndarray, " member"], width: int) -> Units:
        """From numbers that count through all layers: layer × width + dimension.

        Args:
            site: where.
            unit: of each member.
            width: dimensions of the residual stream.
        """
        return cls.of(site, layer=unit // width, dim=unit % width)

    @property
    def n_units(self) -> int:
        """Units in all."""
        return sum(len(dims) for dims in self.layers.values())

    def check(self, sites: SiteMap) -> None:
        """Hold the units against a model.

        Raises:
            ModelError: the model has no such layer or dimension, or the map was made for other sites.
        """
        if self.site not in (*sites.sites, "resid_post"):
            raise ModelError(f"The map of sites was made for {', '.join(sites.sites)}; got '{self.site}': make one for it too.")
        for layer, dims in self.layers.items():
            if layer >= sites.n_layers or dims.max() >= sites.width:
                raise ModelError(
                    f"{sites.decoder.name} has layers 0-{sites.n_layers - 1} and dimensions 0-{sites.width - 1}; got layer "
                    f"{layer}, dimensions to {dims.max()}."
                )


def check_replacement(units: Units, replace: str, reference: Reference | None) -> None:
    """What has to hold before values can be put in the place of others.

    Raises:
        ModelError: an unknown replacement, or one that needs a reference of the site and has none.
    """
    check_text(replace, "A replacement", REPLACEMENTS, ModelError)
    if replace not in REPLACEMENTS:
        raise ModelError(f"A replacement is {', '.join(REPLACEMENTS)}; got '{replace}'.{did_you_mean(replace, REPLACEMENTS)}")
    if replace != "zero" and (reference is None or units.site not in reference.mean):
        raise ModelError(
            f"'{replace}' takes values of ordinary text at {units.site}; there is no reference of it: measure one with "
            "measure_reference, or take zero."
        )


def replacement_values(
    units: Units,
    replace: Replacement,
    *,
    reference: Reference | None = None,
    sample: Int[np.ndarray, "row column"] | None = None,
) -> dict[int, Float[Tensor, "#row #column _"]]:
    """What is written into each unit, by layer.

    Args:
        units: what is ablated.
        replace: zero; the reference's mean; or a token of its bank, the same for all units, which keeps their joint
            distribution.
        reference: ordinary text; not needed for zero.
        sample: for resample, which of the bank's tokens each place takes its values from.

    Returns:
        One value per unit, or for resample one per place and unit; float32.

    Raises:
        ModelError: see ``check_replacement``; or resample without samples.

    Examples:
        >>> units = ls.Units("resid_post", {5: np.array([1, 2])})
        >>> ls.replacement_values(units, "zero")[5].flatten().tolist()
        [0.0, 0.0]
    """
    check_replacement(units, replace, reference)
    if replace == "zero":
        return {layer: torch.zeros((1, 1, len(dims))) for layer, dims in units.layers.items()}
    assert reference is not None
    if replace == "mean":
        mean = reference.mean[units.site]
        return {
            layer: torch.from_numpy(mean[layer, dims][None, None].astype(np.float32)) for layer, dims in units.layers.items()
        }
    if sample is None:
        raise ModelError("'resample' needs to know which token of the reference goes where; got none: hand in sample.")
    bank = reference.bank[units.site]
    return {layer: torch.from_numpy(bank[:, layer, dims][sample]) for layer, dims in units.layers.items()}


@contextmanager
def ablated(
    sites: SiteMap,
    units: Units,
    *,
    values: Mapping[int, Float[Tensor, "#row #column _"]],
    where: Bool[Tensor, "row column"],
) -> Iterator[None]:
    """Within the context, a forward pass of the model has replaced values in some units; the model itself is unchanged.

    Args:
        sites: of the model, made for the units' site.
        units: what is changed.
        values: by layer, as ``replacement_values`` gives them, in the units of the residual stream.
        where: the tokens at which it is changed; a pass has exactly these rows and columns.

    Raises:
        ModelError: units that the model does not have; during the pass, one with other rows or columns.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> sites, units = ls.SiteMap(decoder, ["resid_post"]), ls.Units("resid_post", {5: np.arange(576)})
        >>> ids = torch.tensor([[504, 2268, 3163]])
        >>> everywhere, values = torch.ones(1, 3, dtype=torch.bool), ls.replacement_values(units, "zero")
        >>> intact = decoder.logits(ids)
        >>> with ls.ablated(sites, units, values=values, where=everywhere):
        ...     bool((decoder.logits(ids) == intact).all())
        False
        >>> bool((decoder.logits(ids) == intact).all())  # the model itself is not touched
        True
    """
    units.check(sites)
    with ExitStack() as stack:
        first, *_ = sites.decoder.layers
        stack.callback(first.register_forward_pre_hook(_checking(where), with_kwargs=True).remove)
        for layer, dims in units.layers.items():
            writer = sites.write_module(units.site, layer)
            hook = _writing(torch.from_numpy(dims), values[layer] / writer.scale, where)
            stack.callback(writer.module.register_forward_hook(hook).remove)
        yield


@contextmanager
def ablated_model(
    decoder: Decoder,
    token_ids: Int[Tensor, "row column"],
    dimensions: Mapping[int, Sequence[int]],
    *,
    site: Site = "resid_post",
    replace: Replacement = "zero",
    positions: slice = slice(None),
    reference: Reference | None = None,
    generator: np.random.Generator | None = None,
) -> Iterator[None]:
    """Within the context, some dimensions are ablated when the model reads these texts.

    ``with ablated_model(decoder, ids, {5: [1, 2]}, positions=slice(3, None)): logits = decoder.logits(ids)``

    Args:
        decoder: the model.
        token_ids: the texts that will be run; only their shape counts.
        dimensions: those to ablate, by layer.
        site: resid_post, attn_out or mlp_out.
        replace: by what.
        positions: which tokens of each text; all of them by default.
        reference: for mean and resample, from ``measure_reference`` at the site.
        generator: for resample, chooses a token of the reference for each token.

    Raises:
        ModelError: what the model does not have, or what the replacement lacks.

    Examples:
        >>> decoder = ls.load_decoder("smollm2-135m")
        >>> ids = torch.tensor([[504, 2268, 3163]])
        >>> intact = decoder.logits(ids)
        >>> with ls.ablated_model(decoder, ids, {5: range(576)}, positions=slice(1, None)):
        ...     changed = (decoder.logits(ids) != intact).any(dim=2)[0].tolist()
        >>> changed
        [False, True, True]
    """
    units = Units(site, {layer: np.array(dims, dtype=np.int64) for layer, dims in dimensions.items()})
    check_replacement(units, replace, reference)
    shape, sample = tuple(token_ids.shape), None
    if replace == "resample" and reference is not None:
        if generator is None:
            raise ModelError("'resample' draws tokens at random; got no generator: hand in numpy.random.default_rng(0).")
        sample = generator.integers(len(reference.bank[site]), size=shape)
    where = torch.zeros(shape, dtype=torch.bool)
    where[:, positions] = True
    values = replacement_values(units, replace, reference=reference, sample=sample)
    with ablated(SiteMap(decoder, (site,)), units, values=values, where=where):
        yield


def _checking(where: Tensor) -> Callable[..., None]:
    def check(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found = tuple((args[0] if args else kwargs["hidden_states"]).shape[:2])
        if found != tuple(where.shape):
            (rows, columns), (n, length) = where.shape, found
            raise ModelError(
                f"An ablation is made for a pass of one shape, here {rows} texts of {columns} tokens; got {n} of {length}: "
                "make one for these."
            )

    return check


def _writing(dims: Tensor, values: Tensor, where: Tensor) -> Callable[..., Any]:
    def write(_: nn.Module, __: Any, output: Any) -> Any:
        hidden = first_of(output)
        changed = hidden.reshape(*where.shape, -1).clone()  # some families flatten batch and positions inside a layer
        at = dims.to(hidden.device)
        changed[..., at] = torch.where(where.to(hidden.device)[..., None], values.to(hidden), changed[..., at])
        changed = changed.reshape(hidden.shape)
        return type(output)([changed, *output[1:]]) if isinstance(output, tuple | list) else changed

    return write

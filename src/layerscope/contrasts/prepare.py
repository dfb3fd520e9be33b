"""A contrast run settled before any weight is loaded: pairs, tokenizer, groups, place. What can be refused is refused here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PretrainedConfig

from layerscope.contrasts.groups import PairGroup, file_pairs, group_pairs, template_pairs
from layerscope.contrasts.record import ContrastRequestRecord, TextRecord
from layerscope.contrasts.reference import ReferenceText
from layerscope.corpora.catalogue import load_documents
from layerscope.errors import DataError, PairError
from layerscope.models.decoder import context_length
from layerscope.models.encoder import TextEncoder
from layerscope.models.loading import LoadOptions, load_config, load_encoder, resolve_device, resolve_dtype
from layerscope.models.pair_tokenizer import pair_tokenizer
from layerscope.models.sites import Site, check_sites
from layerscope.models.skeleton import count_layers
from layerscope.models.sources import ModelSource, resolve_model
from layerscope.pairs.positions import check_positions
from layerscope.results.directory import RunDirectory, run_slug

DEFAULT_SITES = ("resid_post", "attn_out", "mlp_out")
MOST_PLACEBOS = 2
DEFAULT_POSITIONS = ("edit", "edit+1", "edit+2", "edit+3", "detection", "last")
_BATCH_TOKENS = {"cpu": 1024, "mps": 1024, "cuda": 8192}


@dataclass(frozen=True)
class ContrastRequest:
    """A contrast as requested by the user; fields have the names of the command line's options.

    Examples:
        >>> request = ls.ContrastRequest("smollm2-135m", per_subtype=50, subtypes=("tense", "subject"))
        >>> request.sites, request.positions[:2]
        (('resid_post', 'attn_out', 'mlp_out'), ('edit', 'edit+1'))
    """

    model: str
    """Built-in name, directory, GGUF file or Hub id."""
    pairs: Path | None = None
    """JSON Lines file of pairs; if None, pairs are made from templates to suit the model's tokenizer."""
    per_subtype: int = 200
    """Template pairs per subtype."""
    subtypes: tuple[str, ...] | None = None
    """Subtypes of template pairs, besides the controls; all if None."""
    sites: tuple[str, ...] = DEFAULT_SITES
    """Sites at which activations are compared."""
    positions: tuple[str, ...] = DEFAULT_POSITIONS
    """Tokens at which they are compared."""
    aligned: bool = False
    """Whether pairs of unequal length are also compared, aligned from both ends, in separate groups."""
    prefix: str = ""
    """Neutral text before every sentence."""
    placebos: int = 1
    """Placebos per pair; with two, the test is also run on placebos against placebos."""
    values: tuple[int, ...] = ()
    """Layers whose per-pair differences are kept."""
    reference: ReferenceText = field(default_factory=ReferenceText)
    """Text on which the spread of each dimension is measured."""
    revision: str | None = None
    """Revision of the model on the Hub."""
    options: LoadOptions = field(default_factory=LoadOptions)
    """How to load the model."""
    stream: bool = False
    """Read each layer's weights from disk when they are needed."""
    seed: int = 42
    """Seed for template pairs and controls."""
    batch_tokens: int | None = None
    """Positions per batch; by device if None."""
    output_dir: Path = Path("results")
    """Folder for run directories."""


@dataclass(frozen=True)
class PreparedContrast:
    """A contrast run that is settled, its weights not yet loaded."""

    request: ContrastRequest
    """As asked."""
    source: ModelSource
    """Where the model is."""
    config: PretrainedConfig
    """The model's configuration."""
    encoder: TextEncoder
    """Its tokenizer and BOS policy."""
    sites: tuple[Site, ...]
    """Checked."""
    positions: tuple[str, ...]
    """Checked."""
    groups: tuple[PairGroup, ...]
    """In the order in which they run."""
    batch_tokens: int
    """Positions per batch."""
    directory: RunDirectory
    """Where it goes."""
    record: ContrastRequestRecord
    """Everything that decides the numbers."""

    @property
    def n_pairs(self) -> int:
        """Usable pairs of all groups, without placebos, which are found later."""
        return sum(len(group.checked) for group in self.groups)

    @property
    def label(self) -> str:
        """Name of the pairs, for captions."""
        return pairs_label(self.request.pairs)


def pairs_label(path: Path | None) -> str:
    """``templates``, or the file's name without its ending."""
    return "templates" if path is None else path.name.removesuffix(".jsonl")


def prepare_contrast(request: ContrastRequest, *, device_type: str | None = None) -> PreparedContrast:
    """Settle a request and check everything that can be checked before weights are loaded.

    Args:
        request: what is asked for.
        device_type: of the processes that will do the work, if this is not one of them; the request's device if None.

    Raises:
        LayerscopeError: whatever is wrong, in one sentence.

    Examples:
        >>> request = ls.ContrastRequest("smollm2-135m", per_subtype=8, subtypes=("tense", "subject"))
        >>> prepared = ls.prepare_contrast(request)
        >>> [group.name for group in prepared.groups if group.role in ("meaning", "grammar")], prepared.n_pairs
        (['subject', 'tense'], 44)
    """
    sites, positions = check_sites(request.sites), check_positions(request.positions)
    _check_request(request)
    device = resolve_device(request.options.device) if device_type is None else torch.device(device_type)
    load_documents(request.reference.dataset, "lines", data_dir=request.reference.data_dir)  # refused now, if at all
    source = resolve_model(request.model, request.revision)
    config = load_config(source, request.options)
    dtype = resolve_dtype(request.options.dtype, config)
    n_layers = count_layers(config)
    for layer in request.values:
        if not 0 <= layer < n_layers:
            raise DataError(f"--values names layers 0 to {n_layers - 1} of this model; got {layer}.")
    samples = request.per_subtype if request.pairs is None else None
    slug = run_slug(request.model, pairs_label(request.pairs), samples)
    directory = RunDirectory(request.output_dir / "contrast" / slug)
    directory.check_writable()
    encoder = load_encoder(source, request.options)
    tokenizer = pair_tokenizer(encoder)
    if request.pairs is None:
        checked = template_pairs(tokenizer, request.per_subtype, subtypes=request.subtypes, seed=request.seed)
    else:
        checked = file_pairs(request.pairs, tokenizer, prefix=request.prefix, seed=request.seed)
    groups = tuple(group_pairs(checked, tokenizer, aligned=request.aligned, n_placebos=request.placebos))
    _check_length(groups, context_length(config))
    batch_tokens = request.batch_tokens or _BATCH_TOKENS[device.type]
    record = ContrastRequestRecord(
        model=source.name,
        model_fingerprint=getattr(config, "_commit_hash", None) or source.fingerprint,
        dtype=str(dtype).removeprefix("torch."),
        quantize=request.options.quantize,
        device=device.type,
        pairs=pairs_label(request.pairs),
        pairs_sha256=_digest(groups),
        per_subtype=samples,
        subtypes=request.subtypes,
        sites=sites,
        positions=positions,
        aligned=request.aligned,
        prefix=request.prefix,
        placebos=request.placebos,
        values=request.values,
        reference=TextRecord(dataset=request.reference.dataset, tokens=request.reference.n_tokens),
        bos=request.options.bos,
        prefix_ids=encoder.prefix_ids,
        seed=request.seed,
        batch_tokens=batch_tokens,
    )
    return PreparedContrast(request, source, config, encoder, sites, positions, groups, batch_tokens, directory, record)


def _check_request(request: ContrastRequest) -> None:
    if request.per_subtype < 1:
        raise PairError(f"--per-subtype is 1 or more; got {request.per_subtype}.")
    if not 1 <= request.placebos <= MOST_PLACEBOS:
        raise PairError(f"--placebos is from 1 to {MOST_PLACEBOS}; got {request.placebos}.")
    if request.seed < 0:
        raise PairError(f"--seed is 0 or more; got {request.seed}.")
    if request.batch_tokens is not None and request.batch_tokens < 1:
        raise DataError(f"--batch-tokens is 1 or more; got {request.batch_tokens}.")
    if request.pairs is not None and request.subtypes is not None:
        raise PairError("--subtypes chooses among template pairs; a file is taken whole: leave one of the two out.")
    if request.prefix and request.pairs is None:
        raise PairError("--prefix goes before the sentences of a file; template pairs need none: leave it out.")


def _check_length(groups: tuple[PairGroup, ...], longest: int | None) -> None:
    if longest is None:
        return
    for group in groups:
        for checked, placed in zip(group.checked, group.placed, strict=True):
            if max(map(len, placed.ids)) > longest:
                raise PairError(
                    f"A sentence fits in the model's context of {longest} tokens; '{checked.pair.sentence1[:40]}…' has "
                    f"{max(map(len, placed.ids))}: leave that pair out."
                )


def _digest(groups: tuple[PairGroup, ...]) -> str:
    digest = hashlib.sha256()
    for group in groups:
        digest.update(f"{group.name}\n".encode())
        for checked in group.checked:
            digest.update(f"{checked.pair.id} {checked.pair.template}\n".encode())
    return digest.hexdigest()

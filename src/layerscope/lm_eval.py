"""PathLM: a path of a Decoder as a model of lm-evaluation-harness. Nothing is exported and nothing is copied.

It is the harness's own ``HFLM`` with the forward pass replaced by record, run the path's steps, unembed. Requests, few-shot
prompts, tokens, what is summed and how it is averaged are the harness's. Only log-likelihoods go this way.

From the harness's command line, with quotes because commas stand between its arguments::

    python -m layerscope.lm_eval run --model layerscope --model_args "pretrained=smollm2-135m,path='0-9,12-29'" --tasks arc_easy
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from layerscope.errors import LayerscopeError, ModelError, did_you_mean
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.paths.path import LayerPath
from layerscope.progress import Advance, nobody_asks

try:
    from lm_eval.api.registry import model_registry
    from lm_eval.models.huggingface import HFLM
except ModuleNotFoundError as missing:
    raise ModelError(
        f"Tasks need lm-evaluation-harness, and '{missing.name}' is not installed: pip install 'layerscope[tasks]'."
    ) from missing

NAME = "layerscope"
"""By which the harness knows it, as in ``--model layerscope``."""
_OPTIONS = ("dtype", "device", "quantize", "device_map", "trust_remote_code")
"""Arguments that say how to load."""
_OWN = ("batch_size", "batch_tokens", "add_bos_token", "max_length", "prefix_token_id", "softmax_dtype")
"""Arguments of the class itself that can be written."""
_LARGEST_LOGITS = {"cpu": 2**26, "mps": 2**28, "cuda": 2**30}
"""Numbers, by kind of device: log-probabilities of a batch are as many again, and larger ones are slower on a CPU."""
_POSITIONS = {"cpu": 4096, "mps": 4096, "cuda": 8192}


class PathLM(HFLM):  # type: ignore[misc]
    """A path of a loaded model, as lm-evaluation-harness wants a model.

    Examples:
        >>> from layerscope.lm_eval import PathLM
        >>> decoder = ls.load_decoder("smollm2-135m", options=ls.LoadOptions(dtype="float32"))
        >>> lm = PathLM(decoder, "0-9,12-29")
        >>> str(lm.path), lm.rank
        ('0-9,12-29', 0)
    """

    def __init__(
        self,
        decoder: Decoder,
        path: LayerPath | str | None = None,
        *,
        batch_size: int | str = "auto",
        batch_tokens: int | None = None,
        add_bos_token: bool | None = None,
        max_length: int | None = None,
        prefix_token_id: int | None = None,
        softmax_dtype: str | None = None,
        advance: Advance = nobody_asks,
        walk: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Check that the path runs; nothing is computed.

        Args:
            decoder: with a tokenizer; bit-identical afterwards, and so is the tokenizer.
            path: a path or its written form; the intact model if None.
            batch_size: requests per batch; ``auto`` for as many as ``batch_tokens`` allow.
            batch_tokens: positions per batch, pads included, if ``batch_size`` is ``auto``; by device and vocabulary if None.
            add_bos_token: whether a BOS stands before a text; as the tokenizer does if None. As in ``HFLM``, a text without a
                context always has the BOS (or else the EOS) before it.
            max_length: positions at most; as the configuration says if None.
            prefix_token_id: token before a text without a context; as in ``HFLM`` if None.
            softmax_dtype: of log-probabilities and their sums, as in ``HFLM``; the model's if None. In bfloat16 a sum has eight
                bits: two sentences of 70 nats are often equally likely then, which tasks count as right.
            advance: called with the rows of each batch.
            walk: takes a batch of token ids along the path, where not every step need be run; gives what ``PathLM`` would have.

        Raises:
            PathError: the path does not follow the grammar, or does not fit the model.
            ModelError: the model has no tokenizer, a batch has no size, or halves or heads of layers cannot be told apart.
        """
        if decoder.encoder is None:
            raise ModelError(f"Tasks are text; '{decoder.name}' was loaded without a tokenizer: use load_decoder.")
        path = LayerPath.intact(decoder.n_layers) if path is None else path
        self.decoder, self.path = decoder, path if isinstance(path, LayerPath) else LayerPath.parse(path)
        check_runs(decoder, self.path)
        default = default_batch_tokens(decoder.device.type, decoder.vocab_size)
        self._batch_tokens = default if batch_tokens is None else batch_tokens
        self._advance: Advance = advance
        self._walk = self._run_path if walk is None else walk
        self._sizes: dict[int, int] = {}
        super().__init__(
            pretrained=decoder.model,
            backend="causal",
            tokenizer=copy.deepcopy(decoder.encoder.tokenizer),  # a pad token is added to it
            max_length=max_length,
            batch_size=_checked_size(batch_size, self._batch_tokens),
            add_bos_token=add_bos_token,
            prefix_token_id=prefix_token_id,
            softmax_dtype=softmax_dtype,
        )

    def along(
        self, path: LayerPath, *, walk: Callable[[Tensor], Tensor] | None = None, advance: Advance = nobody_asks
    ) -> PathLM:
        """The same model along another path, tokenizer and options shared: for many paths one after the other.

        Raises:
            PathError: the path does not fit the model.
            ModelError: halves or heads of layers cannot be told apart.
        """
        check_runs(self.decoder, path)
        other = copy.copy(self)
        other.path, other._advance = path, advance
        other._walk = other._run_path if walk is None else walk
        return other

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> PathLM:
        """From ``pretrained=smollm2-135m,path=0-9,12-29``: what has no ``=`` belongs to the argument before it.

        Raises:
            ModelError: an argument that there is not.
            LayerscopeError: the model cannot be loaded or does not have the path.
        """
        return cls.create_from_arg_obj(_parse(arg_string), additional_config)

    @classmethod
    def create_from_arg_obj(cls, arg_dict: Mapping[str, Any], additional_config: Mapping[str, Any] | None = None) -> PathLM:
        """From the harness's arguments: ``pretrained``, ``path``, ``revision``, those of loading and those of this class.

        Raises:
            ModelError: an argument that there is not, or no model.
            LayerscopeError: the model cannot be loaded or does not have the path.
        """
        more = {name: value for name, value in (additional_config or {}).items() if value is not None}
        more.pop("max_batch_size", None)  # of the harness's own search for a batch that fits
        if str(more.get("device", "")).startswith("cuda") and not torch.cuda.is_available():
            del more["device"]  # its command line's default, from which HFLM falls back, too
        given = {**more, **arg_dict}
        known = ("pretrained", "path", "revision", *_OPTIONS, *_OWN)
        for name in given:
            if name not in known:
                raise ModelError(
                    f"--model layerscope takes {', '.join(known)}; got '{name}'.{did_you_mean(str(name), known)} A path has "
                    "commas: write it in quotes, path='0-9,12-29', or all arguments as JSON."
                )
        if "pretrained" not in given:
            raise ModelError("--model layerscope needs pretrained=MODEL: a built-in name, a directory or a Hub id.")
        options = LoadOptions(**{name: given[name] for name in _OPTIONS if name in given})
        decoder = load_decoder(str(given["pretrained"]), revision=given.get("revision"), options=options)
        path = None if given.get("path") is None else str(given["path"])  # one layer is read as a number
        return cls(decoder, path, **{name: given[name] for name in _OWN if name in given})

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Of continuations, as ``HFLM`` sums them."""
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Of whole texts, in windows as long as the context, as ``HFLM`` cuts them."""
        before: int | str = self.batch_size
        if before == "auto":
            self.batch_size_per_gpu = max(1, self._batch_tokens // self.max_length)
        try:
            found: list[float] = super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        finally:
            self.batch_size_per_gpu = before
        return found

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> NoReturn:  # noqa: ARG002
        """Refused: generation goes through a cache that belongs to the model's own layers.

        Raises:
            ModelError: always, with what to do.
        """
        names = sorted({str(getattr(request, "task_name", None) or "a task") for request in requests})
        raise ModelError(refusal(names, self.path))

    def get_model_info(self) -> dict[str, Any]:
        """What the harness notes of a model; the Hub is not asked."""
        return {
            "model_num_parameters": self.decoder.model.num_parameters(),
            "model_dtype": self.decoder.dtype,
            "model_revision": self.revision,
            "model_sha": "",
            "layerscope_path": str(self.path),
        }

    def _model_call(
        self, inps: Int[Tensor, "batch seq"], attn_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> Float[Tensor, "batch seq vocab"]:
        """The path's logits for right-padded tokens."""
        assert attn_mask is None, "decoders are called without a mask"
        assert labels is None, "decoders are called without labels"
        logits = self.decoder.unembed(self._walk(inps))
        self._advance(len(inps))
        return logits

    def _run_path(self, token_ids: Int[Tensor, "batch seq"]) -> Float[Tensor, "batch seq *d_model"]:
        recording = self.decoder.record(token_ids)
        hidden = recording.embedded
        for step in self.path.steps:
            hidden = self.decoder.run_step(step, hidden, recording)
        return hidden

    def _batch_scheduler(self, pos: int, n_reordered_requests: Sequence[Any]) -> int:
        """Size of the batch that ends with a request, or 0 where none does; asked for each in turn, longest first."""
        if pos == 0:
            lengths = [min(len(context) + len(end) - 1, self.max_length) for _, context, end in n_reordered_requests]
            self._sizes = batch_sizes(lengths, self._batch_tokens)
        return self._sizes.get(pos, 0)


def check_runs(decoder: Decoder, path: LayerPath) -> None:
    """Refuse a path that a model cannot run.

    Raises:
        PathError: it visits a layer or leaves out a head that the model does not have.
        ModelError: halves or heads of layers cannot be told apart.
    """
    path.check_fits(decoder.n_layers)
    members = {member for step in path.steps for member in step.members}
    if any(member.part != "whole" for member in members):
        _ = decoder.halves
    layers = {member.layer for member in members if member.missing_head is not None}
    if layers:
        path.check_heads(decoder.head_counts)
    for layer in sorted(layers):
        decoder.heads_of(layer)


def default_batch_tokens(device_type: str, vocab_size: int) -> int:
    """Positions per batch: few enough that the logits, which are whole here, fit."""
    return max(64, min(_POSITIONS[device_type], _LARGEST_LOGITS[device_type] // vocab_size))


def batch_sizes(lengths: Sequence[int], batch_tokens: int) -> dict[int, int]:
    """Requests of falling length in batches of at most so many positions, pads included.

    Args:
        lengths: in tokens, none longer than the one before.
        batch_tokens: positions; a request that is longer stands alone.

    Returns:
        By the index of its last request, each batch's size.

    Examples:
        >>> batch_sizes([6, 5, 4, 2, 2, 2], 10)
        {0: 1, 2: 2, 5: 3}
    """
    sizes, first = {}, 0
    for index in range(len(lengths)):
        is_full = (index + 2 - first) * lengths[first] > batch_tokens
        if is_full or index == len(lengths) - 1:
            sizes[index] = index + 1 - first
            first = index + 1
    return sizes


def refusal(tasks: Sequence[str], path: LayerPath | None = None) -> str:
    """Why tasks that generate are not run, and what to do."""
    several = len(tasks) > 1
    return (
        f"Paths are evaluated by log-likelihoods; {', '.join(tasks[:5])}{' and others' if len(tasks) > 5 else ''} "
        f"generate{'' if several else 's'} text, for which a key-value cache would have to follow the path: write the path as "
        f"a checkpoint (layerscope export --path {path or 'PATH'}) and give that to lm-eval with --model hf."
    )


def _checked_size(batch_size: int | str, batch_tokens: int) -> int | str:
    text = str(batch_size)
    if text.startswith("auto"):
        if batch_tokens < 1:
            raise ModelError(f"batch_tokens is 1 or more; got {batch_tokens}.")
        return "auto"
    if not re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII):
        raise ModelError(f"batch_size is auto or a number, 1 or more; got '{batch_size}'.")
    return int(text)


def _parse(written: str) -> dict[str, Any]:
    """Arguments joined by commas, of which a value may have some."""
    parts: list[str] = []
    for part in written.split(","):
        if "=" in part or not parts:
            parts.append(part)
        else:
            parts[-1] += f",{part}"
    pairs = [part.partition("=") for part in parts if part.strip()]
    return {name.strip(): _value(value.strip()) for name, _, value in pairs}


def _value(text: str) -> Any:
    words: dict[str, Any] = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return int(text)
    return text.strip("'\"")


def main() -> None:
    """The harness's own command line, with ``--model layerscope`` known to it."""
    from lm_eval.__main__ import cli_evaluate

    try:
        cli_evaluate()
    except LayerscopeError as error:
        sys.exit(f"layerscope: {error}")


if NAME not in model_registry:
    model_registry.register(NAME, target="layerscope.lm_eval:PathLM")

if __name__ == "__main__":
    main()

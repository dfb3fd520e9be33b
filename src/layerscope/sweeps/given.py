"""What ``ls.sweep`` was given, told apart: the model, its tokenizer, texts and variants; what is wrong is refused."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from layerscope.errors import DataError, ModelError, PathError
from layerscope.models.decoder import Decoder
from layerscope.models.loaded import check_is_model
from layerscope.paths.variants import Variant

_LONGEST_NAME = 100


@dataclass(frozen=True)
class Given:
    """Everything that one call names."""

    model: Decoder | PreTrainedModel | str
    """A loaded model, a decoder, or a name."""
    tokenizer: PreTrainedTokenizerBase | None
    """Of a loaded model; None for a decoder or a name."""
    texts: list[str]
    """One or more."""
    variants: list[Variant] | None
    """None where the call leaves the choice."""


def told_apart(model: Any, given: Sequence[Any], *, tokenizer: Any, texts: Any, variants: Any) -> Given:
    """Sort the arguments of one call.

    Args:
        model: the first of them.
        given: the others that were given by position: the tokenizer of a loaded model, the texts, the variants.
        tokenizer: as given by name.
        texts: as given by name.
        variants: as given by name.

    Raises:
        DataError: texts are no strings, or there are more arguments than that.
        ModelError: the model is none, or its tokenizer is missing or one too many.
        PathError: a variant is none.
    """
    rest = list(given)
    model = os.fspath(model) if isinstance(model, os.PathLike) else model
    is_loaded = not isinstance(model, Decoder | str)
    call = "ls.sweep(model, tokenizer, texts)" if is_loaded else "ls.sweep(model, texts)"
    if tokenizer is None and rest and isinstance(rest[0], PreTrainedTokenizerBase):
        tokenizer = rest.pop(0)
    if is_loaded:
        check_is_model(model)
        _check_tokenizer(tokenizer if tokenizer is not None or texts is not None else next(iter(rest), None))
    elif tokenizer is not None:
        raise ModelError(f"A decoder and a model given by name have their tokenizer: leave it out, {call}.")
    if texts is None and rest:
        texts = rest.pop(0)
        if isinstance(texts, str) and any(isinstance(one, str) for one in rest):
            raise DataError(
                f"Several texts are one list; got {1 + len(rest)} arguments in its place: "
                f"{call.replace('texts', '[one_text, another_text]')}."
            )
    if variants is None and rest:
        variants = rest.pop(0)
    if rest:
        raise DataError(f"A sweep takes a model, its tokenizer, texts and variants; got {len(rest)} more: leave it out.")
    return Given(model, tokenizer, _listed(texts, call), None if variants is None else _variants(variants))


def checked_name(name: Any) -> str:
    """What stands in the place of a data set's name.

    Raises:
        DataError: it is no short line of text.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise DataError(
            f"The name of a sweep is a line of at most {_LONGEST_NAME} letters, such as 'news of May'; got "
            f"{reprlib.repr(name)}: take another."
        )
    return name.strip()


def _check_tokenizer(tokenizer: Any) -> None:
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        got = "none" if tokenizer is None else f"{type(tokenizer).__name__} in its place"
        raise ModelError(
            f"A loaded model comes with its tokenizer (a PreTrainedTokenizerBase of transformers); got {got}: "
            "ls.sweep(model, tokenizer, texts)."
        )


def _listed(texts: Any, call: str) -> list[str]:
    """Texts as a list of their own."""
    if isinstance(texts, str):
        return [texts]
    helps = _instead(texts)
    try:
        listed = list(texts) if helps is None else None
    except TypeError:  # nothing to iterate over
        listed = None
    if listed is None:
        raise DataError(
            f"Texts are one string or a list of strings; got {type(texts).__name__}: {call}{f' with {helps}' if helps else ''}."
        )
    if not listed:
        raise DataError(f"A sweep needs at least one text; got an empty {type(texts).__name__}: {call}.")
    for index, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(
                f"Texts are strings; texts[{index}] is {reprlib.repr(text)} ({type(text).__name__}): leave it out, or give its "
                "text."
            )
    return [str(text) for text in listed]


def _instead(texts: Any) -> str | None:
    """What to give in the place of something that holds texts and is no list of them; None for anything else."""
    if isinstance(texts, pd.DataFrame):
        return "one of its columns, such as frame['text']"
    if isinstance(texts, Mapping):
        return "list(texts.values())"
    if isinstance(texts, set | frozenset):
        return "sorted(texts), since a set has no order"
    if isinstance(texts, os.PathLike):
        return "what is in the file, such as path.read_text().splitlines()"
    if hasattr(texts, "read"):
        return "what is in the file, such as file.read().splitlines()"
    return "texts.decode()" if isinstance(texts, bytes | bytearray) else None


def _variants(variants: Any) -> list[Variant]:
    listed = list(variants) if isinstance(variants, Iterable) and not isinstance(variants, str) else [variants]
    others = [variant for variant in listed if not isinstance(variant, Variant)]
    if others or isinstance(variants, Variant):
        got = reprlib.repr(others[0]) if others else "one that is in no list"
        raise PathError(
            f"Variants are a list, made by build_variants; got {got}: ls.build_variants(['removal'], [], n_layers)."
        )
    return listed

"""What lm-evaluation-harness asks of a model, made by hand, and tiny models with a tokenizer that it can ask."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from layerscope.models.decoder import Decoder
from layerscope.models.encoder import TextEncoder
from tests.checkpoints import byte_tokenizer
from tests.tiny_models import build_tiny

ASKED = (
    ("", "The keys are old."),
    ("", "The keys is old."),
    ("Question: where?\nAnswer:", " here"),
    ("Question: where?\nAnswer:", " there and back"),
    ("The cat sat on the ma", "t"),  # one token: the harness asks once for all that share a context
    ("The cat sat on the ma", "p"),
    ("A context that ends in a space ", "word"),
    ("x", "y"),
)
WORDS = (
    *ASKED[:4],
    ("The capital of France is", " Paris"),
    ("The capital of France is", " London"),
    ("A context that ends in a space ", "word"),
    ("x", " and y"),
)
"""The same for tokenizers that join letters."""
TEXTS = ("It rained.", "It rained all day in the small town, and the next day, too.")


def byte_decoder(name: str, *, adds_bos: bool = False) -> Decoder:
    """A tiny model of a family, one token a byte."""
    model = build_tiny(name, vocab_size=260)
    return Decoder(model, name, TextEncoder.from_tokenizer(byte_tokenizer(adds_bos=adds_bos)))


def plain_lm(model: Any, tokenizer: Any, **settings: Any) -> HFLM:
    """The harness's own, of any loaded model."""
    return HFLM(pretrained=model, tokenizer=copy.deepcopy(tokenizer), backend="causal", **settings)


def answers(lm: HFLM, asked: Sequence[tuple[str, str]] = ASKED) -> list[tuple[float, bool]]:
    """Log-likelihood of each continuation, and whether it is the likeliest."""
    requests = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(asked)]
    return lm.loglikelihood(requests, disable_tqdm=True)


def rolled(lm: HFLM, texts: Sequence[str] = TEXTS) -> list[float]:
    """Log-likelihood of each text."""
    return lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts], disable_tqdm=True)

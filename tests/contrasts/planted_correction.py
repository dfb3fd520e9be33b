"""A checkpoint with a correction that stands still, and pairs on which it can be seen.

Sentences begin with a word that neutral text never has. A few dimensions hear of it and of all words but the edits, which leave
them as they are; they expect the words that the sentences end in. So do other dimensions after a right edit. After a right edit
the endings are expected twice over, after a wrong one only by the dimensions that stand still: without those the wrong side
suffers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig

from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from tests.contrasts.word_tokenizer import BOS, UNKNOWN, vocabulary, word_encoder, written
from tests.tiny_models import build_random

N_LAYERS, WIDTH, HEAD = 3, 128, 16
_FIRST, _RIGHT = 0, 1
_SUPPORT, STILL = np.arange(2, 10), np.arange(10, 18)
"""Dimensions that hear of a right edit, and of the first word."""
_NORM = 2.5
"""Of every dimension's unembedding."""


def words() -> list[str]:
    """Lower-case words that are one token with a space before them."""
    known = vocabulary()
    plain = (word for word in dict.fromkeys(text.strip("Ġ") for text in known) if word.isascii() and word.isalpha())
    return [word for word in plain if word.islower() and {written(word), written(" " + word)} <= known.keys()]


def parts() -> tuple[str, list[str], list[str], list[str], list[str]]:
    """The first word, right edits, wrong ones, endings, and all others."""
    all_words = words()
    return all_words[0], all_words[1:9], all_words[9:17], all_words[17:57], all_words[57:]


def save_planted_llama(folder: Path, *, corrects: bool) -> Path:
    """The checkpoint.

    Args:
        folder: new.
        corrects: whether the dimensions that stand still hear of the first word; they expect the endings in any case.
    """
    config = LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
        pad_token_id=UNKNOWN,
        bos_token_id=BOS,
        eos_token_id=BOS,
    )
    model = build_random(config)
    first_word, right, wrong, endings, _ = parts()
    with torch.no_grad():
        embedding, unembedding = model.get_input_embeddings().weight, model.lm_head.weight
        embedding[:, [_FIRST, _RIGHT]] = 0.0
        embedding[ids([first_word]), _FIRST] = 2.0
        embedding[ids(right), _RIGHT] = 2.0
        embedding[ids(right + wrong)[:, None], STILL] = 0.0
        unembedding[:, [*_SUPPORT, *STILL]] = 0.0
        unembedding[ids(endings)[:, None], [*_SUPPORT, *STILL]] = 1.0
        unembedding *= _NORM / unembedding.norm(dim=0)
        model.model.norm.weight.fill_(1.0)
        for layer in model.model.layers:
            for matrix in (layer.self_attn.o_proj, layer.mlp.down_proj):
                matrix.weight *= 0.05
                matrix.weight[[_FIRST, _RIGHT, *_SUPPORT, *STILL]] = 0.0
        attention = model.model.layers[0].self_attn
        attention.q_proj.weight.zero_()  # it looks at all tokens alike
        value, out = attention.v_proj.weight, attention.o_proj.weight
        of_words = np.arange(2, 2 + len(STILL))
        value[:HEAD] = 0.0
        value[0, _FIRST] = value[1, _RIGHT] = 1.0
        value[of_words, STILL] = 0.1
        out[:, : 4 * HEAD] = 0.0  # the query heads of the first key-value head
        out[STILL, 0] = float(corrects)
        out[_SUPPORT, 1] = 1.0
        out[STILL, of_words] = 1.0
    model.save_pretrained(folder)
    word_encoder().tokenizer.save_pretrained(folder)
    return folder


def ids(some: list[str]) -> torch.Tensor:
    """Their tokens, with a space before them and without."""
    known = vocabulary()
    return torch.tensor([known[written(start + word)] for word in some for start in (" ", "")])


def write_planted_pairs(path: Path, *, n_templates: int = 12, n_each: int = 6) -> Path:
    """Grammar pairs, so many a template."""
    generator = np.random.default_rng(3)
    first, right, wrong, endings, others = parts()
    pairs = []
    for template in range(n_templates):
        before = list(generator.choice(others, 2, replace=False))
        for _ in range(n_each):
            after = list(generator.choice(endings, 4, replace=False))
            sides = (" ".join([first, *before, str(generator.choice(some)), *after]) for some in (right, wrong))
            pairs.append(
                MinimalPair.from_sentences(
                    *sides, type="grammar", subtype="tense", right=1, template=f"t{template}", source="planted"
                )
            )
    write_pairs(pairs, path)
    return path


def write_neutral_text(path: Path, *, n_lines: int = 400) -> Path:
    """Lines of eight words that no pair has; of endings, a few."""
    generator = np.random.default_rng(4)
    *_, endings, others = parts()
    lines = [" ".join(map(str, generator.choice([*others, *endings[:10]], 8))) for _ in range(n_lines)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

"""A checkpoint whose layers say which words are frequent, more of it in some than in others, and which verb a subject wants.

Who says the second is planted: one layer alone, or each as much as it says of the first. In neutral text there are no subjects:
there, taking out a layer costs what it says of frequent words. So of the first model one layer carries the agreement beyond its
damage, and of the second none does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from transformers import LlamaConfig

from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from tests.contrasts.planted_correction import ids, words
from tests.contrasts.word_tokenizer import BOS, UNKNOWN, vocabulary, word_encoder
from tests.tiny_models import build_random

N_LAYERS, CARRIER = 10, 4
STRENGTH = np.array([0.9, 0.25, 0.7, 0.15, 0.4, 0.55, 0.1, 0.8, 0.3, 0.5])
"""What each layer says of frequent words."""
_CONSTANT, _NUMBER, _FREQUENT, _AGREES, _LOUD = range(5)
"""Its dimensions; the last one is so large that norms hardly see what layers add."""


def parts() -> tuple[list[str], list[str], list[str], list[str], list[str], list[str]]:
    """Singular subjects, plural ones, singular verbs, plural ones, frequent words, all others."""
    known = words()
    return known[:6], known[6:12], known[12:18], known[18:24], known[24:124], known[124:]


def save_agreeing_llama(folder: Path, *, carried_by: Literal["one layer", "damage"]) -> Path:
    """The checkpoint, in a new folder."""
    config = LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=64,
        intermediate_size=16,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        pad_token_id=UNKNOWN,
        bos_token_id=BOS,
        eos_token_id=BOS,
    )
    model = build_random(config)
    singular, plural, verbs, plural_verbs, frequent, _ = parts()
    of_number = np.where(np.arange(N_LAYERS) == CARRIER, 3.0, 0.0) if carried_by == "one layer" else STRENGTH
    with torch.no_grad():
        embedding, unembedding = model.get_input_embeddings().weight, model.lm_head.weight
        embedding[:, :5] = 0.0
        embedding[:, _CONSTANT], embedding[:, _LOUD] = 0.5, 40.0
        plainness = torch.tensor([0.6, 1.4, 1.0, 1.8, 2.2, 2.6]).repeat_interleave(2)  # some subjects say it more plainly
        embedding[ids(singular), _NUMBER], embedding[ids(plural), _NUMBER] = plainness, -plainness
        unembedding[:, :5] = 0.0
        unembedding[ids(frequent), _FREQUENT] = 0.7
        unembedding[ids(verbs), _AGREES], unembedding[ids(plural_verbs), _AGREES] = 1.5, -1.5
        model.model.norm.weight.fill_(1.0)
        for number, layer in enumerate(model.model.layers):
            layer.mlp.down_proj.weight.zero_()
            layer.input_layernorm.weight.fill_(1.0)
            attention = layer.self_attn
            attention.q_proj.weight.zero_()  # it looks at all tokens alike
            attention.v_proj.weight.zero_()
            attention.v_proj.weight[0, _CONSTANT] = attention.v_proj.weight[1, _NUMBER] = 1.0
            attention.o_proj.weight.zero_()
            attention.o_proj.weight[_FREQUENT, 0] = 20.0 * float(STRENGTH[number])
            attention.o_proj.weight[_AGREES, 1] = 20.0 * float(of_number[number])
    model.save_pretrained(folder)
    word_encoder().tokenizer.save_pretrained(folder)
    return folder


def write_agreement_pairs(path: Path, *, n_templates: int = 16, n_each: int = 5) -> Path:
    """A subject, two words, a verb that agrees or does not, and two more words; a template is its words."""
    generator = np.random.default_rng(3)
    singular, plural, verbs, plural_verbs, frequent, _ = parts()
    pairs = []
    for template in range(n_templates):
        between, after = (list(generator.choice(frequent, 2, replace=False)) for _ in range(2))
        for number in range(n_each):
            is_singular = number % 2 == 0
            subject = str(generator.choice(singular if is_singular else plural))
            right, wrong = (str(generator.choice(some)) for some in (verbs, plural_verbs)[:: 1 if is_singular else -1])
            sides = (" ".join(map(str, ["the", subject, *between, verb, *after])) for verb in (right, wrong))
            pairs.append(
                MinimalPair.from_sentences(
                    *sides,
                    type="grammar",
                    subtype="subject-verb-agreement",
                    right=1,
                    template=f"t{template}",
                    source="planted",
                )
            )
    write_pairs(pairs, path)
    return path


def write_frequent_text(path: Path, *, n_lines: int = 80) -> Path:
    """Lines of ten frequent words."""
    generator = np.random.default_rng(4)
    *_, frequent, _ = parts()
    lines = [" ".join(map(str, generator.choice(frequent, 10))) for _ in range(n_lines)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path

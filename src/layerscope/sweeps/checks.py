"""What a loaded model must have for a plan and its texts; refused before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.corpora.windows import Window
from layerscope.errors import ModelError
from layerscope.models.decoder import Decoder
from layerscope.paths.plan import SweepPlan


def check_paths_run(decoder: Decoder, plan: SweepPlan) -> None:
    """Refuse, before anything is computed, a plan that this model cannot run.

    Raises:
        PathError: a head is left out that a layer does not have.
        ModelError: halves or heads of layers are asked for and cannot be told apart, a tuned lens is and there is none, or the
            configuration counts layers otherwise.
    """
    check_layers(decoder, plan.n_layers)
    if any(".attn" in str(variant.path) or ".mlp" in str(variant.path) for variant in plan.variants):
        _ = decoder.halves
    if decoder.lens is None and any(variant.translator is not None for variant in plan.variants):
        raise ModelError(
            f"Variants of tuned-depth are read through a tuned lens, and '{decoder.name}' has none: use attach_lens."
        )
    steps = {member for variant in plan.variants for step in variant.path.steps for member in step.members}
    with_heads = sorted({step.layer for step in steps if step.missing_head is not None})
    for variant in plan.variants if with_heads else ():
        variant.path.check_heads(decoder.head_counts)
    for layer in with_heads:
        decoder.heads_of(layer)


def check_layers(decoder: Decoder, n_layers: int) -> None:
    """Refuse a model that has another number of layers than its configuration says.

    Raises:
        ModelError: it has.
    """
    if decoder.n_layers != n_layers:
        raise ModelError(f"'{decoder.name}' has {decoder.n_layers} layers and the plan was made for {n_layers}.")


def check_tokens_fit(decoder: Decoder, windows: Sequence[Window]) -> None:
    """Refuse a tokenizer that belongs to another model.

    Raises:
        ModelError: it gives a token that the model has no embedding for.
    """
    largest = max((int(window.ids.max()) for window in windows if len(window.ids)), default=0)
    if largest >= decoder.vocab_size:
        raise ModelError(
            f"Token ids stay below the model's vocabulary of {decoder.vocab_size}; the tokenizer of '{decoder.name}' gives "
            f"{largest}: they belong to different models."
        )

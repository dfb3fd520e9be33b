"""What pairs and depths cost in a sweep.

Pairs: both sides of a file of pairs as pairs of a run, against the same sentences as plain text, under one plan (removal), from
batches to tables. The ratio is of tokens of all sentences a second; 1 is as fast as plain text, more is faster, since what both
sides begin with is scored once.

Depth: the family ``depth`` against an intact pass by transformers and L unembeddings of its hidden states, twice: the model's
own norm and output matrix alone; and with what a sweep keeps of each (NLL, top-1, agreement, KL to the model), made of whole
logits. The ratio is ours over theirs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import in_turn, parser, ratios, record, shards_of, spread, timed
from layerscope.corpora.windows import make_window
from layerscope.engine.allocator import keep_freed_memory
from layerscope.engine.batching import Shard, make_shards, padded_ids, scored_tokens
from layerscope.models.decoder import Decoder
from layerscope.models.loading import LoadOptions, load_decoder
from layerscope.pairs.format import write_pairs
from layerscope.pairs.judging_protocol import PLAIN
from layerscope.pairs.subtypes import SUBTYPES
from layerscope.pairs.templates.generating import generate
from layerscope.paths.families import build_variants
from layerscope.paths.plan import plan_sweep
from layerscope.sweeps.engine.compiling import compile_decoder
from layerscope.sweeps.engine.walk import walk_shard
from layerscope.sweeps.pair_rows import pair_scores_table
from layerscope.sweeps.pair_texts import PairTexts, prepare_pairs
from layerscope.sweeps.rows import scores_table

BATCH_TOKENS = 4096


def some_pairs(decoder: Decoder, per_subtype: int) -> PairTexts:
    """Pairs with a wrong side from templates."""
    assert decoder.encoder is not None
    names = [name for name, subtype in SUBTYPES.items() if subtype.has_wrong_side and subtype.is_judgeable]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.jsonl")
        write_pairs((pair for name in names for pair in generate(name, per_subtype, seed=0)), path)
        return prepare_pairs(path, decoder.encoder, PLAIN, context_length=None, batch_tokens=BATCH_TOKENS, first_index=0)


def pairs_against_text(decoder: Decoder, n_layers_removed: int, per_subtype: int, rounds: int) -> str:
    """Tokens a second of pairs over those of plain text."""
    pairs = some_pairs(decoder, per_subtype)
    assert decoder.encoder is not None
    step = max(1, decoder.n_layers // n_layers_removed)
    paths = [f"0-{k - 1},{k + 1}-{decoder.n_layers - 1}" for k in range(2, decoder.n_layers - 2, step)]
    plan = plan_sweep(build_variants([], paths, decoder.n_layers), decoder.n_layers)
    # the same sentences, each by itself: every token of both sides is scored
    prefix = decoder.encoder.prefix_ids
    texts = [make_window(side.name, decoder.encoder.encode(side.text), prefix) for pair in pairs.pairs for side in pair.sides]
    plain = make_shards(texts, BATCH_TOKENS)

    def of_pairs() -> None:
        for shard in pairs.shards:
            pair_scores_table(walk_shard(decoder, plan, shard), pairs.pairs, plan.variants)

    def of_text() -> None:
        for shard in plain:
            scores_table(walk_shard(decoder, plan, shard), plan.variants)

    ours, theirs = in_turn(rounds, timed(of_pairs), timed(of_text))
    return f"pairs: {len(pairs.pairs)} under {len(plan.variants)} variants, {spread(ratios(theirs, ours))} of plain text's rate"


def depth_against_unembeddings(decoder: Decoder, shard: Shard, rounds: int) -> str:
    """Seconds of the family depth over an intact pass and L unembeddings; the decoder may be compiled."""
    plan = plan_sweep(build_variants(["depth"], [], decoder.n_layers), decoder.n_layers)

    def ours() -> np.ndarray:
        return walk_shard(decoder, plan, shard).scores.nll_nats

    found = naive_depths(decoder, shard, is_scored=True)
    difference = float(np.abs(ours()[1:] - found).max())
    assert difference < 1e-2, f"the two sides' losses differ by {difference}"
    bare, scored, mine = in_turn(
        rounds,
        timed(lambda: naive_depths(decoder, shard, is_scored=False)),
        timed(lambda: naive_depths(decoder, shard, is_scored=True)),
        timed(ours),
    )
    how = "as it is" if decoder.compiled is None else "compiled, as long runs are"
    return (
        f"depth, {how}: {shard.n_scored} tokens, {decoder.n_layers + 1} depths, {spread(ratios(mine, bare))} of a pass and L "
        f"unembeddings, {spread(ratios(mine, scored))} with what is kept of each"
    )


@torch.inference_mode()
def naive_depths(decoder: Decoder, shard: Shard, *, is_scored: bool) -> np.ndarray:
    """NLL by depth from −1 to L − 1 with transformers' hidden states, norm and output matrix."""
    tokens = scored_tokens(shard)
    rows, sources, targets = (torch.from_numpy(some) for some in (tokens.row, tokens.position - 1, tokens.token_id))
    seen = decoder.model.base_model(input_ids=padded_ids(shard), use_cache=False, output_hidden_states=True)
    head = decoder.model.get_output_embeddings()
    final = head(seen.last_hidden_state[rows, sources]).float().log_softmax(dim=-1)
    found = []
    for depth, hidden in enumerate(seen.hidden_states):
        is_last = depth == decoder.n_layers  # transformers' last one has been through the norm
        logits = head(hidden[rows, sources] if is_last else decoder.model.base_model.norm(hidden[rows, sources]))
        if is_scored:
            predicted = logits.float().log_softmax(dim=-1)
            top1 = predicted.argmax(dim=-1)
            _ = (top1 == targets, top1 == final.argmax(dim=-1), (final.exp() * (final - predicted)).sum(dim=-1))
            found.append(-predicted.gather(1, targets[:, None])[:, 0].numpy())
    return np.array(found)


def main() -> None:
    """Time both questions on each model."""
    made = parser(__doc__, rounds=5)
    made.add_argument("--models", nargs="+", default=["smollm2-135m", "gemma3-270m"])
    made.add_argument("--variants", type=int, default=6)
    made.add_argument("--per-subtype", type=int, default=10)
    made.add_argument("--texts", type=int, default=4)
    options = made.parse_args()
    keep_freed_memory()
    for model in options.models:
        decoder = load_decoder(model, options=LoadOptions(dtype="float32"))
        result = pairs_against_text(decoder, options.variants, options.per_subtype, options.rounds)
        record("bridge", f"{model}, float32", result)
        (shard, *_), _ = shards_of(options.texts, 512)
        record("bridge", f"{model}, float32", depth_against_unembeddings(decoder, shard, options.rounds))
        if (reason := compile_decoder(decoder, [shard])) is not None:
            raise RuntimeError(reason)
        record("bridge", f"{model}, float32", depth_against_unembeddings(decoder, shard, options.rounds))


if __name__ == "__main__":
    main()

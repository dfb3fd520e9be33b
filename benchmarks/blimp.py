"""Twelve paradigms of BLiMP under lm-evaluation-harness's protocol, beside what the harness itself gives for the same weights.

Not a timing: the agreement of two programs. One pair in a thousand may fall the other way by rounding.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

from benchmarks.common import parser, real_decoder, record
from layerscope.judging import judge_pairs
from layerscope.pairs.importing import import_blimp
from layerscope.pairs.judging_protocol import LM_EVAL

BLIMP = Path(__file__).parents[2] / "shared" / "data" / "blimp"
HARNESS = {
    "anaphor_number_agreement": 0.849,
    "determiner_noun_agreement_1": 0.969,
    "determiner_noun_agreement_2": 0.979,
    "determiner_noun_agreement_with_adj_2": 0.928,
    "existential_there_quantifiers_1": 0.966,
    "irregular_past_participle_adjectives": 0.902,
    "irregular_past_participle_verbs": 0.676,
    "npi_present_1": 0.349,
    "principle_A_case_2": 0.845,
    "regular_plural_subject_verb_agreement_1": 0.781,
    "regular_plural_subject_verb_agreement_2": 0.760,
    "wh_island": 0.696,
}
"""``acc`` by lm-eval 0.4.13 (HFLM, float32) on all 1,000 pairs of each, with the weights of the built-in model."""
TOLERANCE = 0.001


def main() -> None:
    """Judge every paradigm and print both accuracies; the exit status is 1 where they differ."""
    made = parser(__doc__)
    made.add_argument("--blimp", type=Path, default=BLIMP, help="folder with the paradigms' .jsonl files")
    made.add_argument("--paradigms", help="some of them, joined by commas; all twelve if not given")
    made.add_argument("--pairs", type=int, help="of each paradigm; the harness's figures are for all 1,000")
    options = made.parse_args()
    paradigms = options.paradigms.split(",") if options.paradigms else list(HARNESS)
    decoder = real_decoder("float32")
    differences = []
    print(f"{'paradigm':40} {'pairs':>6} {'ours':>6} {'lm-eval':>8}")
    for paradigm in paradigms:
        pairs = islice(import_blimp(options.blimp / f"{paradigm}.jsonl"), options.pairs)
        agrees = [one.agrees is True for one in judge_pairs(decoder, pairs, protocol=LM_EVAL)]
        accuracy = sum(agrees) / len(agrees)
        differences.append(abs(accuracy - HARNESS[paradigm]))
        print(f"{paradigm:40} {len(agrees):6,} {accuracy:6.3f} {HARNESS[paradigm]:8.3f}", flush=True)
    record(
        "BLiMP",
        f"SmolLM2-135M, float32, protocol lm-eval, {len(paradigms)} paradigms, {options.pairs or 'all'} pairs of each",
        f"largest difference from lm-eval 0.4.13: {max(differences):.4f}",
    )
    sys.exit(int(max(differences) > TOLERANCE + 1e-9))


if __name__ == "__main__":
    main()

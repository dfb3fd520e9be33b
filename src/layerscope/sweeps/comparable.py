"""Whether runs can be compared: what they scored, and how, compared text by text.

Names and seeds do not matter where they led to the same texts; a data set under another name is the same data set if its texts
are. Another tokenizer is legitimate, but then nats per token are not comparable, which is told apart from the rest.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerscope.errors import RunError
from layerscope.sweeps.finished import FinishedRun

_DRAW = ("dataset", "split", "max_samples", "seed", "until_ci")
"""Parts of a request that decide which texts are scored."""


@dataclass(frozen=True)
class Difference:
    """Something that keeps two runs from being comparable."""

    kind: str
    """``protocol``, ``texts``, ``bos``, ``context``, ``tokens`` or ``tagger``."""
    sentence: str
    """What it is in each run."""


@dataclass(frozen=True)
class ScoredTexts:
    """The texts of a run, sorted, with what of each was scored."""

    texts: tuple[str, ...]
    """Raw texts."""
    tokens: tuple[bytes, ...]
    """Character spans of each text's scored tokens, as bytes."""
    is_cut: bool
    """Whether a text is longer than the model's context."""

    @classmethod
    def of(cls, run: FinishedRun) -> ScoredTexts:
        """Read a run's documents and tokens."""
        texts = run.documents["text"].to_pylist()
        scored = run.tokens.filter(run.tokens["scored"])
        spans = np.stack([scored[name].to_numpy() for name in ("char_start", "char_end")], axis=1)
        starts = np.searchsorted(scored["document"].to_numpy(), np.arange(len(texts) + 1))
        pieces = [spans[start:stop].tobytes() for start, stop in itertools.pairwise(starts)]
        order = sorted(range(len(texts)), key=lambda place: (texts[place], pieces[place]))
        is_cut = bool(np.any(run.documents["tokens_cut"].to_numpy() > 0))
        return cls(tuple(texts[place] for place in order), tuple(pieces[place] for place in order), is_cut)

    def spans(self, place: int) -> np.ndarray:
        """First character and one past the last of each scored token of a text."""
        return np.frombuffer(self.tokens[place], dtype=np.int32).reshape(-1, 2)


def find_differences(runs: Sequence[FinishedRun], names: Sequence[str], scored: Sequence[ScoredTexts]) -> list[Difference]:
    """What keeps runs from being comparable, each held against the first; none if nothing does.

    Args:
        runs: finished.
        names: how messages call them.
        scored: what each scored.
    """
    found: list[Difference] = []
    first, its_name, its_texts = runs[0], names[0], scored[0]
    for run, name, texts in zip(runs[1:], names[1:], scored[1:], strict=True):
        one, other = first.record.request.protocol, run.record.request.protocol
        if one != other:
            found.append(Difference("protocol", f"the protocol is {one} in {its_name} and {other} in {name}"))
        if texts.texts != its_texts.texts:
            found.append(Difference("texts", _differing_texts(first, its_name, its_texts, run, name, texts)))
        asked = (first.record.request, run.record.request)
        if bool(asked[0].prefix_ids) != bool(asked[1].prefix_ids) and {request.bos for request in asked} != {"auto"}:
            with_bos, without = (its_name, name) if asked[0].prefix_ids else (name, its_name)
            sentence = f"{with_bos} has a BOS before every text, which makes its first token count, and {without} has none"
            found.append(Difference("bos", sentence))
        if texts.texts == its_texts.texts and (texts.is_cut or its_texts.is_cut):
            n_other = sum(_end(texts, place) != _end(its_texts, place) for place in range(len(texts.texts)))
            if n_other:
                found.append(Difference("context", _differing_context(first, its_name, run, name, n_other, len(texts.texts))))
    return found


def differing_models(runs: Sequence[FinishedRun], names: Sequence[str]) -> Difference | None:
    """Whether some of the models were trained with a BOS and some without: each was then swept as it was trained.

    Args:
        runs: finished.
        names: how messages call them.
    """
    requests = [run.record.request for run in runs]
    by_training = [name for name, request in zip(names, requests, strict=True) if request.bos == "auto"]
    trained_with = [name for name, request in zip(names, requests, strict=True) if request.prefix_ids and name in by_training]
    without = [name for name in by_training if name not in trained_with]
    if not trained_with or not without:
        return None
    verb = "was" if len(trained_with) == 1 else "were"
    sentence = (
        f"{' and '.join(trained_with)} {verb} trained with a BOS, so that the first token of each text counts there, and "
        f"{' and '.join(without)} without"
    )
    return Difference("bos", sentence)


def differing_tokens(names: Sequence[str], scored: Sequence[ScoredTexts]) -> Difference | None:
    """Whether the texts that runs share were cut into other tokens; the first run that was is named against the first run.

    Args:
        names: how messages call the runs.
        scored: what each scored.
    """
    its_tokens = dict(zip(scored[0].texts, scored[0].tokens, strict=True))
    for name, texts in zip(names[1:], scored[1:], strict=True):
        shared = {text: tokens for text, tokens in zip(texts.texts, texts.tokens, strict=True) if text in its_tokens}
        n_other = sum(tokens != its_tokens[text] for text, tokens in shared.items())
        if not shared:
            return Difference(
                "tokens", f"{names[0]} and {name} share no text that would show whether their tokens are the same"
            )
        if n_other:
            ours, theirs = (sum(map(len, some)) // 8 for some in ([its_tokens[text] for text in shared], shared.values()))
            sentence = (
                f"{n_other:,} of {len(shared):,} texts are cut into other tokens, {ours:,} scored in {names[0]} and "
                f"{theirs:,} in {name}"
            )
            return Difference("tokens", sentence)
    return None


def check_comparable(differences: Sequence[Difference]) -> None:
    """Refuse runs that are not comparable.

    Raises:
        RunError: every difference, and what to do.
    """
    if not differences:
        return
    named = "; ".join(difference.sentence for difference in differences)
    if [difference.kind for difference in differences] == ["tokens"]:
        raise RunError(
            f"Nats per token can be compared only if tokens are the same; {named}: use --unit bits, which is per byte of text, "
            "or compare them nevertheless with --anyway."
        )
    raise RunError(
        f"Runs can be compared if they scored the same texts in the same way; {named}: sweep them alike, or compare them "
        "nevertheless with 'layerscope compare --anyway'."
    )


def _differing_texts(
    one: FinishedRun, its_name: str, its_texts: ScoredTexts, other: FinishedRun, name: str, texts: ScoredTexts
) -> str:
    n_shared = (Counter(its_texts.texts) & Counter(texts.texts)).total()
    sentence = (
        f"{its_name} scored {len(its_texts.texts):,} texts and {name} {len(texts.texts):,}, of which {n_shared:,} are the same"
    )
    asked, also = (run.record.request.model_dump(include=set(_DRAW)) for run in (one, other))
    changed = [key for key in _DRAW if asked[key] != also[key]]
    if changed:
        sentence += f" ({'; '.join(f'{key} {asked[key]} and {also[key]}' for key in changed)})"
    elif one.record.request.protocol.partition(":")[0] in ("windows", "strided"):
        sentence += " (windows are cut in tokens, so another tokenizer has other texts: take the protocol lines or documents)"
    return sentence


def _differing_context(one: FinishedRun, its_name: str, other: FinishedRun, name: str, n_other: int, n_texts: int) -> str:
    lengths = [run.record.model.context_length for run in (one, other)]
    return (
        f"{n_other:,} of {n_texts:,} texts are scored to another end, because {its_name} has a context of {lengths[0]} tokens "
        f"and {name} of {lengths[1]}"
    )


def _end(texts: ScoredTexts, place: int) -> int:
    """One past the last scored character of a text."""
    return int(texts.spans(place)[:, 1].max(initial=0))

"""Pairs from a chat server: rounds of requests until there are enough, their answers judged in the order of the requests.

A round asks each subtype for as many answers as its missing pairs would take if every pair were good. What is asked next
depends on the answers alone, never on which came first. Answers with a pair are kept, so that a finished run over them gives
the same pairs and makes no request; those without are asked for again by a run that still misses pairs.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from layerscope.errors import LayerscopeError, ServerError
from layerscope.pairs.chat.answers import Received, encodable, read_answer
from layerscope.pairs.chat.cache import Answer, AnswerCache
from layerscope.pairs.chat.client import BudgetSpentError, ChatClient, NoAnswerError, Patience
from layerscope.pairs.chat.judging import Key, judge, key_of
from layerscope.pairs.chat.prompts import ChatRequest, Prompt, PromptFiles
from layerscope.pairs.chat.server import Server
from layerscope.pairs.chat.usefulness import is_useful, why_nothing
from layerscope.pairs.pair import MinimalPair
from layerscope.progress import Progress, nobody_asks

_BARREN = 3
"""After so many answers in a row without a new pair a subtype is given up; after so many prompts without an answer, or first
answers without a text, the run."""
_PATIENCE = Patience()


@dataclass(frozen=True)
class RejectedPair:
    """What was received and is not a pair."""

    subtype: str
    """What was asked for."""
    text: str
    """The piece of the answer as received; empty where there was no answer."""
    reason: str
    """Why it was rejected."""
    where: str
    """Template of its answer and, after ``#``, its place there from 1."""


@dataclass(frozen=True)
class ChatOutcome:
    """What a run gave; every piece of every answer is either a pair or rejected."""

    pairs: tuple[MinimalPair, ...]
    """Accepted, in the order of the requests."""
    rejected: tuple[RejectedPair, ...]
    """The rest, in the same order."""
    missing: dict[str, int]
    """Pairs that a subtype is short of; subtypes that have all are left out."""
    n_requests: int
    """HTTP requests made, those sent again included."""
    n_cached: int
    """Answers that were on disk."""
    n_useless: int
    """Answers without a single pair; they are not kept."""
    is_budget_spent: bool
    """Whether a prompt was not sent because of ``max_requests``."""


@dataclass
class _Subtype:
    """How far one subtype is."""

    n_asked: int = 0
    """Prompts made."""
    n_pairs: int = 0
    """Pairs accepted."""
    n_barren: int = 0
    """Answers without a new pair since the last one with."""


@dataclass
class _Run:
    """One run's state; answers go in by ``take``, in the order of the requests."""

    request: ChatRequest
    """What is wanted."""
    known: set[Key]
    """Pairs that were there before."""
    states: dict[str, _Subtype]
    """How far each subtype is."""
    seen: set[Key] = field(default_factory=set)
    """Pairs accepted so far."""
    pairs: list[MinimalPair] = field(default_factory=list)
    """Accepted."""
    rejected: list[RejectedPair] = field(default_factory=list)
    """The rest."""

    def fresh(self) -> _Run:
        """The same run before its first answer."""
        return _Run(self.request, self.known, {subtype: _Subtype() for subtype in self.states})

    @property
    def missing(self) -> dict[str, int]:
        """Pairs that a subtype is short of; subtypes that have all are left out."""
        wanted = self.request.per_subtype
        return {name: wanted - state.n_pairs for name, state in self.states.items() if state.n_pairs < wanted}

    def next_prompts(self, files: PromptFiles) -> list[Prompt]:
        """The prompts of the next round; none if every subtype has enough or is given up."""
        prompts = []
        for subtype, state in self.states.items():
            if state.n_barren < _BARREN:
                n_missing = self.request.per_subtype - state.n_pairs
                n_prompts = math.ceil(n_missing / self.request.pairs_per_request)
                prompts += [files.prompt(self.request, subtype, number=state.n_asked + place) for place in range(n_prompts)]
                state.n_asked += n_prompts
        return prompts

    def take(self, prompt: Prompt, answer: Answer | NoAnswerError | None) -> None:
        """Judge every piece of an answer; None where the server was not asked any more."""
        state = self.states[prompt.subtype]
        if not isinstance(answer, Answer):
            if answer is not None:
                self.rejected.append(RejectedPair(prompt.subtype, "", f"no answer: {answer}", prompt.template))
            state.n_barren += 1
            return
        is_barren = True
        pieces = read_answer(answer.content, prompt.fields)
        reason = "" if is_useful(pieces, prompt) else why_nothing(answer)
        if reason:
            pieces = [Received(encodable(answer.content.strip()), None, reason)]
        for place, piece in enumerate(pieces, start=1):
            judged = judge(piece, prompt, seen=self.seen, known=self.known)
            if isinstance(judged, MinimalPair) and state.n_pairs == self.request.per_subtype:
                judged = f"there are {state.n_pairs} of the subtype, as many as asked for"
            if isinstance(judged, MinimalPair):
                self.pairs.append(replace(judged, source=prompt.source(answer.left_out)))
                self.seen.add(key_of(judged.sentence1, judged.sentence2))
                state.n_pairs += 1
                is_barren = False
            else:
                self.rejected.append(RejectedPair(prompt.subtype, piece.text, judged, f"{prompt.template}#{place}"))
                is_barren = is_barren and not (piece.sides and key_of(*piece.sides) in self.known)
        state.n_barren = state.n_barren + 1 if is_barren else 0


def make_pairs_by_chat(
    request: ChatRequest,
    *,
    cache_dir: Path,
    existing: Iterable[MinimalPair] = (),
    environment: Mapping[str, str] = os.environ,
    patience: Patience = _PATIENCE,
    progress: Progress = nobody_asks,
) -> ChatOutcome:
    """Ask a chat server for pairs until there are as many as wanted, the budget is spent, or nothing new comes.

    Args:
        request: which pairs, of which model.
        cache_dir: where answers are kept; a prompt whose answer is there is not sent.
        existing: pairs that are there already and are not to come again.
        environment: holds ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``.
        patience: how to wait for a server that has no answer yet.
        progress: told of the prompts that are answered.

    Returns:
        Pairs and everything rejected. A run over the same cache gives the same.

    Raises:
        PairError: prompt files or cache folder that cannot be used.
        ServerError: no key, a refused key or request, nobody at the address, or three prompts in a row without an answer.
            Answers that came are in the cache.
    """
    known = {key_of(pair.sentence1, pair.sentence2) for pair in existing}
    run = _Run(request, known, {subtype: _Subtype() for subtype in request.subtypes})
    try:
        return asyncio.run(_make(run, AnswerCache(cache_dir), Server.from_environment(environment), patience, progress))
    except ExceptionGroup as group:
        # what one request met ended the others; several may have met the same
        raise next((error for error in group.exceptions if isinstance(error, LayerscopeError)), group.exceptions[0]) from None


async def _make(run: _Run, cache: AnswerCache, server: Server, patience: Patience, progress: Progress) -> ChatOutcome:
    request = run.request
    files = PromptFiles(request.prompt_dir)
    client = ChatClient(server, max_requests=request.max_requests, timeout_seconds=request.timeout_seconds, patience=patience)
    async with client:
        # a finished run is all on disk, whatever was asked for in vain on the way
        kept, asking = run.fresh(), _Asking(client, cache, asyncio.Semaphore(1), nobody_asks, is_ended=True)
        await _gather(kept, files, asking)
        if not kept.missing:
            run = kept
        else:
            asking = _Asking(client, cache, asyncio.Semaphore(request.concurrency), progress)
            await _gather(run, files, asking)
    return ChatOutcome(
        pairs=tuple(run.pairs),
        rejected=tuple(run.rejected),
        missing=run.missing,
        n_requests=client.n_requests,
        n_cached=asking.n_cached,
        n_useless=asking.n_useless,
        is_budget_spent=asking.is_budget_spent,
    )


async def _gather(run: _Run, files: PromptFiles, asking: _Asking) -> None:
    """Rounds until every subtype has enough or is given up."""
    while prompts := run.next_prompts(files):
        for prompt, answer in zip(prompts, await asking.ask_all(prompts), strict=True):
            run.take(prompt, answer)


class _Asking:
    """Prompts to answers, from disk or from the server, several at a time."""

    def __init__(
        self, client: ChatClient, cache: AnswerCache, slots: asyncio.Semaphore, progress: Progress, *, is_ended: bool = False
    ) -> None:
        self._client = client
        self._cache = cache
        self._slots = slots
        self._progress = progress
        self._is_ended = is_ended
        self._n_done = self._n_asked = self._n_unanswered = self._n_answers = self._n_empty = 0
        self.n_cached = self.n_useless = 0
        self.is_budget_spent = False

    async def ask_all(self, prompts: list[Prompt]) -> list[Answer | NoAnswerError | None]:
        """An answer for each prompt, in their order; None where the server was not asked any more."""
        answers: list[Answer | NoAnswerError | None] = [self._find(prompt) for prompt in prompts]
        waiting = [place for place, answer in enumerate(answers) if answer is None]
        self.n_cached += len(prompts) - len(waiting)
        self._n_done += len(prompts) - len(waiting)
        self._n_asked += len(prompts)
        self._progress("Asking for pairs", self._n_done, self._n_asked)

        async def ask(place: int) -> None:
            async with self._slots:
                answers[place] = await self._ask(prompts[place])

        if waiting and not self._client.has_answered:
            await ask(waiting.pop(0))  # alone: a refused key or parameter is found out by one request
        async with asyncio.TaskGroup() as tasks:
            for place in waiting:
                tasks.create_task(ask(place))
        return answers

    def _find(self, prompt: Prompt) -> Answer | None:
        """The kept answer, unless it is one without a pair, as they were kept once."""
        answer = self._cache.find(prompt)
        return answer if answer is not None and _holds_pairs(answer, prompt) else None

    async def _ask(self, prompt: Prompt) -> Answer | NoAnswerError | None:
        if self._is_ended:
            return None
        try:
            answer = await self._client.ask(prompt)
        except BudgetSpentError:
            self._is_ended = self.is_budget_spent = True
            return None
        except NoAnswerError as error:
            self._n_unanswered += 1
            if not self._client.has_answered or self._n_unanswered == _BARREN:
                raise ServerError(
                    f"A chat server answers within a few attempts; this one did not ({error}). Look after it and run the same "
                    "command again: the answers so far are kept."
                ) from None
            return error
        self._n_unanswered = 0
        self._n_answers += 1
        if _holds_pairs(answer, prompt):
            self._cache.keep(prompt, answer)
        else:
            self.n_useless += 1
            self._n_empty += not answer.content.strip()
            if self._n_empty == self._n_answers == _BARREN:
                self._is_ended = True  # each costs as much as the limit allows, and all will be like these
        self._n_done += 1
        self._progress("Asking for pairs", self._n_done, self._n_asked)
        return answer


def _holds_pairs(answer: Answer, prompt: Prompt) -> bool:
    return is_useful(read_answer(answer.content, prompt.fields), prompt)

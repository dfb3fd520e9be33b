"""Answers on disk: a file each under its prompt's hash, there as soon as the answer is. Neither key nor address is written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from layerscope.atomic import remove_leftovers, whole_file
from layerscope.errors import PairError, RunError
from layerscope.pairs.chat.prompts import Prompt

SCHEMA = "layerscope-chat-answer/1"


@dataclass(frozen=True)
class Answer:
    """What a model wrote."""

    content: str
    """Its text as it came; of a refusal, the refusal."""
    finish: str
    """Why it stopped, in the server's word: ``stop``, ``length``, ``content_filter``, or ``refusal``; may be empty."""
    format: str
    """How it was asked to answer: ``json_schema``, ``json_object`` or ``text``."""
    left_out: tuple[str, ...] = ()
    """Parameters that the server refused and that were not sent."""


class AnswerCache:
    """A folder of answers; several runs may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        remove_leftovers(folder)

    def find(self, prompt: Prompt) -> Answer | None:
        """The answer to this very prompt; None if there is none that can be read whole."""
        try:
            record = json.loads(self._path(prompt).read_text(encoding="utf-8"))
            if record["schema"] == SCHEMA and record["key"] == prompt.key:
                answer = record["answer"]
                left_out = tuple(str(name) for name in answer.get("left_out", ()))
                return Answer(str(answer["content"]), str(answer["finish"]), str(answer["format"]), left_out)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            pass  # not there, or not ours: it is asked for again
        return None

    def keep(self, prompt: Prompt, answer: Answer) -> None:
        """Write an answer; its file appears whole or not at all.

        Raises:
            PairError: the folder cannot be written.
        """
        record = {"schema": SCHEMA, "key": prompt.key, "prompt": asdict(prompt), "answer": asdict(answer)}
        try:
            with whole_file(self._path(prompt)) as unfinished:
                unfinished.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        except RunError as error:
            reason = getattr(error.__cause__, "strerror", None) or error.__cause__
            raise PairError(
                f"Answers are kept in '{self._folder}', which cannot be written ({reason}): free some space, or name another "
                "folder."
            ) from error

    def _path(self, prompt: Prompt) -> Path:
        return self._folder / f"{prompt.key}.json"

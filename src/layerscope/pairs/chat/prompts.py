"""What is asked of a chat server, made from files that one can read and change. No network, no disk but the prompt files.

Request ``i`` of a subtype is the same text whatever came before it, so that its answer can be found again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any

from layerscope.errors import PairError, did_you_mean
from layerscope.pairs.chat.options import Options, check_options
from layerscope.pairs.subtypes import PUBLISHED_SUBTYPES, SUBTYPES

ASKABLE = tuple(name for name, subtype in SUBTYPES.items() if subtype.type != "control")
"""Subtypes that a server can be asked for; controls are made from other pairs."""
OUR_PROMPTS = Path(__file__).parent / "prompts"


@dataclass(frozen=True)
class ChatRequest:
    """Which pairs are wanted of which model."""

    chat_model: str
    """The model's name on the server."""
    subtypes: tuple[str, ...] = PUBLISHED_SUBTYPES
    """Names of ``SUBTYPES`` that are no controls."""
    per_subtype: int = 50
    """Pairs wanted of each."""
    seed: int = 0
    """Decides which topics are asked for; another seed gives other pairs."""
    max_requests: int = 200
    """HTTP requests at most, those sent again included; 0 takes what is in the cache."""
    pairs_per_request: int = 10
    """Pairs asked for at once."""
    concurrency: int = 4
    """Requests on their way at a time."""
    timeout_seconds: float = 120.0
    """How long one answer may take."""
    prompt_dir: Path | None = None
    """A folder whose files stand in for ours of the same name."""
    temperature: float = 1.0
    """Of the sampling, 0 to 2."""
    max_tokens: int | None = None
    """Where an answer is cut off; None leaves that to the server."""
    options: Options = field(default_factory=dict)
    """What else a request holds, over what we send, such as ``{"reasoning_effort": "low"}``; None leaves a name out."""

    def __post_init__(self) -> None:
        check_options(self.options)
        if not self.chat_model.strip() or not self.chat_model.isprintable():
            raise PairError(f"A chat model has a name, such as gpt-4o-mini; got {self.chat_model!a}.")
        for name in self.subtypes:
            if name not in ASKABLE:
                raise PairError(
                    f"A chat server can be asked for {', '.join(ASKABLE)}; got '{name}'.{did_you_mean(name, ASKABLE)}"
                )
        if not self.subtypes or len(set(self.subtypes)) < len(self.subtypes):
            raise PairError(f"Subtypes are one or more names, each once; got '{', '.join(self.subtypes)}'.")
        for name, lowest in (("per_subtype", 1), ("pairs_per_request", 1), ("concurrency", 1), ("max_requests", 0)):
            if getattr(self, name) < lowest:
                raise PairError(f"{name} is {lowest} or more; got {getattr(self, name)}.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise PairError(f"max_tokens is 1 or more, or none; got {self.max_tokens}.")
        if not self.timeout_seconds > 0:
            raise PairError(f"timeout_seconds is more than 0; got {self.timeout_seconds:g}.")
        if not 0 <= self.temperature <= 2:
            raise PairError(f"temperature is 0 to 2; got {self.temperature:g}.")


@dataclass(frozen=True)
class Prompt:
    """One request of one subtype, with all that its answer depends on."""

    model: str
    """The model's name on the server."""
    subtype: str
    """What is asked for."""
    text: str
    """The one message of the user."""
    fields: tuple[str, str]
    """Names of the two sentences in the answer."""
    temperature: float
    """Of the sampling."""
    max_tokens: int | None
    """Where the answer is cut off."""
    seed: int
    """The request's seed."""
    number: int
    """The how-manieth request of its subtype, from 0."""
    options: Options = field(default_factory=dict)
    """What else is in the request; None leaves a name out."""

    @cached_property
    def key(self) -> str:
        """Hash (SHA-256) of everything above; the server's address and the key of the account are no part of it."""
        content = asdict(self)
        if not self.options:
            del content["options"]  # without any, answers are found that were kept before there were options
        return _digest(json.dumps(content))

    def source(self, left_out: Collection[str] = ()) -> str:
        """Source of the pairs of the answer: the model, and what was added to the request or left out of it.

        Args:
            left_out: what the server refused.
        """
        options = dict(self.options) | dict.fromkeys(left_out)
        return f"openai:{self.model}" + "".join(f" {name}={_written(options[name])}" for name in sorted(options))

    @property
    def template(self) -> str:
        """Template of the pairs of the answer: what one answer gave is one unit of the bootstrap."""
        return f"openai:{self.model}/{self.subtype}/{self.key[:8]}"

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        pair = {
            "type": "object",
            "properties": {name: {"type": "string"} for name in self.fields},
            "required": list(self.fields),
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "properties": {"pairs": {"type": "array", "items": pair}},
            "required": ["pairs"],
            "additionalProperties": False,
        }


class PromptFiles:
    """The texts of a prompt folder, each read once, ours where the folder has none of that name."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise PairError(f"Prompts are read from a folder; there is none at '{folder}'. Ours are at '{OUR_PROMPTS}'.")
        self._folders = (folder, OUR_PROMPTS) if folder is not None else (OUR_PROMPTS,)
        self._texts: dict[str, tuple[str, Path]] = {}

    def prompt(self, request: ChatRequest, subtype: str, *, number: int) -> Prompt:
        """Request ``number`` of a subtype.

        Raises:
            PairError: a file is not UTF-8, has no topic, or has a placeholder that is not known.
        """
        judged = SUBTYPES[subtype].is_judgeable
        form, path = self._read("one-wrong.md" if judged else "two-right.md")
        values = {
            "count": str(request.pairs_per_request),
            "kind": self._read(f"subtypes/{subtype}.md")[0].strip(),
            "topics": ", ".join(self._topics(request, subtype, number)),
        }
        try:
            text = Template(form).substitute(values).strip()
        except (KeyError, ValueError) as error:
            raise PairError(
                f"The placeholders of a prompt are $count, $kind and $topics, and a dollar sign is written $$; '{path}' has "
                f"another ({error})."
            ) from error
        fields = ("acceptable", "unacceptable") if judged else ("sentence1", "sentence2")
        return Prompt(
            request.chat_model,
            subtype,
            text,
            fields,
            request.temperature,
            request.max_tokens,
            seed=request.seed,
            number=number,
            options=request.options,
        )

    def _topics(self, request: ChatRequest, subtype: str, number: int) -> list[str]:
        """As many topics as pairs, in an order that depends on seed, subtype and number, and on no library's random numbers."""
        text, path = self._read("topics.md")
        topics = [line.strip() for line in text.splitlines() if line.strip()]
        if not topics:
            raise PairError(f"Topics are lines of '{path}'; it has none.")
        return sorted(topics, key=lambda topic: _digest(f"{request.seed}/{subtype}/{number}/{topic}"))[
            : request.pairs_per_request
        ]

    def _read(self, name: str) -> tuple[str, Path]:
        if name not in self._texts:
            path = next((folder / name for folder in self._folders if (folder / name).is_file()), None)
            if path is None:
                raise PairError(
                    f"Each subtype that is asked for has a prompt; write '{self._folders[0] / name}', which is missing."
                )
            try:
                self._texts[name] = path.read_text(encoding="utf-8"), path
            except UnicodeDecodeError as error:
                raise PairError(f"A prompt is UTF-8 text; '{path}' is not (byte {error.start}).") from error
        return self._texts[name]


def _written(value: Any) -> str:
    """An option as on the command line."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()

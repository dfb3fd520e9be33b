"""Runs against the scripted server, and scripts of servers that do what is asked."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from layerscope.pairs.chat.client import Patience
from layerscope.pairs.chat.prompts import ChatRequest
from layerscope.pairs.chat.source import ChatOutcome, make_pairs_by_chat
from tests.pairs.chat_server import ChatServer, Reply, Script

KEY = "sk-secret-0123456789abcdef"
REQUEST = ChatRequest("gpt-test", subtypes=("location", "tense"), per_subtype=6, pairs_per_request=2, timeout_seconds=5.0)
"""Three prompts of each of two subtypes."""


def pairs_for(body: dict[str, Any], n_pairs: int = 2) -> list[dict[str, str]]:
    """Pairs that depend on the prompt and on nothing else, of the fields that it asks for."""
    text = body["messages"][0]["content"]
    fields = ("acceptable", "unacceptable") if '"acceptable"' in text else ("sentence1", "sentence2")
    name = hashlib.sha256(text.encode("utf-8")).hexdigest()[:6]
    return [{fields[0]: f"We saw {name}{i} here today.", fields[1]: f"We see {name}{i} here today."} for i in range(n_pairs)]


def good(body: dict[str, Any], number: int) -> Reply:
    return Reply(json.dumps({"pairs": pairs_for(body)}))


def first_fails(*replies: Reply) -> Script:
    """The first requests fail; the rest is answered."""
    return lambda body, number: replies[number] if number < len(replies) else good(body, number)


@dataclasses.dataclass
class Waits:
    """Waits that take no time."""

    seconds: list[float] = dataclasses.field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def make(server: ChatServer, tmp_path: Path, request: ChatRequest = REQUEST, **given: Any) -> ChatOutcome:
    environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    given = {"patience": Patience(sleep=Waits()), "environment": environment} | given
    return make_pairs_by_chat(request, cache_dir=tmp_path / "cache", **given)


def same(first: ChatOutcome, second: ChatOutcome) -> bool:
    """Whether two runs gave the same, whatever they cost."""
    return dataclasses.replace(first, n_requests=0, n_cached=0) == dataclasses.replace(second, n_requests=0, n_cached=0)

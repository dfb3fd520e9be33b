"""Whether an answer is worth keeping, why it is not, and what helps. An answer without a single pair is asked for again."""

from __future__ import annotations

from collections.abc import Sequence

from layerscope.pairs.chat.answers import Received
from layerscope.pairs.chat.cache import Answer
from layerscope.pairs.chat.judging import judge
from layerscope.pairs.chat.prompts import Prompt
from layerscope.pairs.chat.server import in_a_line
from layerscope.pairs.pair import MinimalPair

_CUT_OFF = "the token limit cut it off"
_FILTERED = "the server's filter held it back"
_TOOLS = "it calls tools in place of text"
_REFUSED = "the model refused"
_FINISHES = {
    "length": _CUT_OFF,
    "max_tokens": _CUT_OFF,
    "content_filter": _FILTERED,
    "tool_calls": _TOOLS,
    "function_call": _TOOLS,
    "refusal": _REFUSED,
}
"""A server's word for why an answer ended, to ours."""
_HELP = {
    _CUT_OFF: (
        "raise the limit with --chat-option max_completion_tokens=8000, or, of a model that reasons first, let it reason less "
        "with --chat-option reasoning_effort=low"
    ),
    _FILTERED: "take another model, or other topics (a topics.md in the folder of --prompts)",
    _TOOLS: "switch tools off with --chat-option 'tool_choice=\"none\"', or take another model",
    _REFUSED: "take another model, or other prompts (--prompts)",
}
_HELP_OTHERWISE = "take another model, or other prompts (--prompts)"


def is_useful(pieces: Sequence[Received], prompt: Prompt) -> bool:
    """Whether one piece of an answer is a pair by itself, whatever other answers hold."""
    return any(isinstance(judge(piece, prompt, seen=set(), known=set()), MinimalPair) for piece in pieces)


def why_nothing(answer: Answer) -> str:
    """Why an answer without a pair has none, if it is the whole answer's fault; else empty, and its pieces say."""
    why = _FINISHES.get(answer.finish, "")
    if not why and answer.content.strip():
        return ""
    named = f" (finish_reason '{in_a_line(answer.finish)}')" if answer.finish else ""
    return f"{why}{named}" if answer.content.strip() else f"the answer is empty{': ' if why else ''}{why}{named}"


def what_helps(reason: str) -> str:
    """The next step of somebody whose answers are mostly without a pair for this reason."""
    return next((text for why, text in _HELP.items() if why in reason), _HELP_OTHERWISE)

"""Pairs from a chat server: prompts that are files, answers that are kept, every pair judged. No tokenizer, no torch."""

from layerscope.pairs.chat.client import Patience, Server
from layerscope.pairs.chat.prompts import ChatRequest
from layerscope.pairs.chat.source import ChatOutcome, RejectedPair, make_pairs_by_chat

__all__ = ["ChatOutcome", "ChatRequest", "Patience", "RejectedPair", "Server", "make_pairs_by_chat"]

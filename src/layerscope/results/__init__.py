"""The run directory: its tables column by column, atomic writing, resuming."""

from layerscope.results.atomic import whole_file
from layerscope.results.directory import RunDirectory, run_slug
from layerscope.results.schema import (
    DOCUMENTS,
    LAYERS,
    POS,
    PROXIES,
    SCHEMA_VERSION,
    SCORES,
    SPANS,
    TABLES,
    TOKEN_WORDS,
    TOKENS,
    TRANSITIONS,
    VOCABULARY,
    WORDS,
    Column,
    Table,
    gaps,
)
from layerscope.results.shards import documents_table, scores_table, spans_table, tokens_table, vocabulary_table

__all__ = [
    "DOCUMENTS",
    "LAYERS",
    "POS",
    "PROXIES",
    "SCHEMA_VERSION",
    "SCORES",
    "SPANS",
    "TABLES",
    "TOKENS",
    "TOKEN_WORDS",
    "TRANSITIONS",
    "VOCABULARY",
    "WORDS",
    "Column",
    "RunDirectory",
    "Table",
    "documents_table",
    "gaps",
    "run_slug",
    "scores_table",
    "spans_table",
    "tokens_table",
    "vocabulary_table",
    "whole_file",
]

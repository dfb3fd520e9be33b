"""The run directory: its tables column by column, atomic writing, resuming."""

from layerscope.atomic import whole_file, write_json
from layerscope.results.directory import RunDirectory, find_run, run_slug
from layerscope.results.figure_files import write_figure
from layerscope.results.schema import (
    DOCUMENTS,
    FRAGILITY,
    LAYERS,
    POS,
    PROFILE_CORRELATION,
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
    "FRAGILITY",
    "LAYERS",
    "POS",
    "PROFILE_CORRELATION",
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
    "find_run",
    "gaps",
    "run_slug",
    "scores_table",
    "spans_table",
    "tokens_table",
    "vocabulary_table",
    "whole_file",
    "write_figure",
    "write_json",
]

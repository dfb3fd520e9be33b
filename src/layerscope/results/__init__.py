"""The run directory: its tables column by column, atomic writing, resuming."""

from layerscope.results.directory import RunDirectory, run_slug
from layerscope.results.schema import DOCUMENTS, LAYERS, PROXIES, SCHEMA_VERSION, SCORES, SPANS, TABLES, TOKENS, Column, Table
from layerscope.results.shards import documents_table, scores_table, spans_table, tokens_table

__all__ = [
    "DOCUMENTS",
    "LAYERS",
    "PROXIES",
    "SCHEMA_VERSION",
    "SCORES",
    "SPANS",
    "TABLES",
    "TOKENS",
    "Column",
    "RunDirectory",
    "Table",
    "documents_table",
    "run_slug",
    "scores_table",
    "spans_table",
    "tokens_table",
]

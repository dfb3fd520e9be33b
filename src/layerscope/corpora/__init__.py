"""Data sets and local files as documents, and evaluation protocols that cut them into windows of tokens. No torch."""

from layerscope.corpora.catalogue import DATASETS, DatasetEntry, dataset_label, load_documents, resolved_split
from layerscope.corpora.protocols import Protocol, WindowedCorpus, cut_windows
from layerscope.corpora.windows import Document, EncodedText, Window, make_window

__all__ = [
    "DATASETS",
    "DatasetEntry",
    "Document",
    "EncodedText",
    "Protocol",
    "Window",
    "WindowedCorpus",
    "cut_windows",
    "dataset_label",
    "load_documents",
    "make_window",
    "resolved_split",
]

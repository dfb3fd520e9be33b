"""Run directories → one self-contained HTML page. No disk, no model: jobs read the runs and write the file."""

from layerscope.report.contrast_data import ContrastTables, contrast_data
from layerscope.report.packing import Packing
from layerscope.report.page import page
from layerscope.report.provenance import provenance
from layerscope.report.sweep_data import sweep_data
from layerscope.report.text_data import text_data

__all__ = ["ContrastTables", "Packing", "contrast_data", "page", "provenance", "sweep_data", "text_data"]

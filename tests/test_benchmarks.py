"""The benchmark scripts run: at toy size, with nothing written and no time asserted."""

from __future__ import annotations

import re

import pytest

from benchmarks import gpu


def test_the_gpu_script_at_toy_size(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LAYERSCOPE_BENCH_DRY", "1")
    gpu.main(["--toy", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert "6 variants, 4 × 32 tokens, not compiled" in printed
    figures = re.search(r"\| ([\d.]+) tokens/s .*; ([\d.]+) \(.* TFLOP/s; ([\d.]+) \(", printed)
    assert figures is not None
    assert all(float(figure) > 0.0 for figure in figures.groups())

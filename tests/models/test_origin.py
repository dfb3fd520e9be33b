"""Where an exported checkpoint comes from: read from what an export writes, if that fits the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerscope.models.export import export_path
from layerscope.models.loading import load_decoder
from layerscope.models.origin import EXPORT_FILE, Origin, find_origin
from layerscope.paths.path import LayerPath
from layerscope.sweeps.record import OriginRecord


@pytest.mark.parametrize(("path", "n_layers"), [("0,2-3", 3), ("0,3.mlp,1", 3), ("1,1", 2)])
def test_an_export_says_it(path: str, n_layers: int, tiny_checkpoint: Path, tmp_path: Path) -> None:
    export_path(load_decoder(str(tiny_checkpoint)), LayerPath.parse(path), folder=tmp_path / "out")
    assert find_origin(tmp_path / "out", n_layers) == Origin("tiny-llama", 4, path)
    assert find_origin(tmp_path / "out", n_layers + 1) is None, "another checkpoint's"
    assert find_origin(tiny_checkpoint, 4) is None


@pytest.mark.parametrize(
    "held",
    [
        "no json",
        "[]",
        "{}",
        '{"model": "a", "path": "0,2", "layers": {"after": 2}}',
        '{"model": "a", "path": "0,9", "layers": {"before": 4}}',
        '{"model": "a", "path": "0,(1|2)", "layers": {"before": 4}}',
        '{"model": "a", "path": "0,2.h1", "layers": {"before": 4}}',
        '{"model": "a", "path": "none", "layers": {"before": 4}}',
        '{"model": "a", "path": "zero", "layers": {"before": 4}}',
        '{"model": 1, "path": "0,2", "layers": {"before": 4}}',
        '{"model": "a", "path": ["0", "2"], "layers": {"before": 4}}',
        '{"model": "a", "path": "0,2", "layers": {"before": true}}',
        '{"model": "a", "path": "0,2", "layers": 4}',
    ],
)
def test_what_does_not_fit_says_nothing(held: str, tmp_path: Path) -> None:
    (tmp_path / EXPORT_FILE).write_text(held, encoding="utf-8")
    assert find_origin(tmp_path, 2) is None


def test_a_file_of_another_encoding_says_nothing(tmp_path: Path) -> None:
    (tmp_path / EXPORT_FILE).write_bytes(json.dumps({"model": "a"}).encode("utf-16"))
    assert find_origin(tmp_path, 2) is None


@pytest.mark.parametrize(("path", "places"), [("0,2-3", (0, 2, 3)), ("0,2.mlp", (0, 2)), ("1,0", None), ("0,0", None)])
def test_layers_have_their_old_places_while_they_keep_their_order(path: str, places: tuple[int, ...] | None) -> None:
    assert OriginRecord(model="a", layers=4, path=path).places() == places

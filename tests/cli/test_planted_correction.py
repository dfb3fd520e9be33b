"""``contrast`` and ``intervene`` on a model with a correction that stands still: found where it is, not where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layerscope.cli.main import main
from tests.contrasts.planted_correction import (
    N_LAYERS,
    STILL,
    save_planted_llama,
    write_neutral_text,
    write_planted_pairs,
)


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (0, None)


def intervened(folder: Path, *arguments: str) -> dict[str, Any]:
    stable = str(N_LAYERS * len(STILL))
    run("intervene", str(folder), "--stable", stable, "--max-pairs", "24", "--figures", "none", *arguments)
    return json.loads((folder / "intervention.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("corrects", [True, False])
def test_a_planted_correction_is_found(corrects: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    model = save_planted_llama(tmp_path / "planted", corrects=corrects)
    pairs, text = write_planted_pairs(tmp_path / "pairs.jsonl"), write_neutral_text(tmp_path / "text.txt")
    run(
        *("contrast", "--model", str(model), "--pairs", str(pairs), "--sites", "resid_post", "--positions", "edit+1"),
        *("--reference-dataset", str(text), "--reference-tokens", "2000", "--output-dir", str(tmp_path / "results")),
    )
    (folder,) = (tmp_path / "results" / "contrast").iterdir()
    few = intervened(folder)
    planted = {(layer, dim) for layer in range(N_LAYERS) for dim in STILL}
    assert {(unit["layer"], unit["dim"]) for unit in few["units"]} == planted
    assert max(map(abs, few["balance"].values())) < 0.1
    if not corrects:
        assert set(few["conclusion"].values()) == {"null"}
        return
    # 1,000 tokens of text leave more damage open than the margin allows, under one replacement at least
    assert few["conclusion"]["both"] in ("mixed", "damage not excluded")
    assert "--text-tokens" in few["verdict"]["mean"]["en"]
    more = intervened(folder, "--text-tokens", "2000")
    assert set(more["conclusion"].values()) == {"supports"}
    for effect in more["effects"].values():
        assert effect["did_nats"]["low"] > 10.0, "four words of 80 instead of 2,500: some 14 nats"
        assert effect["did_nats"]["random_mean"] < 1.0
        assert effect["damage_excess"]["high"] < more["request"]["damage_margin"] == 0.02

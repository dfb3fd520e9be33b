"""The run directory: tables are checked against their declaration, files are whole or absent, runs are told apart."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from layerscope.atomic import _HOST, TEMPORARY_PREFIX, is_leftover, remove_leftovers, whole_file, write_json
from layerscope.contrasts import tables as contrast_tables
from layerscope.contrasts.finished import FinishedContrast
from layerscope.contrasts.record import ContrastRecord
from layerscope.errors import RunError
from layerscope.report.write import open_drawn_run
from layerscope.results.directory import RunDirectory, run_slug
from layerscope.results.schema import OLDEST_READ, Table
from layerscope.results.schema import SCHEMA_VERSION as NOW
from layerscope.searches import tables as search_tables
from layerscope.sweeps import pair_tables
from layerscope.sweeps import tables as sweep_tables
from layerscope.sweeps.finished import FinishedRun
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.tables import LAYERS, PROXIES, SCORES, SPANS, TOKENS
from tests.made_up_records import contrast_manifest, sweep_manifest, sweep_record

TABLES = [
    found
    for module in (sweep_tables, pair_tables, search_tables, contrast_tables)
    for found in vars(module).values()
    if isinstance(found, Table)
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_its_dtype_unit_and_meaning(table) -> None:
    assert len({column.name for column in table.columns}) == len(table.columns)
    for column, field in zip(table.columns, table.schema, strict=True):
        assert field.type == column.dtype
        assert field.metadata[b"unit"].decode() == column.unit != ""
        assert field.metadata[b"meaning"].decode().endswith(".")
        if column.name.endswith("_nats"):
            assert column.unit.startswith("nats")


def columns(**changed: object) -> dict[str, object]:
    return {"family": ["removal"], "proxy": ["block_influence"], "variants": [3], "spearman": [None], **changed}


def test_a_table_is_checked_when_it_is_built() -> None:
    assert PROXIES.build(columns()).num_rows == 1
    with pytest.raises(ValueError, match=r"columns \['extra'\] are not both declared and given"):
        PROXIES.build(columns(extra=[1]))
    with pytest.raises(ValueError, match="proxies.parquet: "):
        PROXIES.build(columns(variants=["three"]))
    with pytest.raises(ValueError, match="column family has 1 gaps"):
        PROXIES.build(columns(family=[None]))


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:
    def write_half() -> None:
        with whole_file(tmp_path / "a" / "x.txt") as unfinished:
            unfinished.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert list((tmp_path / "a").iterdir()) == []
    with whole_file(tmp_path / "a" / "x.txt") as unfinished:
        unfinished.write_text("whole")
        assert not (tmp_path / "a" / "x.txt").exists()
    assert (tmp_path / "a" / "x.txt").read_text() == "whole"


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_has_the_permissions_of_the_umask_whoever_writes_it(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with whole_file(tmp_path / "x.safetensors") as unfinished:
        save_file({"a": np.zeros(2)}, unfinished)
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_is_strict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"ppl": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_ends_in_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="cannot be written .*No space left on device.*: free some space"),
        whole_file(tmp_path / "x"),
    ):
        raise OSError(28, "No space left on device")


def test_leftovers_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    dead, living = (tmp_path / f"{TEMPORARY_PREFIX}{pid}-0123abcd-x" for pid in (999999999, os.getpid()))
    dead.write_text("")
    living.write_text("")
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [living]


def test_leftovers_of_other_machines_stay_whatever_process_has_their_number_here(tmp_path: Path) -> None:
    theirs = tmp_path / f"{TEMPORARY_PREFIX}another.machine-99999999-0123abcd-x.txt"
    ours = tmp_path / f"{TEMPORARY_PREFIX}{_HOST}-99999999-0123abcd-x.txt"
    earlier = tmp_path / f"{TEMPORARY_PREFIX}99999999-0123abcd-x.txt"
    for path in (theirs, ours, earlier):
        path.touch()
    with whole_file(tmp_path / "x.txt") as unfinished:
        unfinished.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [theirs.name, "x.txt"]
    assert is_leftover(theirs)


RECORD = sweep_record(status="running", request={"seed": 1})


def test_a_run_killed_before_its_manifest_can_start(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_PREFIX}1-ab-manifest.json").write_text("")
    assert RunDirectory(tmp_path).check_resumable(SweepRecord, RECORD.request, {}) is False


def test_runs_are_told_apart(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    assert directory.check_resumable(SweepRecord, RECORD.request, {}) is False
    directory.start(RECORD)
    assert directory.check_resumable(SweepRecord, RECORD.request, {}) is False
    other = sweep_record(request={"seed": 1, "dtype": "bfloat16"}).request
    with pytest.raises(RunError, match=r"holds another run \(dtype was \"float32\", now \"bfloat16\"\): name another"):
        directory.check_resumable(SweepRecord, other, {})
    directory.finish(RECORD, seconds=2.0)
    assert directory.check_resumable(SweepRecord, RECORD.request, {}) is True
    assert directory.record(SweepRecord) == sweep_record(request={"seed": 1}, seconds=2.0)


def test_a_run_goes_on_with_the_packages_that_it_began_with(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.start(RECORD)
    assert directory.check_resumable(SweepRecord, RECORD.request, {"torch": "2.13.0"}) is False
    with pytest.raises(RunError, match="began with torch 2.13.0 and this is 2.14.0: install that version, or use --force"):
        directory.check_resumable(SweepRecord, RECORD.request, {"torch": "2.14.0"})
    directory.finish(RECORD)
    assert directory.check_resumable(SweepRecord, RECORD.request, {"torch": "2.14.0"}) is True


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="holds files that are no run"):
        RunDirectory(tmp_path).check_resumable(SweepRecord, RECORD.request, {})


@pytest.mark.parametrize("made_up", [sweep_manifest, contrast_manifest])
def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path, made_up) -> None:
    kind = SweepRecord if made_up is sweep_manifest else ContrastRecord
    record = kind.model_validate(made_up())
    directory = RunDirectory(tmp_path)
    directory.start(record)
    assert directory.record(kind) == record
    assert directory.kind() == record.kind == json.loads((tmp_path / "manifest.json").read_text())["kind"]


def test_manifests_of_the_first_version_are_read(tmp_path: Path) -> None:
    """They say what they are in the request, and only contrasts do; a sweep's plain way had another name."""
    (tmp_path / "sweep").mkdir()
    (tmp_path / "contrast").mkdir()
    old = sweep_manifest(request={"reference": True})
    del old["kind"]
    (tmp_path / "sweep" / "manifest.json").write_text(json.dumps(old))
    record = RunDirectory(tmp_path / "sweep").record(SweepRecord)
    assert (record.kind, record.request.plain) == ("sweep", True)
    assert record.request.differing(sweep_record(request={"plain": True}).request) == []
    old = contrast_manifest(request={"kind": "contrast"})
    del old["kind"], old["groups"]["tense"]["unusable"]
    (tmp_path / "contrast" / "manifest.json").write_text(json.dumps(old))
    assert RunDirectory(tmp_path / "contrast").kind() == "contrast"
    assert RunDirectory(tmp_path / "contrast").record(ContrastRecord).groups["tense"].unusable == 0


def test_a_sweep_of_the_version_before_is_read_and_a_contrast_of_it_is_not(tmp_path: Path) -> None:
    """Contrasts have had other tables since; sweeps have not, and may have taken days."""
    for kind, manifest in (("sweep", sweep_manifest(schema_version=2)), ("contrast", contrast_manifest(schema_version=2))):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "manifest.json").write_text(json.dumps(manifest))
    assert RunDirectory(tmp_path / "sweep").record(SweepRecord).schema_version == 2
    with pytest.raises(RunError, match="has tables of version 2 and this is version 4: give the command that made it again"):
        RunDirectory(tmp_path / "contrast").record(ContrastRecord)


OLDEST = OLDEST_READ["sweep"]
BAD_MANIFESTS = {
    "cut short": (json.dumps(sweep_manifest())[:300], "is damaged and cannot be read: give the command that made"),
    "empty": ("", "is damaged and cannot be read"),
    "no text": ("\udcff\udcfe", "is damaged and cannot be read"),
    "a list": ("[1, 2]", "is not a manifest of layerscope: name a folder that one of its commands printed"),
    "somebody else's": (json.dumps({"name": "app", "version": 3}), "is not a manifest of layerscope"),
    "a request that is none": (json.dumps(sweep_manifest() | {"request": 7}), "is not a manifest of layerscope"),
    "older": (json.dumps(sweep_manifest(schema_version=OLDEST - 1)), f"version {OLDEST - 1} and this is version {NOW}: give"),
    "newer": (json.dumps(sweep_manifest(schema_version=NOW + 1)), f"version {NOW + 1} and this is version {NOW}: install"),
    "a field missing": (
        json.dumps(sweep_manifest(model={"name": "m"})),
        r"not a manifest of 'layerscope sweep' \(model.family: field required\)",
    ),
    "a field of another type": (
        json.dumps(sweep_manifest(request={"seed": "many"})), r"\(request.seed: input should be a valid integer",
    ),
    "an unknown status": (json.dumps(sweep_manifest(status="paused")), r"\(status: input should be 'running' or 'finished'\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_manifest_that_is_none_is_one_sentence(tmp_path: Path, name: str) -> None:
    text, said = BAD_MANIFESTS[name]
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    for read in (
        lambda: FinishedRun.open(tmp_path),
        lambda: open_drawn_run(tmp_path),
        lambda: RunDirectory(tmp_path).check_resumable(SweepRecord, RECORD.request, {}),
    ):
        with pytest.raises(RunError, match=said) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_run_of_another_kind_is_named(tmp_path: Path) -> None:
    RunDirectory(tmp_path).start(sweep_record())
    with pytest.raises(RunError, match="reads what 'layerscope contrast' made; '.*' is a sweep: name another folder"):
        FinishedContrast.open(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is not a folder that can be written: name another --output-dir"):
        RunDirectory(tmp_path / "file" / "removal" / "slug").check_writable()


def test_a_part_counts_only_when_it_is_whole(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert not directory.has_part(SCORES, 3)
    directory.write_part(SCORES, 3, SCORES.schema.empty_table())
    assert directory.has_part(SCORES, 3)
    assert directory.has_part(SCORES, 3, n_rows=0)
    assert not directory.has_part(SCORES, 3, n_rows=10)
    assert not directory.has_part(SPANS, 3)
    (tmp_path / "scores" / "shard-00003.parquet").write_bytes(b"half a file")
    assert not directory.has_part(SCORES, 3)


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no layers.parquet: is it a finished run directory\?"):
        RunDirectory(tmp_path).read_table(LAYERS)


def test_tables_come_back_as_they_were_written(tmp_path: Path) -> None:
    data = TOKENS.build(
        {
            "document": np.array([0, 0]),
            "position": np.array([0, 1]),
            "id": np.array([5, 6]),
            "text": pa.array(["a", "\x00😀"]).dictionary_encode(),
            "char_start": np.array([0, 1]),
            "char_end": np.array([1, 3]),
            "scored": np.array([False, True]),
            "starts_word": np.array([False, True]),
        }
    )
    directory = RunDirectory(tmp_path)
    directory.write_table(TOKENS, data)
    assert directory.read_table(TOKENS).to_pylist() == data.to_pylist()


@pytest.mark.parametrize(
    ("model", "dataset", "samples", "slug"),
    [
        ("meta-llama/Meta-Llama-3-8B", "wiki-text-2", 1000, "meta_llama_Meta_Llama_3_8B_wiki-text-2_n1000"),
        ("smollm2-135m", "lee", 8, "smollm2_135m_lee_n8"),
        ("/models/tiny-llama/", "texts", None, "tiny_llama_texts_nall"),
        ("./a/m-1.gguf", "texts", 3, "m_1_texts_n3"),
    ],
)
def test_slug_is_the_published_one(model: str, dataset: str, samples: int | None, slug: str) -> None:
    assert run_slug(model, dataset, samples) == slug

"""A contrast run from a file of pairs to its tables, with a tokenizer of one token a byte: pairs differ in one letter."""

from __future__ import annotations

import json
import logging
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layerscope.contrasts.blocks import N_BLOCKS, UNMATCHED, group_blocks
from layerscope.contrasts.engine.groups import ContrastPlan, contrast_group
from layerscope.contrasts.engine.local_scale import LocalScale
from layerscope.contrasts.engine.pair_batches import can_share
from layerscope.contrasts.engine.reference import Reference, measure_reference
from layerscope.contrasts.groups import PARTS, file_pairs, group_pairs, template_pairs, with_prefix
from layerscope.contrasts.prepare import ContrastRequest, prepare_contrast
from layerscope.contrasts.record import ContrastRecord, GroupRecord
from layerscope.contrasts.reference import ReferenceText, find_reference
from layerscope.contrasts.run import run_contrast
from layerscope.contrasts.tables import BLOCKS, DIFFERENCES, GROUPS, MOVEMENT, PAIRS, PREDICTIONS, REFERENCE, VALUES
from layerscope.contrasts.worker import placebo_maker
from layerscope.errors import DataError, ModelError, PairError, RunError
from layerscope.models.loading import LoadOptions
from layerscope.models.sites import SiteMap
from layerscope.pairs.checking import check_pair, check_pairs
from layerscope.pairs.format import write_pairs
from layerscope.pairs.pair import MinimalPair
from layerscope.pairs.positions import place
from layerscope.pairs.tokenizer import PairTokenizer
from layerscope.results.schema import Table
from tests.letter_pairs import PLACES, pair_of, pairs_of_places

SITES, POSITIONS = ("resid_post", "mlp_out"), ("edit", "edit+1", "edit+40", "detection", "last")
CONTROLS = ("random-word-reference-1", "random-word-reference-2", "random-word")
IN_PARTS = (GROUPS, PAIRS, DIFFERENCES, BLOCKS, PREDICTIONS, MOVEMENT)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LAYERSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "reference.txt"
    lines = [f"Line {n} tells of a {place} and what was found there." for n, place in enumerate(PLACES * 2)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def request_for(tiny_checkpoint: Path, tmp_path: Path, texts: Path):
    return requests_for(tiny_checkpoint, tmp_path, texts)


@pytest.fixture
def request_for_either(either_checkpoint: Path, tmp_path: Path, texts: Path):
    return requests_for(either_checkpoint, tmp_path, texts)


def requests_for(model: Path, tmp_path: Path, texts: Path):
    def make(pairs: list[MinimalPair] | None = None, name: str = "pairs.jsonl", **changes) -> ContrastRequest:
        path = tmp_path / name
        if pairs is not None or not path.exists():
            write_pairs(pairs_of_places() if pairs is None else pairs, path)
        options = {
            "model": str(model),
            "pairs": path,
            "sites": SITES,
            "positions": POSITIONS,
            "reference": ReferenceText(str(texts), 300),
            "batch_tokens": 1000,
            "output_dir": tmp_path / "results",
        }
        return ContrastRequest(**{**options, **changes})

    return make


def tables_of(prepared, *more: Table) -> dict[str, pd.DataFrame]:
    found = {
        table.name: pd.concat(pd.read_parquet(file) for file in sorted((prepared.directory.path / table.name).iterdir()))
        for table in (*IN_PARTS, *more)
    }
    return {**found, REFERENCE.name: prepared.directory.read_table(REFERENCE).to_pandas()}


def described(schema: pa.Schema) -> list[tuple]:
    """All that is declared; Parquet has its own name for what is in a list."""
    types = [f"list {f.type.value_type}" if pa.types.is_list(f.type) else str(f.type) for f in schema]
    columns = [(f.name, kind, f.nullable, f.metadata) for f, kind in zip(schema, types, strict=True)]
    return [*columns, (schema.metadata[b"layerscope_table"], schema.metadata[b"schema_version"])]


def test_a_run_leaves_every_table_as_declared_and_the_engines_numbers(request_for_either, either_decoder) -> None:
    prepared = prepare_contrast(request_for_either())
    said: list[tuple[str, int, int]] = []
    assert run_contrast(prepared, progress=lambda *one: said.append(one)) is True
    directory = prepared.directory
    assert directory.path.parts[-2:] == ("contrast", "tiny_llama_pairs_nall")
    names = [group.name for group in prepared.groups]
    assert names == [*CONTROLS, "identical", "unrelated", "subject", "subject-placebo", "tense", "tense-placebo"]
    for table in IN_PARTS:
        files = sorted((directory.path / table.name).iterdir())
        assert len(files) == (4 if table is BLOCKS else len(names))
        for file in files:
            assert described(pq.read_schema(file)) == described(table.schema)
    assert described(pq.read_schema(directory.path / REFERENCE.name)) == described(REFERENCE.schema)
    record = directory.record(ContrastRecord)
    assert (record.kind, record.status) == ("contrast", "finished")
    assert record.shared_prefix_runs_once is True
    assert record.reference.tokens >= 300
    assert record.groups["tense"] == GroupRecord(role="grammar", pairs=24, unusable=0)
    assert record.groups["tense-placebo"] == GroupRecord(role="placebo", pairs=None, unusable=0)
    assert record.placebos_matched_at == "resid_post/edit+1"
    # neighbours of both references, and placebos of all pairs, found and compared: what is not found counts as done
    total = prepared.n_pairs + 16 + 48 + 48
    assert ("Finding placebos: tense", total - 48, total) in said
    compared = [one for one in said if not one[0].startswith("Measuring")]
    assert {one[2] for one in compared} == {total}
    assert [one[1] for one in compared] == sorted(one[1] for one in compared)
    assert compared[-1][1] == total

    sites = SiteMap(either_decoder, SITES)
    reference = find_reference(
        sites, prepared.request.reference, fingerprint=prepared.record.model_fingerprint, batch_tokens=1000
    )
    plan = ContrastPlan(POSITIONS, reference.spread, 1000, can_share(sites))
    tables = tables_of(prepared)
    maker = placebo_maker(prepared, sites, reference, share=can_share(sites))
    scales: tuple[LocalScale, ...] = ()
    first_pairs = dict(zip(names, (0, 16, 32, 40, 41, 42, 66, 90, 114), strict=True))  # by hand: 8 + 8, 8 + 8, 8, 1, 1, 24, …
    groups = []
    for group in prepared.groups:
        if group.role == "placebo":
            continue
        matched = maker.beside(group) if group.placebos else None
        groups += [maker.with_neighbours(group)] if group.role == "reference" else [group] if matched is None else []
        groups += [] if matched is None else [matched.group, *matched.placebos]
    assert [group.name for group in groups] == names
    for index, group in enumerate(groups):
        is_reference = group.role == "reference"
        expected = contrast_group(
            sites, group.placed, blocks=group.compared_blocks, plan=plan, scales=() if is_reference else scales
        )
        sums, measures = expected.sums, expected.measures
        if sums.reference is not None:
            scales = (*scales, LocalScale.from_bins(sums.reference))
        rows = tables["differences"][tables["differences"]["group"] == group.name]
        shape = (len(SITES), len(POSITIONS), 4, 32)
        assert len(rows) == np.prod(shape), group.name
        keys = rows[["site", "position", "layer", "dim"]].iloc[[0, 1, 32, 128, 640, -1]].values.tolist()
        assert keys == [
            ["resid_post", "edit", 0, 0], ["resid_post", "edit", 0, 1], ["resid_post", "edit", 1, 0],
            ["resid_post", "edit+1", 0, 0], ["mlp_out", "edit", 0, 0], ["mlp_out", "last", 3, 31],
        ]  # fmt: skip
        spread = np.stack([reference.spread[site] for site in SITES])[:, None]
        for name, values in (
            ("mean", sums.mean), ("variance", sums.variance), ("relative", sums.relative), ("zeros", sums.zeros),
            ("q10", sums.quantiles[0]), ("q50", sums.quantiles[1]), ("q90", sums.quantiles[2]),
        ):  # fmt: skip
            np.testing.assert_allclose(rows[name].to_numpy().reshape(shape), values, rtol=1e-6, atol=1e-9)
        there = np.broadcast_to(sums.pairs[None, :, None, None] > 0, shape)
        assert not there[:, POSITIONS.index("edit+40")].any()
        z = rows["z"].to_numpy().reshape(shape)
        np.testing.assert_allclose(z[there], (sums.mean / spread)[there], rtol=1e-5)
        assert np.isnan(z[~there]).all()
        percentile = rows["percentile"].to_numpy(dtype=float).reshape(shape)
        if is_reference:
            assert np.isnan(percentile).all()
        else:
            weights = sums.block_pairs[None, :, None, :, None, None]
            total = np.nansum(sums.block_percentile * weights, axis=1) / np.maximum(sums.pairs, 1)[None, None, :, None, None]
            np.testing.assert_allclose(percentile[there], total.mean(axis=0)[there], rtol=1e-5)
            assert np.isnan(percentile[~there]).all()
        if group.role in ("placebo", "meaning", "grammar"):
            part = directory.read_part(BLOCKS, index, site="mlp_out", position="edit")
            blocks = group_blocks(part, 4)
            full = np.append(sums.block_pairs[:N_BLOCKS, 0] > 0, False)
            assert sums.block_pairs[UNMATCHED, 0] == (0 if group.has_placebo is None else (~group.has_placebo).sum())
            np.testing.assert_array_equal(blocks.pairs, sums.block_pairs[full, 0])
            np.testing.assert_allclose(blocks.percentile1, sums.block_percentile[0, full, 1, 0], rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(blocks.percentile2, sums.block_percentile[1, full, 1, 0], rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(blocks.log_size, sums.block_log_size[full, 1, 0], rtol=1e-5)
            np.testing.assert_allclose(blocks.z, (sums.block_mean[:, :, 0] / spread[None, :, 0])[full, 1], rtol=1e-3)
        # pairs
        rows = tables["pairs"][tables["pairs"]["group"] == group.name]
        n = len(group.checked)
        numbers = first_pairs[group.name] + (np.arange(n) if group.members is None else group.members)
        np.testing.assert_array_equal(rows["pair"], numbers)
        assert rows["id"].tolist() == [one.pair.id for one in group.checked]
        if group.placebo_of is None:
            assert rows["placebo_of"].isna().all()
        else:
            base = tables["pairs"].set_index("pair").loc[rows["placebo_of"]]
            assert set(base["group"]) <= {group.placebo_of}
            assert rows["sentence1"].tolist() == base["sentence1"].tolist()
            assert rows["block"].tolist() == base["block"].tolist()
            np.testing.assert_array_equal(rows["placebo_of"].to_numpy(), first_pairs[group.placebo_of] + group.members)
        np.testing.assert_allclose(rows["edit_nll1_nats"], measures.edit_nll_nats[0], rtol=1e-5)
        rest = np.nansum(measures.nll_nats, axis=2)
        np.testing.assert_allclose(rows["rest_nll2_nats"], rest[1], rtol=1e-5)
        whole = measures.edit_nll_nats + rest
        expected_side = np.where(whole[0] < whole[1], 1.0, np.where(whole[1] < whole[0], 2.0, np.nan))
        np.testing.assert_array_equal(rows["prefers"].to_numpy(dtype=float), expected_side)
        found = tables["predictions"][tables["predictions"]["pair"].isin(numbers)]
        at = (np.searchsorted(numbers, found["pair"]), found["distance"].to_numpy())
        assert len(found) == np.isfinite(measures.kl_nats).sum()
        np.testing.assert_allclose(found["kl_nats"], measures.kl_nats[at], rtol=1e-5)
        np.testing.assert_allclose(found["nll2_nats"].to_numpy(dtype=float), measures.nll_nats[1][at], rtol=1e-5)
        found = tables["movement"][tables["movement"]["pair"].isin(numbers)]
        position = found["position"].map(POSITIONS.index).astype(int).to_numpy()
        at = (np.searchsorted(numbers, found["pair"]), position, found["layer"].to_numpy())
        np.testing.assert_allclose(found["size_before"], measures.size[at], rtol=1e-5)
        np.testing.assert_allclose(found["size_after"], measures.size[:, :, 1:][at], rtol=1e-5)
        np.testing.assert_allclose(found["toward_first"].to_numpy(dtype=float), measures.toward_first[at], rtol=1e-5)
    assert not (directory.path / "values").exists(), "they are kept only where they are asked for"
    told = tables["groups"].set_index("group")
    assert told["placebo_of"].dropna().to_dict() == {f"{name}-placebo": name for name in ("subject", "tense")}
    for name in ("subject", "tense"):
        assert told.loc[name, "without_placebo"] + told.loc[f"{name}-placebo", "pairs"] == 24
    assert told.loc["random-word-reference-1", "pairs"] == 16, "and as many neighbours"
    groups = told
    later = tables["differences"][tables["differences"]["position"] != "edit"].groupby("group", observed=True)
    shares = later["zeros"].sum() / later["pairs"].sum()
    np.testing.assert_allclose(groups["zero_share"], shares[groups.index], rtol=1e-5)
    assert groups.loc["subject", ["pairs", "templates", "blocks", "unusable"]].tolist() == [24, 12, 12, 2]
    assert groups.loc["identical", "zero_share"] == 1.0
    assert groups["before_edit"].max() <= 1e-5
    matrix = either_decoder.model.get_output_embeddings().weight.detach().norm(dim=0).numpy()
    rows = tables[REFERENCE.name]
    np.testing.assert_allclose(rows["spread"].to_numpy().reshape(2, 4, 32), spread[:, 0], rtol=1e-5)
    np.testing.assert_allclose(rows["unembedding"].to_numpy().reshape(8, 32), np.tile(matrix, (8, 1)), rtol=1e-5)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_the_same(request_for, tmp_path: Path) -> None:
    whole, killed = (prepare_contrast(request_for(values=(1,), output_dir=tmp_path / name)) for name in ("whole", "killed"))
    run_contrast(whole)
    run_contrast(killed)
    path = killed.directory.path
    for table in (*IN_PARTS, VALUES):
        for index in (5, 8):
            (path / table.name / f"shard-{index:05d}.parquet").unlink()
    (path / DIFFERENCES.name / "shard-00005.parquet").write_bytes(b"cut off")  # written before the group was marked as done
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}), encoding="utf-8")
    kept = {file: file.stat().st_mtime_ns for file in (path / GROUPS.name).iterdir()}
    ran: list[str] = []
    assert run_contrast(killed, progress=lambda what, *_: ran.append(what)) is True
    again = ("random-word-reference-1", "random-word-reference-2", "subject", "tense-placebo")
    found = {f"Finding placebos: {name}" for name in ("subject", "tense")}  # the same ones: it is not known which they were
    assert set(ran) == {f"Comparing pairs: {name}" for name in again} | found
    untouched = {file.name for file, at in kept.items() if file.stat().st_mtime_ns == at}
    assert untouched == {f"shard-{n:05d}.parquet" for n in (0, 1, 2, 3, 4, 6, 7)}
    assert killed.directory.record(ContrastRecord).status == "finished"
    one, other = tables_of(whole, VALUES), tables_of(killed, VALUES)
    assert one.keys() == other.keys()
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)


@pytest.mark.parametrize("status", ["running", "finished"])
def test_a_part_that_is_not_as_it_was_written_is_made_again(request_for, status: str, caplog) -> None:
    prepared = prepare_contrast(request_for(values=(1,)))
    run_contrast(prepared)
    path = prepared.directory.path
    before = tables_of(prepared, VALUES)
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if status == "running":
        (path / "manifest.json").write_text(json.dumps({**manifest, "status": status}), encoding="utf-8")
    for table, index in ((DIFFERENCES, 4), (VALUES, 5), (BLOCKS, 6)):  # the group's last part is whole
        part = path / table.name / f"shard-{index:05d}.parquet"
        content = bytearray(part.read_bytes())
        content[len(content) // 3] ^= 4
        part.write_bytes(content)
    (path / REFERENCE.name).write_bytes(b"")
    ran: list[str] = []
    assert run_contrast(prepare_contrast(request_for(values=(1,))), progress=lambda what, *_: ran.append(what)) is True
    names = [group.name for group in prepared.groups]
    assert {one for one in ran if one.startswith("Comparing")} == {
        f"Comparing pairs: {one}" for one in (*names[:2], *names[4:7])
    }
    assert "differences/shard-00004.parquet' is not as it was written: it is made again." in caplog.text
    for name, table in tables_of(prepared, VALUES).items():
        pd.testing.assert_frame_equal(table, before[name], check_exact=True)


def test_a_finished_run_does_nothing_and_another_one_is_refused(request_for) -> None:
    assert run_contrast(prepare_contrast(request_for())) is True
    prepared = prepare_contrast(request_for())
    before = {path: path.stat().st_mtime_ns for path in prepared.directory.path.rglob("*")}
    assert run_contrast(prepared) is False
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.path.rglob("*")} == before
    with pytest.raises(RunError, match="batch_tokens was 1000, now 900"):
        run_contrast(prepare_contrast(request_for(batch_tokens=900)))
    assert run_contrast(prepare_contrast(request_for(batch_tokens=900)), force=True) is True


def test_a_file_whose_pairs_lie_in_other_templates_is_another_run(request_for) -> None:
    """Templates decide the blocks, and so the intervals."""
    assert run_contrast(prepare_contrast(request_for()))
    moved = [pair_of(p.sentence1, p.sentence2, p.type, p.subtype, p.template.lower() + "x" * (n % 3), p.right)
             for n, p in enumerate(pairs_of_places())]  # fmt: skip
    with pytest.raises(RunError, match="pairs_sha256 was "):
        run_contrast(prepare_contrast(request_for(moved)))


def test_values_of_pairs_are_the_differences_whose_mean_is_in_the_table(request_for) -> None:
    prepared = prepare_contrast(request_for(values=(0, 2)))
    run_contrast(prepared)
    tables = tables_of(prepared, VALUES)
    values, group_of = tables["values"], tables["pairs"].set_index("pair")["group"]
    assert set(values["layer"]) == {0, 2}
    values["group"] = group_of.loc[values["pair"]].to_numpy()
    keys = ["group", "site", "position", "layer"]
    means = values.groupby(keys, observed=True)["difference"].agg(lambda rows: np.stack(rows.to_list()).mean(axis=0))
    differences = tables["differences"]
    wanted = differences[differences["layer"].isin([0, 2]) & (differences["pairs"] > 0)].groupby(keys, observed=True)
    assert len(means) == wanted.ngroups
    for key, rows in wanted:
        np.testing.assert_allclose(means[key], rows.sort_values("dim")["mean"], rtol=1e-5, atol=1e-8)
        assert (values[keys].apply(tuple, axis=1) == key).sum() == rows["pairs"].iloc[0]


def same(one: Reference, other: Reference) -> bool:
    return (one.n_tokens, one.n_sinks) == (other.n_tokens, other.n_sinks) and all(
        np.array_equal(getattr(one, part)[site], getattr(other, part)[site])
        for part in ("mean", "spread", "size", "bank")
        for site in one.mean
    )


def test_the_reference_is_kept_and_not_measured_again(
    tiny_decoder, texts: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    monkeypatch.setattr(
        "layerscope.contrasts.reference.measure_reference", lambda *a, **b: measured.append(1) or measure_reference(*a, **b)
    )
    sites, text = SiteMap(tiny_decoder, SITES), ReferenceText(str(texts), 300)
    first = find_reference(sites, text, fingerprint="f", batch_tokens=200)
    assert list(first.mean) == list(SITES)
    assert first.n_tokens >= 300
    (kept,) = (cache / "reference").iterdir()
    assert same(find_reference(sites, text, fingerprint="f", batch_tokens=200), first)
    assert len(measured) == 1
    # whatever decides its numbers makes it another one
    find_reference(sites, text, fingerprint="other weights", batch_tokens=200)
    find_reference(sites, ReferenceText(str(texts), 200), fingerprint="f", batch_tokens=200)
    find_reference(SiteMap(tiny_decoder, SITES[:1]), text, fingerprint="f", batch_tokens=200)
    assert len(measured) == 4
    other_batches = find_reference(sites, text, fingerprint="f", batch_tokens=60)
    assert len(measured) == 5
    assert not same(other_batches, first), "other texts come first"
    content = bytearray(kept.read_bytes())
    content[-3] ^= 64
    for number, damage in enumerate((b"damaged", bytes(content)), start=6):
        kept.write_bytes(damage)
        assert same(find_reference(sites, text, fingerprint="f", batch_tokens=200), first)
        assert len(measured) == number
    texts.write_text(texts.read_text(encoding="utf-8").replace("Line", "Lane"), encoding="utf-8")
    find_reference(sites, text, fingerprint="f", batch_tokens=200)
    assert len(measured) == 8


def test_a_cache_that_cannot_be_written_costs_a_warning(
    tiny_decoder, texts: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file where the folder should be", encoding="utf-8")
    found = find_reference(SiteMap(tiny_decoder, SITES), ReferenceText(str(texts), 300), fingerprint="f", batch_tokens=200)
    assert found.n_tokens >= 300
    assert "The reference spread is not kept: " in caplog.text


def test_a_reference_without_a_token_to_measure_is_refused(request_for, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a\nb\nc\n", encoding="utf-8")
    prepared = prepare_contrast(request_for(reference=ReferenceText(str(tmp_path / "short.txt"), 100)))
    with pytest.raises(
        DataError, match=r"not the first of their text; '.*short.txt' has none: name another --reference-dataset\."
    ):
        run_contrast(prepared)
    assert not (tmp_path / "results").exists()


def test_half_precision_warns_of_differences_that_vanish(
    request_for, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerscope.contrasts.run.ZEROS_TOLD", 0.004)  # random weights make few zeros
    quiet = prepare_contrast(request_for())
    run_contrast(quiet)
    assert "exactly 0" not in caplog.text
    prepared = prepare_contrast(
        request_for(options=LoadOptions(dtype="bfloat16"), output_dir=quiet.directory.path.parent / "h")
    )
    with caplog.at_level(logging.WARNING):
        run_contrast(prepared)
    groups = tables_of(prepared)["groups"]
    groups = groups[groups["role"] != "bound"]
    share = 100 * (groups["zero_share"] * groups["pairs"]).sum() / groups["pairs"].sum()
    assert share > 0.4
    assert f"In bfloat16 {share:.1f}% of the differences after the edit are exactly 0" in caplog.text
    assert "take --dtype float32." in caplog.text


@pytest.mark.slow
def test_a_streamed_run_has_the_same_tables(request_for, tmp_path: Path) -> None:
    resident = prepare_contrast(request_for(sites=("read", "update")))
    run_contrast(resident)
    streamed = prepare_contrast(request_for(sites=("read", "update"), stream=True, output_dir=tmp_path / "streamed"))
    run_contrast(streamed)
    one, other = tables_of(resident), tables_of(streamed)
    pd.testing.assert_frame_equal(one["differences"], other["differences"], rtol=1e-5)


# groups

BYTES = PairTokenizer(lambda sentences: [list(sentence.encode()) for sentence in sentences])
WITH_BOS = PairTokenizer(BYTES.encode, (256,), {ord(".")}.__contains__)


def grouped(pairs: list[MinimalPair], tokenizer: PairTokenizer = BYTES, *, aligned: bool = False) -> dict:
    return {group.name: group for group in group_pairs(check_pairs(pairs, tokenizer), tokenizer, aligned=aligned)}


def test_three_parts_of_one_size_share_no_template() -> None:
    groups = grouped(pairs_of_places())
    parts = [groups[name] for name in CONTROLS]
    assert [len(part.checked) for part in parts] == [8, 8, 8]
    templates = [{one.pair.template for one in part.checked} for part in parts]
    assert [len(one) for one in templates] == [4, 4, 4]
    assert len(set().union(*templates)) == 12
    assert [part.role for part in parts] == ["reference", "reference", "control"]


def test_each_type_has_empty_groups_for_its_placebos_beside_it() -> None:
    pairs = list(check_pairs(pairs_of_places(), BYTES))
    groups = group_pairs(pairs, BYTES, aligned=True, n_placebos=2)
    names = [group.name for group in groups]
    assert names[5:] == ["subject", "subject-placebo", "subject-placebo-2", "subject-aligned",
                         "tense", "tense-placebo", "tense-placebo-2"]  # fmt: skip
    by_name = {group.name: group for group in groups}
    assert [one.name for one in by_name["subject"].placebos] == ["subject-placebo", "subject-placebo-2"]
    assert by_name["subject-aligned"].placebos == (), "of unequal length: there is no one token to put another for"
    assert all(by_name[name].placebos == () for name in CONTROLS)
    assert by_name["tense-placebo-2"].placebo_of == "tense"
    assert by_name["tense-placebo-2"].checked == ()


def test_a_subtype_cannot_have_the_name_of_another_ones_placebos() -> None:
    pairs = [*pairs_of_places(), pair_of("The cat sat on.", "The bat sat on.", "meaning", "subject-placebo", "x")]
    with pytest.raises(PairError, match=r"'subject-placebo' is the name of the placebos of 'subject': give the pairs' subtype"):
        grouped(pairs)


def test_controls_of_few_templates_are_dealt_out() -> None:
    pairs = [pair_of(p.sentence1, p.sentence2, p.type, p.subtype, "one", p.right) for p in pairs_of_places()]
    assert [len(grouped(pairs)[name].checked) for name in CONTROLS] == [8, 8, 8]


def test_each_reference_has_pairs_of_every_paradigm() -> None:
    """A paradigm of BLiMP is one template: whole in one part, a part could lack a position that others have."""
    pairs = [pair_of(p.sentence1, p.sentence2, p.type, p.subtype, f"{p.subtype}-{n % 4}", p.right)
             for n, p in enumerate(pairs_of_places())]  # fmt: skip
    groups = grouped(pairs)
    templates = [{one.pair.template for one in groups[name].checked} for name in CONTROLS]
    assert len(set().union(*templates)) > 1
    assert templates[0] == templates[1] == templates[2]


def test_blocks_are_templates_or_pairs_where_templates_are_few() -> None:
    groups = grouped(pairs_of_places())
    subject = groups["subject"]
    assert (subject.blocks_of, subject.n_blocks, subject.n_templates) == ("template", 12, 12)
    for template in {one.pair.template for one in subject.checked}:
        assert (
            len({int(b) for b, one in zip(subject.blocks, subject.checked, strict=True) if one.pair.template == template}) == 1
        )
    assert not subject.allows_inference, "24 pairs"
    few = [pair_of(p.sentence1, p.sentence2, p.type, p.subtype, f"t{n % 3}", p.right) for n, p in enumerate(pairs_of_places())]
    subject = grouped(few)["subject"]
    assert (subject.blocks_of, subject.n_templates, subject.n_blocks) == ("pair", 2, 20)
    assert subject.blocks.max() == 19
    assert grouped(pairs_of_places())["identical"].blocks_of == "template", "one pair is one block"
    doubled = [
        pair_of(f"{word} {p.sentence1}", f"{word} {p.sentence2}", p.type, p.subtype, p.template, p.right)
        for word in ("So", "Oh")
        for p in pairs_of_places()
    ]
    assert grouped(doubled)["subject"].allows_inference, "48 pairs in 12 blocks"


def test_pairs_of_unequal_length_are_groups_of_their_own() -> None:
    pairs = [*pairs_of_places(), pair_of("The cat ran on.", "The lion ran on.", "meaning", "subject", "x")]
    assert "subject-aligned" not in grouped(pairs)
    assert grouped(pairs)["subject"].n_unusable == 3
    groups = grouped(pairs, aligned=True)
    aligned = groups["subject-aligned"]
    assert [one.pair.sentence2 for one in aligned.checked] == ["The horse sat here.", "The lion ran on."]
    assert aligned.role == "meaning"
    assert groups["subject"].n_unusable == 1, "two letters differ"
    for placed in aligned.placed:
        first, second = placed.at("edit+1")
        assert placed.ids[0][first] == placed.ids[1][second] == ord(" ")


def test_an_aligned_run_has_numbers_of_its_own(request_for) -> None:
    prepared = prepare_contrast(request_for(aligned=True))
    run_contrast(prepared)
    groups = tables_of(prepared)["groups"].set_index("group")
    assert groups.loc["subject-aligned", "pairs"] == 1
    assert groups["before_edit"].max() <= 1e-5
    rows = tables_of(prepared)["differences"].query("group == 'subject-aligned' and position == 'last'")
    assert (rows["mean"] > 0).any()
    assert np.isfinite(rows["percentile"]).all()


def test_a_first_token_can_differ_after_a_bos_or_a_prefix_only() -> None:
    pairs = [*pairs_of_places(), pair_of("Cat sat here.", "Bat sat here.", "meaning", "object", "x")]
    assert "object" not in grouped(pairs)
    assert grouped(pairs, WITH_BOS)["object"].placed[0].at("edit") == (1, 1)
    assert grouped([with_prefix(pair, "Look:") for pair in pairs])["object"].placed[0].at("edit") == (6, 6)


def test_a_prefix_moves_the_edit_with_the_sentence(request_for, tmp_path: Path) -> None:
    pair = pairs_of_places()[0]
    moved = with_prefix(pair, "Look here: ")
    assert moved.sentence1 == "Look here: " + pair.sentence1
    assert moved.sentence2[slice(*moved.edit2)] == pair.sentence2[slice(*pair.edit2)] == "rat"
    assert with_prefix(pair, "") is pair
    prepared = prepare_contrast(request_for(prefix="Look:", output_dir=tmp_path / "p"))
    assert all(one.pair.sentence1.startswith("Look: ") for group in prepared.groups for one in group.checked)
    without = prepare_contrast(request_for())
    edits = [[placed.n_before for placed in run.groups[-2].placed] for run in (prepared, without)]
    assert edits[0] == [edit + len("Look: ") for edit in edits[1]]
    assert prepared.record.pairs_sha256 != without.record.pairs_sha256


def test_an_edit_in_the_first_word_has_a_context_with_a_bos_only(request_for_either, either_decoder) -> None:
    first_words = [pair_of(f"{one} sat by the {place}.", f"{other} sat by the {place}.", "meaning", "subject", place)
                   for place in PLACES for one, other in (("Cats", "Bats"), ("Mats", "Hats"))]  # fmt: skip
    pairs = [*pairs_of_places(), *first_words]
    (subject,) = [group for group in prepare_contrast(request_for_either(pairs)).groups if group.name == "subject"]
    n_prefix = len(either_decoder.encoder.prefix_ids)
    at_start = [placed for placed in subject.placed if placed.n_before == n_prefix]
    assert len(at_start) == len(first_words) * n_prefix
    assert len(subject.placed) == 24 + len(at_start)


def test_punctuation_at_the_end_is_left_out(request_for) -> None:
    prepared = prepare_contrast(request_for())
    for group in prepared.groups:
        for one, placed in zip(group.checked, group.placed, strict=True):
            if group.name != "unrelated":
                assert placed.last[0] == len(one.ids1) - 2, "the full stop"


def test_controls_are_made_where_a_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    pairs = pairs_of_places(controls=False)
    write_pairs(pairs, path)
    found = list(file_pairs(path, BYTES, prefix="", seed=1))
    made = [one for one in found if one.pair.subtype == "random-word"]
    assert [one.pair for one in found[: len(pairs)]] == pairs
    assert 3 <= len(made) <= 3 * 24
    sentences = {sentence for pair in pairs for sentence in (pair.sentence1, pair.sentence2)}
    for one in made:
        assert (one.pair.type, one.verdict) == ("control", "usable")
        assert one.pair.sentence1 in sentences, "the right side of a pair"
        assert one.pair.sentence2 not in sentences
        assert sum(a != b for a, b in zip(one.pair.sentence1, one.pair.sentence2, strict=True)) == 1
    assert [one.pair for one in file_pairs(path, BYTES, prefix="", seed=1)] == [one.pair for one in found]
    assert [one.pair for one in file_pairs(path, BYTES, prefix="", seed=2)] != [one.pair for one in found]
    groups = group_pairs(found, BYTES, aligned=False)
    assert set(CONTROLS) < {group.name for group in groups}
    write_pairs(pairs_of_places(), path)
    assert len(list(file_pairs(path, BYTES, prefix="", seed=1))) == len(pairs_of_places()), (
        "a file with controls is taken as it is"
    )


def words(sentences: list[str]) -> list[list[int]]:
    """A token a word."""
    return [[zlib.crc32(word.encode()) for word in sentence.split()] for sentence in sentences]


def test_templates_give_as_many_usable_pairs_as_are_wanted_and_controls_in_proportion() -> None:
    tokenizer = PairTokenizer(words, (1,))
    pairs = list(template_pairs(tokenizer, 8, subtypes=("tense", "subject"), seed=3))
    counts = pd.Series([one.pair.subtype for one in pairs]).value_counts().to_dict()
    assert counts == {"tense": 8, "subject": 8, "random-word": 3 * 8, "identical": 2, "unrelated": 2}
    assert all(one.is_usable for one in pairs)
    assert [one.pair for one in template_pairs(tokenizer, 8, subtypes=("tense", "subject"), seed=3)] == [p.pair for p in pairs]
    roles = [group.role for group in group_pairs(pairs, tokenizer, aligned=False)]
    assert roles == [
        "reference", "reference", "control", "bound", "bound", "meaning", "placebo", "grammar", "placebo",
    ]  # fmt: skip


def test_a_subtype_of_two_types_is_refused() -> None:
    """Tables tell groups apart by name."""
    pairs = [*pairs_of_places(), pair_of("The cat sat on.", "The bat sat on.", "grammar", "subject", "x", 1)]
    with pytest.raises(PairError, match=r"one type; 'subject' is both meaning and grammar: rename one of them\."):
        grouped(pairs)


# what is refused


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sites": ("resid_pst",)}, ModelError, r"A site is resid_post, .*; got 'resid_pst'\. Did you mean resid_post"),
        ({"sites": ()}, ModelError, "At least one site is needed"),
        ({"positions": ("edit", "middle")}, PairError, r"A position is edit, edit\+1 to edit\+99, .*; got 'middle'\."),
        ({"values": (4,)}, DataError, r"--values names layers 0 to 3 of this model; got 4\."),
        ({"values": (0, -1)}, DataError, r"--values names layers 0 to 3 of this model; got -1\."),
        ({"per_subtype": 0}, PairError, r"--per-subtype is 1 or more; got 0\."),
        ({"placebos": 0}, PairError, r"--placebos is from 1 to 2; got 0\."),
        ({"placebos": 3}, PairError, r"--placebos is from 1 to 2; got 3\."),
        ({"seed": -1}, PairError, r"--seed is 0 or more; got -1\."),
        ({"batch_tokens": 0}, DataError, r"--batch-tokens is 1 or more; got 0\."),
        ({"subtypes": ("tense",)}, PairError, r"--subtypes chooses among template pairs; a file is taken whole: leave one"),
        ({"pairs": None, "prefix": "Oh,"}, PairError, r"--prefix goes before the sentences of a file; .*: leave it out\."),
        ({"pairs": None, "subtypes": ("tence",)}, PairError, r"Templates make .*; got 'tence'\. Did you mean tense"),
        (
            {"pairs": Path("nowhere.jsonl")},
            PairError,
            r"Pairs are read from a JSON Lines file; there is none at 'nowhere.jsonl'",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(request_for, tmp_path: Path, changes, error, message: str) -> None:
    options = dict(changes)
    made = request_for()
    with pytest.raises(error, match=message) as caught:
        prepare_contrast(ContrastRequest(**{**vars(made), **options}))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_few_reference_tokens_are_refused() -> None:
    with pytest.raises(DataError, match=r"--reference-tokens is 100 or more \(10,000 for results\); got 99\."):
        ReferenceText("lee", 99)


def test_no_usable_pair_is_refused_with_the_reasons(request_for) -> None:
    pairs = [
        pair_of("The cat sat.", "The horse sat.", "meaning", "subject", "a"),
        pair_of("The cat sat.", "The lions sat.", "meaning", "subject", "b"),
        pair_of("Cat sat.", "Bat sat.", "meaning", "subject", "c"),
    ]
    message = (
        r"No pair can be compared under this tokenizer \(lengths differ: 2, first token: 1\): .* Take --prefix .* --aligned"
    )
    with pytest.raises(PairError, match=message):
        prepare_contrast(request_for(pairs))
    controls = [pair for pair in pairs_of_places() if pair.type == "control"]
    with pytest.raises(PairError, match="No pair can be compared"):
        prepare_contrast(request_for(controls))


def test_too_few_controls_are_refused() -> None:
    pairs = pairs_of_places(controls=False)
    pairs += [pair for pair in pairs_of_places() if pair.subtype == "random-word"][:2]
    with pytest.raises(PairError, match=r"no three of them .*'layerscope pairs make --subtypes random-word'\."):
        grouped(pairs)
    assert len(grouped([*pairs, [p for p in pairs_of_places() if p.subtype == "random-word"][5]])) == 3 + 2 * 2


def test_a_sentence_longer_than_the_context_is_refused(request_for) -> None:
    long = "The cat sat " + "and sat " * 80
    pairs = [*pairs_of_places(), pair_of(long, long.replace("cat", "bat"), "meaning", "subject", "long")]
    with pytest.raises(PairError, match=r"context of 512 tokens; 'The cat sat .*…' has 652: leave that pair out\."):
        prepare_contrast(request_for(pairs))


def test_a_file_that_holds_no_pairs(request_for, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"sentence1": "a"}\n', encoding="utf-8")
    with pytest.raises(PairError, match=r"Line 1 of '.*bad.jsonl' is not a pair: .*: import other files"):
        prepare_contrast(request_for(name="bad.jsonl"))


def test_check_pair_is_what_the_groups_are_made_of() -> None:
    one = check_pair(pairs_of_places()[0], *BYTES.encode(["ab c", "ab d"]))
    assert one.is_usable
    assert place(one, BYTES).last == (3, 3), "without a list of marks nothing is punctuation"


def test_a_file_of_first_words_has_controls_under_a_bos(tmp_path: Path) -> None:
    """Pairs and the controls made of them are accepted by one rule."""
    with_bos, without = PairTokenizer(words, (1,)), PairTokenizer(words)
    first = [
        pair_of(f"{one}at sat by the {place}.", f"{other}at sat by the {place}.", "meaning", "subject", f"s-{place}")
        for place in PLACES
        for one, other in ("CR", "BH")
    ]
    write_pairs(first, tmp_path / "pairs.jsonl")
    found = list(file_pairs(tmp_path / "pairs.jsonl", with_bos, prefix="", seed=1))
    controls = [one for one in found if one.pair.subtype == "random-word"]
    assert len(found) - len(controls) == len(first)
    assert len(controls) == len(PARTS) * len(first)
    groups = {group.name: group for group in group_pairs(found, with_bos, aligned=False)}
    assert len(groups["subject"].checked) == len(first)
    with pytest.raises(PairError, match=r"No pair can be compared under this tokenizer \(first token: 24\)"):
        group_pairs(file_pairs(tmp_path / "pairs.jsonl", without, prefix="", seed=1), without, aligned=False)

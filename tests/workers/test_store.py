"""Stores by their address: a folder, and S3's protocol; what is refused, and that no secret is repeated."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from layerscope.errors import DataError, RunError, StoreError
from layerscope.workers import store as store_module
from layerscope.workers.part import Part
from layerscope.workers.part_files import PartFiles, n_done, parts_in
from layerscope.workers.store import Store
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        return Store.open(f"file://{tmp_path}/store")
    return Store.open(request.getfixturevalue("server").bucket("of-files"))


def test_files_come_back_as_they_went(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000  # more than one piece
    file = tmp_path / "large"
    file.write_bytes(content)
    folder = store.within("removal+exchange", "a model_n10", "1-of-2")
    assert folder.read("scores/shard-00000.parquet") is None
    assert folder.send("scores/shard-00000.parquet", file) == hashlib.sha256(content).hexdigest()
    folder.put("note.json", b"{}")
    folder.put("note.json", b"{1}")
    again = Store.open(store.address).within("removal+exchange").within("a model_n10").within("1-of-2")
    assert b"".join(again.chunks("scores/shard-00000.parquet")) == content
    assert again.read("note.json") == b"{1}"
    assert Store.open(again.address).read("note.json") == b"{1}", "an address that is printed leads there"
    assert Store.open(again.address).names[-3:] == ("removal+exchange", "a model_n10", "1-of-2")
    assert store.within("removal+exchange", "a model_n10").folders() == ["1-of-2"]
    assert store.within("nothing").folders() == []


def test_folders_that_are_no_parts_and_claims_that_are_no_files_are_passed_over(store: Store, tmp_path: Path) -> None:
    run = store.within("run")
    digest = hashlib.sha256(b"x").hexdigest()
    for name in ("1-of-2", "3-of-2", "0-of-2", "1-of-2x", "01-of-2", "parts"):
        run.put(f"{name}/x", b"x")
    run.put(
        "1-of-2/SHA256SUMS",
        f"{digest}  scores/shard-00000.parquet\n{digest}  scores/shard-00000.parquet\n{digest}  ../scores/shard-00001.parquet\n"
        f"{digest}  scores/shard-00001.parquet/\nnonsense\n{digest}  spans/shard-00001.parquet\n{digest[:-1]}  x\n".encode(),
    )
    found = parts_in(run)
    assert [files.part for files in found] == [Part(1, 2)]
    assert n_done(found, ("scores", "pair_scores")) == 1
    assert n_done([*found, *found], ("scores", "spans")) == 2, "each batch once"
    assert not found[0].is_intact("scores/shard-00000.parquet"), "it is not there"
    assert found[0].note() is None


def test_a_part_that_writes_more_digests_than_fit_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_MOST_NOTES", 100)
    store.put("1-of-1/SHA256SUMS", b"a" * 101)
    with pytest.raises(RunError, match=r"1-of-1/SHA256SUMS' has more than 100 bytes, .+: delete it"):
        _ = PartFiles(store, Part(1, 1)).names


@pytest.mark.parametrize(
    "address",
    [
        "s3://key:hidden@bucket/runs",
        "s3://hidden@bucket/runs",
        "s3://key:hid/den@bucket/runs",
        "s3://key:hidden",
        "s3://bucket/runs@hidden",
        "s3://bucket/runs?endpoint_override=http://key:hidden@localhost",
        "s3://bucket/runs?endpoint_override=http%3A%2F%2Fkey%3Ahidden%40localhost",
        "s3://key%3Ahidden%40bucket/runs",
        "key:hidden@bucket",
        "gs://hidden@bucket",
        "abfs://container:hidden@account.dfs.core.windows.net/x",
        "http://key:hidden@host/x",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(DataError, match="holds no key and no password, .+ give credentials in the environment") as refused:
        Store.open(address)
    assert "hidden" not in str(refused.value)
    assert "hid/" not in str(refused.value)


@pytest.mark.parametrize("name", ["access_key", "secret_key", "client_secret", "sas_token", "allow_bucket_creation"])
def test_settings_of_an_address_are_those_that_hold_no_secret(name: str) -> None:
    with pytest.raises(DataError, match=rf"may say endpoint_override, .+ got '{name}': leave it out") as refused:
        Store.open(f"s3://bucket/runs?{name}=hidden")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["", "runs", "/runs", "s3:/b/x", "s3:///x", "s3://", "S4://b/x", "http://b/x", "hdfs://h/x", "file://", "file:///",
     "file://host/x", "file:///a/../b", "s3://b/./x", "s3://b/x#y", "s3://b/x\n", "s3://[b/x", "mock://x"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_the_schemes_there_are(address: str) -> None:
    with pytest.raises(DataError, match=r"A store's address is s3://…, gs://…, abfs://…, abfss://… or file:///…"):
        Store.open(address)


def test_the_environment_may_name_the_server(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.bucket("of-environment")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    store = Store.open("s3://of-environment/runs")
    store.put("a/x", b"1")
    assert store.folders() == ["a"]


class _Denies(BaseHTTPRequestHandler):
    """What S3 says to a stranger."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")

    def log_message(self, *_: object) -> None:
        pass


def test_missing_credentials_are_told_of(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with HTTPServer(("127.0.0.1", 0), _Denies) as denying:
        threading.Thread(target=denying.serve_forever, daemon=True).start()
        address = f"s3://bucket/runs?scheme=http&endpoint_override=127.0.0.1:{denying.server_port}"
        with pytest.raises(
            StoreError, match=r"'s3://bucket/runs' cannot be read \(AWS Error ACCESS_DENIED .+: give this machine"
        ):
            Store.open(address).folders()
        denying.shutdown()


def test_a_store_that_is_away_for_a_moment_is_sent_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(f"file://{tmp_path}/store")
    (tmp_path / "store").write_text("no folder")  # stands in the way
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            (tmp_path / "store").unlink()

    monkeypatch.setattr(store_module.time, "sleep", sleep)
    store.put("x", b"1")
    assert (waited, store.read("x")) == ([5.0, 25.0], b"1")
    assert "cannot be sent" in caplog.text
    (tmp_path / "store" / "y").mkdir()
    with pytest.raises(StoreError, match="y' cannot be sent"):
        store.put("y", b"2")
    assert len(waited) == 4
    with pytest.raises(StoreError, match="z' cannot be sent .+No such file"):
        store.send("z", tmp_path / "none")

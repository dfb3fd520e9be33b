"""Parts of a sweep that meet in an object store only: each in a folder of its own machine, which may be lost.

Most run on a folder as the store; what depends on the protocol runs against a server of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector

from layerscope.errors import RunError, StoreError
from layerscope.models.loading import LoadOptions
from layerscope.pairs.format import write_pairs
from layerscope.results.digests import SUMS, parse_sums
from layerscope.sweeps.parts import gather_stored_sweep, run_sweep_part
from layerscope.sweeps.prepare import PreparedSweep, SweepRequest, prepare_sweep
from layerscope.sweeps.record import SweepRecord
from layerscope.sweeps.run import run_sweep
from layerscope.sweeps.stored import folder_of
from layerscope.workers import store as store_module
from layerscope.workers.part import Part
from layerscope.workers.status import read_stored_status
from layerscope.workers.store import Store
from tests.letter_pairs import pairs_of_names
from tests.s3_server import S3Server, s3_server
from tests.swept_files import contents, write_texts

TEXTS = [f"Number {n} of the dogs saw {n + 3} old cats near the river." + " And more." * (n % 5) for n in range(16)]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server: S3Server, request: pytest.FixtureRequest) -> Store:
    return Store.open(server.bucket(f"b{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"))


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    return Store.open(f"file://{tmp_path}/store")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("given") / "texts.jsonl", TEXTS)


@pytest.fixture
def prepare(tiny_checkpoint: Path, texts: Path, tmp_path: Path) -> Callable[..., PreparedSweep]:
    """A sweep as one machine settles it."""

    def prepare(machine: str, **changes) -> PreparedSweep:
        given = {"output_dir": tmp_path / machine, "batch_tokens": 200, "experiments": ("removal",)}
        return prepare_sweep(SweepRequest(str(tiny_checkpoint), str(texts), **{**given, **changes}))

    return prepare


@pytest.fixture(scope="module")
def whole(tiny_checkpoint: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    request = SweepRequest(str(tiny_checkpoint), str(texts), output_dir=folder, batch_tokens=200, experiments=("removal",))
    prepared = prepare_sweep(request)
    run_sweep(prepared)
    return contents(prepared.directory.path)


def do(prepare, part: str, store: Store, **changes) -> int:
    """A part, on a machine of its own."""
    prepared = prepare(f"machine-{part.replace('/', '-')}", **changes)
    return run_sweep_part(prepared, Part.parse(part), store=store)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def check_claims(run: Store) -> int:
    """Every file that is claimed in a store is there as claimed; how many there are."""
    n_files = 0
    for name in run.folders():
        for file, (digest,) in parse_sums((run.within(name).read(SUMS) or b"").decode()).items():
            assert hashlib.sha256(b"".join(run.within(name).chunks(file))).hexdigest() == digest
            n_files += 1
    return n_files


@pytest.mark.parametrize(("kind", "n_parts"), [("s3", 2), ("folder", 5)])
def test_the_same_files_as_one_process_gives(
    prepare, whole, kind: str, n_parts: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = request.getfixturevalue(kind)
    order = random.Random(n_parts).sample(range(1, n_parts + 1), n_parts)
    done = [do(prepare, f"{number}/{n_parts}", store) for number in order]
    run = folder_of(prepare("machine-1-1"), store)
    assert check_claims(run) == 2 * sum(done) + 2 * n_parts
    gathered = gather_stored_sweep(Store.open(run.address), tmp_path / "gathered")
    assert gathered.directory.path == tmp_path / "gathered" / "removal" / run.names[-1]
    assert contents(gathered.directory.path) == whole
    record = gathered.directory.record(SweepRecord)
    assert record is not None
    assert record.status == "finished"
    assert [(one.name, one.status) for one in record.workers] == [
        (f"{n}-of-{n_parts}", "finished") for n in range(1, n_parts + 1)
    ]
    assert sum(one.shards for one in record.workers) == sum(done) == len(gathered.shards) > 5
    for file in gathered.directory.path.rglob("*.json"):
        assert str(store.root) not in file.read_text(encoding="utf-8"), "where a run was stored is nothing of the run"
    with pytest.raises(RunError, match="is finished; there is nothing to gather"):
        gather_stored_sweep(run, tmp_path / "gathered")
    assert contents(gathered.directory.path) == whole


def test_parts_of_one_machine_that_began_without_a_store(prepare, whole, folder: Store, tmp_path: Path) -> None:
    """What is here is sent, and a machine that has some of the parts gathers into the directory that it has."""
    prepared = prepare("machine")
    n_first = run_sweep_part(prepared, Part(1, 3))
    assert run_sweep_part(prepare("machine"), Part(1, 3), store=folder) == 0
    run = folder_of(prepared, folder)
    assert (run.folders(), check_claims(run)) == (["1-of-3"], 2 * n_first + 2)
    assert run_sweep_part(prepare("machine"), Part(3, 3), store=folder) > 0
    do(prepare, "2/3", folder)
    shutil.rmtree(Path(run.root) / "1-of-3" / "spans")  # not needed: they are here
    gathered = gather_stored_sweep(run, tmp_path / "machine")
    assert gathered.directory.path == prepared.directory.path
    assert contents(gathered.directory.path) == whole
    assert run_sweep_part(prepare("machine"), Part(1, 3), store=folder) == 0, "finished"


@pytest.mark.slow
def test_pairs_too(prepare, folder: Store, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    write_pairs([one for one in pairs_of_names() if one.right is not None][:40], file)
    one = prepare("whole", pairs=file)
    run_sweep(one)
    for part in ("2/2", "1/2"):
        do(prepare, part, folder, pairs=file)
    gathered = gather_stored_sweep(folder_of(one, folder), tmp_path / "gathered")
    assert contents(gathered.directory.path) == contents(one.directory.path)


def interrupted_after(n_batches: int) -> Callable[[str, int, int], None]:
    """Progress that ends the process, as a signal would, while it does the batch after some."""
    seen: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        seen.append(done)
        if done > total * (n_batches + 0.5) / 5:
            raise KeyboardInterrupt

    return progress


def test_a_part_goes_on_on_a_machine_that_has_nothing(prepare, whole, s3: Store, tmp_path: Path) -> None:
    first = prepare("machine")
    with pytest.raises(KeyboardInterrupt):
        run_sweep_part(first, Part(1, 2), store=s3, progress=interrupted_after(2))
    run = folder_of(first, s3)
    n_sent = (check_claims(run) - 2) // 2
    assert 0 < n_sent == len(list((first.directory.path / "scores").glob("*.parquet")))
    status = read_stored_status(run)
    assert (status.state, status.done, status.total) == ("not complete", n_sent, len(first.shards))
    assert [(one.name, one.status) for one in status.workers] == [("1-of-2", "failed")]
    shutil.rmtree(tmp_path / "machine")
    n_mine = run_sweep_part(prepare("machine"), Part(1, 2), store=s3) + n_sent
    assert n_mine + do(prepare, "2/2", s3) == len(first.shards), "none was computed twice"
    assert read_stored_status(run).state == "complete"
    gathered = gather_stored_sweep(run, tmp_path / "gathered")
    assert contents(gathered.directory.path) == whole
    record = gathered.directory.record(SweepRecord)
    assert record is not None
    assert [one.shards for one in record.workers] == [n_mine, len(first.shards) - n_mine]
    shutil.rmtree(tmp_path / "machine")
    assert run_sweep_part(prepare("machine"), Part(1, 2), store=s3) == 0, "what is done ends at once"


def test_no_claim_comes_before_its_file(prepare, whole, folder: Store, tmp_path: Path, monkeypatch) -> None:
    """Wherever sending breaks off, what is claimed is there, and the same command sends the rest."""
    send, n_calls = Store.send, 0

    def breaks(self: Store, name: str, file: Path) -> str:
        nonlocal n_calls
        n_calls += 1
        if n_calls % 5 == 0:
            raise StoreError("The store is away.")
        return send(self, name, file)

    monkeypatch.setattr(Store, "send", breaks)
    prepared = prepare("machine")
    n_done, n_broken = 0, 0
    while True:
        before = len(list(prepared.directory.path.glob("scores/*.parquet")))
        try:
            n_done += run_sweep_part(prepare("machine"), Part(1, 1), store=folder)
            break
        except StoreError:
            n_broken += 1
            n_done += len(list(prepared.directory.path.glob("scores/*.parquet"))) - before
            check_claims(folder_of(prepared, folder))
    assert n_broken > 1
    assert n_done == len(prepared.shards), "none was computed twice"
    gathered = gather_stored_sweep(folder_of(prepared, folder), tmp_path / "gathered")
    assert contents(gathered.directory.path) == whole
    record = gathered.directory.record(SweepRecord)
    assert record is not None
    assert [(one.name, one.status, one.reason) for one in record.workers] == [("1-of-1", "finished", None)]


def test_a_store_that_goes_away_ends_the_part_with_a_sentence(
    prepare, whole, folder: Store, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(store_module, "_PAUSES", ())
    prepared = prepare("machine")
    interrupt = interrupted_after(2)

    def progress(what: str, done: int, total: int) -> None:
        try:
            interrupt(what, done, total)
        except KeyboardInterrupt:
            if (tmp_path / "store").is_dir():
                (tmp_path / "store").rename(tmp_path / "away")
                (tmp_path / "store").write_text("no folder")

    with pytest.raises(
        StoreError, match=r"'file://\S+/1-of-1/\S+' cannot be sent \(.+the same command, given again, goes on\.$"
    ):
        run_sweep_part(prepared, Part(1, 1), store=folder, progress=progress)
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")
    n_here = len(list(prepared.directory.path.glob("scores/*.parquet")))
    assert n_here > (check_claims(folder_of(prepared, folder)) - 2) // 2 > 0, "one was written and not sent"
    assert run_sweep_part(prepare("machine"), Part(1, 1), store=folder) == len(prepared.shards) - n_here > 0
    assert contents(gather_stored_sweep(folder_of(prepared, folder), tmp_path / "gathered").directory.path) == whole


@pytest.mark.slow
def test_the_server_goes_away_and_comes_back(
    prepare, whole, server: S3Server, s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_PAUSES", ())
    prepared = prepare("machine")
    interrupt = interrupted_after(2)

    def progress(what: str, done: int, total: int) -> None:
        try:
            interrupt(what, done, total)
        except KeyboardInterrupt:
            server.stop()

    refusal = r"'s3://\w+/runs/removal/\S+/1-of-1/\S+' cannot be sent \(AWS Error NETWORK_CONNECTION .+ goes on\.$"
    try:
        with pytest.raises(StoreError, match=refusal) as refused:
            run_sweep_part(prepared, Part(1, 1), store=s3, progress=progress)
    finally:
        server.stop()
        server.start()
    assert "of-tests" not in str(refused.value)
    run = folder_of(prepared, s3)
    n_sent = (check_claims(run) - 2) // 2
    n_here = len(list(prepared.directory.path.glob("scores/*.parquet")))
    assert n_here > n_sent > 0, "one was written and not sent"
    assert run_sweep_part(prepare("machine"), Part(1, 1), store=s3) == len(prepared.shards) - n_here
    assert contents(gather_stored_sweep(run, tmp_path / "gathered").directory.path) == whole


def test_a_store_that_takes_nothing_is_found_out_before_a_model_is_loaded(
    prepare, server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("layerscope.sweeps.worker.load_as_asked", lambda _: pytest.fail("loaded"))
    store = Store.open(f"s3://no-such-bucket/runs?scheme=http&endpoint_override=127.0.0.1:{server.port}")
    with pytest.raises(
        StoreError, match=r"'s3://no-such-bucket/runs/\S+' cannot be sent \(AWS Error NO_SUCH_BUCKET .+ is right"
    ):
        do(prepare, "1/2", store)
    assert not files_in(tmp_path)


def test_missing_parts_are_named_before_anything_is_fetched(prepare, whole, folder: Store, tmp_path: Path) -> None:
    prepared = prepare("machine-1-3")
    run = folder_of(prepared, folder)
    with pytest.raises(RunError, match=r"/store/\S+' holds none: give the address that they printed"):
        gather_stored_sweep(run, tmp_path / "gathered")
    do(prepare, "1/3", folder)
    do(prepare, "3/3", folder)
    with pytest.raises(RunError, match=rf"of 'file://\S+' \d of {len(prepared.shards)} are not: .+ \(--shard 2/3\)"):
        gather_stored_sweep(run, tmp_path / "gathered")
    assert not (tmp_path / "gathered").exists()
    do(prepare, "2/3", folder)
    assert contents(gather_stored_sweep(run, tmp_path / "gathered").directory.path) == whole


@pytest.mark.parametrize(
    ("file", "is_there", "is_disk_lost"),
    [
        ("scores/shard-00001.parquet", True, True),
        ("spans/shard-00001.parquet", True, False),
        ("request.json", False, False),
        ("manifest.json", True, True),
    ],
)
def test_a_damaged_object_is_refused_and_mended(
    prepare, folder: Store, file: str, is_there: bool, is_disk_lost: bool, tmp_path: Path
) -> None:
    n_all = do(prepare, "1/1", folder)
    run = folder_of(prepare("machine-1-1"), folder)
    place = Path(run.root) / "1-of-1" / file
    cut = place.read_bytes()[:-1]
    place.unlink()
    if is_there:
        place.write_bytes(cut)
    with pytest.raises(RunError, match=rf"/1-of-1/{file}' is not as part 1/1 wrote it: give the command of that part again"):
        gather_stored_sweep(run, tmp_path / "gathered")
    if is_disk_lost:
        shutil.rmtree(tmp_path / "machine-1-1")
    n_again = do(prepare, "1/1", folder)
    assert n_again == (0 if not is_disk_lost else 1 if "/" in file else n_all), "sent again from here, or computed again"
    check_claims(run)
    assert gather_stored_sweep(run, tmp_path / "gathered").directory.kind() == "sweep"


def test_a_part_that_computes_something_else_is_refused_at_its_start(prepare, folder: Store, tmp_path: Path) -> None:
    do(prepare, "1/2", folder)
    with pytest.raises(RunError, match=r"store/\S+' was begun otherwise \(batch_tokens was 200, now 100\): give the options"):
        do(prepare, "2/2", folder, batch_tokens=100)
    assert not files_in(tmp_path / "machine-2-2")
    assert folder_of(prepare("machine-1-2"), folder).folders() == ["1-of-2"]


def test_parts_that_began_otherwise_at_the_same_time_are_not_gathered(prepare, folder: Store, tmp_path: Path) -> None:
    other = Store.open(f"file://{tmp_path}/other")
    for part, store, changes in (("1/2", folder, {}), ("2/2", other, {"batch_tokens": 220})):
        do(prepare, part, store, **changes)
    run = folder_of(prepare("machine-1-2"), folder)
    shutil.copytree(Path(folder_of(prepare("machine-1-2"), other).root) / "2-of-2", Path(run.root) / "2-of-2")
    with pytest.raises(RunError, match=r"parts 1/2 and 2/2 do not \(batch_tokens was 200, now 220\): delete the folder"):
        gather_stored_sweep(run, tmp_path / "gathered")
    assert not (tmp_path / "gathered").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [({"torch": "0.1"}, r"torch was 0\.1, now"), ({}, r"compiled layers were on, now off")],
    ids=["packages", "kernels"],
)
def test_parts_have_the_same_packages_and_kernels(prepare, folder: Store, change, said: str, tmp_path: Path) -> None:
    do(prepare, "1/2", folder)
    part = Path(folder_of(prepare("machine-1-2"), folder).root) / "1-of-2"
    manifest = json.loads((part / "manifest.json").read_text(encoding="utf-8"))
    manifest["environment"]["packages"].update(change)
    manifest["environment"]["compiled"] = not change
    forge(part, "manifest.json", json.dumps(manifest))
    with pytest.raises(RunError, match=said):
        do(prepare, "2/2", folder)
    assert not files_in(tmp_path / "machine-2-2")


def forge(part: Path, name: str, content: str) -> None:
    """Put a file into a store with a digest that is right."""
    (part / name).write_text(content, encoding="utf-8")
    claims = parse_sums((part / SUMS).read_text(encoding="utf-8"))
    claims[name] = [hashlib.sha256(content.encode()).hexdigest()]
    (part / SUMS).write_text("".join(f"{digest}  {file}\n" for file, (digest,) in claims.items()), encoding="utf-8")


def test_names_of_strangers_are_never_names_here(prepare, whole, server: S3Server, s3: Store, tmp_path: Path) -> None:
    """Objects and claims, with right digests, whose names would lead out of the run directory or add to it."""
    do(prepare, "1/1", s3)
    run = folder_of(prepare("machine-1-1"), s3)
    part = run.within("1-of-1")
    evil = b"evil"
    names = ["../../../evil", "/evil", f"{tmp_path}/evil", "scores/../../evil", "scores/shard-99999.parquet", "run.py", "a\\b",
             "scores/evil.parquet", "SHA256SUMS.x", "figures/layers_en.png", "workers/../../evil.json"]  # fmt: skip
    for name in names:
        server.put(f"{part.root}/{name}", evil)
    for name in ("..", "2-of-1", "1-of-1x"):
        server.put(f"{run.root}/{name}/manifest.json", evil)
    claims = (part.read(SUMS) or b"").decode() + "".join(f"{hashlib.sha256(evil).hexdigest()}  {name}\n" for name in names)
    part.put(SUMS, claims.encode())
    found = [one.path for one in part.files.get_file_info(FileSelector(part.root, recursive=True))]
    assert any("/../../../evil" in path for path in found), "the server keeps such names"
    shutil.rmtree(tmp_path / "machine-1-1")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert do(prepare, "1/1", s3) == 0
    gathered = gather_stored_sweep(run, tmp_path / "gathered")
    assert contents(gathered.directory.path) == whole
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert not [path for path in written if evil in path.read_bytes()[:8]]
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"machine-1-1", "gathered"}
    assert not any(path.name.startswith("evil") for path in Path(tmp_path).parent.iterdir())


def test_a_request_that_is_none_is_refused(prepare, folder: Store, tmp_path: Path) -> None:
    do(prepare, "1/1", folder)
    run = folder_of(prepare("machine-1-1"), folder)
    for number, content in enumerate(("[]", "{", '{"model": 3}', "[" * 100_000)):
        forge(Path(run.root) / "1-of-1", "request.json", content)
        with pytest.raises(RunError, match=r"request.json' is damaged"):
            gather_stored_sweep(run, tmp_path / f"gathered-{number}")


def test_code_of_a_checkpoint_runs_only_where_that_was_said(prepare, whole, folder: Store, tmp_path: Path) -> None:
    do(prepare, "1/1", folder, options=LoadOptions(trust_remote_code=True))
    run = folder_of(prepare("machine-1-1"), folder)
    with pytest.raises(
        RunError, match="ran code that comes with the checkpoint .+: read that code, then add --trust-remote-code"
    ):
        gather_stored_sweep(run, tmp_path / "gathered")
    gathered = gather_stored_sweep(run, tmp_path / "gathered", trust_remote_code=True)
    assert contents(gathered.directory.path) == whole


def test_a_directory_of_another_run_is_left_alone(prepare, folder: Store, tmp_path: Path) -> None:
    do(prepare, "1/1", folder)
    run = folder_of(prepare("machine-1-1"), folder)
    there = tmp_path / "gathered" / "removal" / run.names[-1]
    there.mkdir(parents=True)
    (there / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds files that are no run: name another --output-dir"):
        gather_stored_sweep(run, tmp_path / "gathered")
    assert [path.name for path in there.iterdir()] == ["notes.txt"]
    shutil.rmtree(there)
    run_sweep(prepare("gathered", batch_tokens=100))
    with pytest.raises(RunError, match=r"holds another run than 'file://\S+' \(batch_tokens was 100, now 200\)"):
        gather_stored_sweep(run, tmp_path / "gathered")


RUN = """
import sys
from pathlib import Path
from layerscope.sweeps.parts import run_sweep_part
from layerscope.sweeps.prepare import SweepRequest, prepare_sweep
from layerscope.workers.part import Part
from layerscope.workers.store import Store
request = SweepRequest(sys.argv[1], sys.argv[2], output_dir=Path(sys.argv[3]), batch_tokens=40, experiments=("removal",))
run_sweep_part(prepare_sweep(request), Part.parse(sys.argv[4]), store=Store.open(sys.argv[5]))
"""


@pytest.mark.slow
def test_processes_at_once_one_of_them_killed_and_its_disk_lost(
    prepare, s3: Store, tiny_checkpoint: Path, texts: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), "OMP_NUM_THREADS": "1"}

    def start(number: int) -> subprocess.Popen[bytes]:
        words = [str(tiny_checkpoint), str(texts), str(tmp_path / f"disk-{number}"), f"{number}/3", s3.address]
        return subprocess.Popen([sys.executable, "-c", RUN, *words], env=environment)

    one = prepare("whole", batch_tokens=40)
    run_sweep(one)
    run = folder_of(one, s3)
    processes = [start(number) for number in (1, 2, 3)]
    while b"scores/" not in (run.read(f"1-of-3/{SUMS}") or b"") and processes[0].poll() is None:
        time.sleep(0.005)
    processes[0].send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()
    assert [process.returncode for process in processes] == [-signal.SIGKILL, 0, 0]
    assert check_claims(run) > 2 * len(one.shards) // 3
    shutil.rmtree(tmp_path / "disk-1")
    assert start(1).wait() == 0
    assert contents(gather_stored_sweep(run, tmp_path / "gathered").directory.path) == contents(one.directory.path)

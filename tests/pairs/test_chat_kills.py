"""``pairs make`` killed at any moment: the next run goes on, pays for what was under way at most, and leaves nothing behind.

``LAYERSCOPE_TEST_KILLS=12`` kills as often; four times otherwise.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from layerscope.atomic import TEMPORARY_PREFIX
from layerscope.pairs.making import make_from_chat
from tests.pairs.chat_runs import REQUEST, good
from tests.pairs.chat_server import ChatServer, Reply, chat_server

N_KILLS = int(os.environ.get("LAYERSCOPE_TEST_KILLS", "4"))
WANTED = dataclasses.replace(REQUEST, per_subtype=12, concurrency=2)
"""Twelve prompts."""
MOST_REQUESTS = 6
"""After so many requests at most a run is killed, at any moment between this one and the next."""
SECONDS_PER_REQUEST = 0.02


def make_pairs(base_url: str, folder: Path) -> None:
    """What is killed, in a process of its own."""
    os.environ.update(OPENAI_BASE_URL=base_url, NO_PROXY="*")
    make_from_chat(folder / "pairs.jsonl", WANTED, cache_dir=folder / "cache", tokenizer=None)


def rather_slow(body: dict[str, Any], number: int) -> Reply:
    """One pair more than is asked for, so that something is rejected, too."""
    reply = good(body, number)
    assert reply.content is not None
    return dataclasses.replace(reply, content=reply.content + '{"broken": "', delay_seconds=SECONDS_PER_REQUEST)


def started(server: ChatServer, folder: Path, *, n_requests: int = 1) -> multiprocessing.process.BaseProcess:
    """A process that has sent so many requests, or has ended."""
    n_before = len(server.requests)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["layerscope.pairs.making", "tests.pairs.test_chat_kills"])
    process = context.Process(target=make_pairs, args=(server.base_url, folder))
    process.start()
    while len(server.requests) < n_before + n_requests and process.is_alive():
        time.sleep(0.001)
    return process


def prompts_kept(folder: Path) -> set[str]:
    """Texts of the prompts whose answers are on disk, whole."""
    found = (folder / "cache").glob("*.json")
    return {json.loads(path.read_text(encoding="utf-8"))["prompt"]["text"] for path in found}


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", [0])
def test_a_run_killed_at_any_moment_goes_on_where_it_was(tmp_path: Path, seed: int):
    moments = random.Random(seed)
    with chat_server(rather_slow) as server:
        started(server, tmp_path / "calm").join()
        n_prompts = len(server.requests)
        server.requests.clear()
        for _ in range(N_KILLS):
            kept = prompts_kept(tmp_path / "killed")
            n_before = len(server.requests)
            process = started(server, tmp_path / "killed", n_requests=moments.randint(0, MOST_REQUESTS))
            time.sleep(moments.uniform(0, 2 * SECONDS_PER_REQUEST))
            process.kill()
            process.join()
            # nothing that is on disk is asked for again
            assert not kept & {body["messages"][0]["content"] for body in server.requests[n_before:]}
        last = started(server, tmp_path / "killed")
        last.join()
        assert last.exitcode == 0
        # what was under way when a process was killed is paid for twice, and no more
        assert n_prompts <= len(server.requests) <= n_prompts + N_KILLS * WANTED.concurrency
    files = files_in(tmp_path / "killed")
    assert files == files_in(tmp_path / "calm")
    assert {"pairs.jsonl", "pairs.jsonl.rejected.jsonl"} < set(files)
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*"))


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path):
    ended = multiprocessing.get_context("forkserver").Process(target=int)
    ended.start()
    ended.join()
    dead, living = ended.pid, os.getppid()
    (tmp_path / "cache").mkdir()
    names = ["pairs.jsonl", "pairs.jsonl.rejected.jsonl", f"cache/{'0' * 64}.json", "another.jsonl"]

    def unfinished(pid: int, name: str) -> Path:
        path = tmp_path / name
        return path.with_name(f"{TEMPORARY_PREFIX}{pid}-0123abcd-{path.name}")

    for name in names:
        for pid in (dead, living):
            unfinished(pid, name).write_text("half", encoding="utf-8")
    with chat_server(rather_slow) as server:
        started(server, tmp_path).join()
    assert [unfinished(living, name).exists() for name in names] == [True] * 4
    assert [unfinished(dead, name).exists() for name in names] == [False, False, False, True]

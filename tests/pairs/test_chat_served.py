"""Once for real: `transformers serve` with SmolLM2 on loopback. Runs with LAYERSCOPE_TEST_SERVE=1; minutes on one core.

Needs `pip install "transformers[serving]"` besides the project. What the model wrote is printed: `pytest -s`. It is small and
writes little that holds together, and that server knows no structured output; all of it must end as a pair or as rejected with
a reason.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from layerscope.pairs.chat.prompts import ChatRequest
from layerscope.pairs.chat.source import make_pairs_by_chat
from tests.ports import free_port

MODEL = "smollm2"
pytestmark = [
    pytest.mark.serve,
    pytest.mark.skipif(os.environ.get("LAYERSCOPE_TEST_SERVE") != "1", reason="starts a server: set LAYERSCOPE_TEST_SERVE=1"),
]


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from layerscope.models.sources import resolve_model

    port = free_port()
    folder = tmp_path_factory.mktemp("serve")
    (folder / MODEL).symlink_to(resolve_model("smollm2-135m").location)
    log = folder / "log.txt"
    serve = [str(Path(sys.executable).parent / "transformers"), "serve", MODEL, "--device", "cpu", "--dtype", "float32"]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(
            [*serve, "--host", "127.0.0.1", "--port", str(port)], cwd=folder, stdout=output, stderr=output
        ) as process,
    ):
        try:
            for _ in range(240):
                if process.poll() is not None or _is_up(f"http://127.0.0.1:{port}/health"):
                    break
                time.sleep(0.5)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=60)


def _is_up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.timeout(900)
def test_every_piece_of_every_answer_is_a_pair_or_rejected(base_url: str, tmp_path: Path):
    request = ChatRequest(
        MODEL,
        ("location", "tense", "article"),
        per_subtype=4,
        pairs_per_request=2,
        max_requests=9,
        concurrency=2,
        timeout_seconds=300.0,
        temperature=0.7,
        max_tokens=160,
    )
    environment = {"OPENAI_BASE_URL": base_url}
    outcome = make_pairs_by_chat(request, cache_dir=tmp_path, environment=environment)
    again = make_pairs_by_chat(dataclasses.replace(request, max_requests=0), cache_dir=tmp_path, environment={})

    n_pairs, n_rejected = len(outcome.pairs), len(outcome.rejected)
    lines = [f"{outcome.n_requests} requests, {n_pairs} pairs, {n_rejected} rejected, missing {outcome.missing}"]
    lines += [f"accepted {pair.subtype}: {pair.sentence1} | {pair.sentence2}" for pair in outcome.pairs]
    lines += [f"rejected {piece.subtype} ({piece.reason}): {piece.text}" for piece in outcome.rejected]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")

    answers = list(tmp_path.glob("*.json"))
    assert 6 <= outcome.n_requests <= 9
    assert len(answers) == outcome.n_requests - outcome.n_useless
    named = {pair.template for pair in outcome.pairs} | {piece.where.rpartition("#")[0] for piece in outcome.rejected}
    assert {name.rpartition("/")[2] for name in named} >= {path.name[:8] for path in answers}
    assert len(named) == outcome.n_requests
    assert all(piece.reason for piece in outcome.rejected)
    assert (again.pairs, again.n_cached, again.n_requests) == (outcome.pairs, len(answers), 0)

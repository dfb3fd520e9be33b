"""A server of the S3 protocol on this machine, for tests of stores; they are skipped where moto is not installed."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest


@dataclass
class S3Server:
    """Its buckets stay while it is stopped."""

    port: int
    _server: Any

    def bucket(self, name: str) -> str:
        """Make a bucket; the address of a folder in it."""
        self.put(name)
        return f"s3://{name}/runs?scheme=http&endpoint_override=127.0.0.1:{self.port}"

    def put(self, name: str, content: bytes | None = None) -> None:
        """Write an object (bucket/key) of any name, or make a bucket."""
        bucket, _, key = name.partition("/")
        place = f"http://127.0.0.1:{self.port}/{bucket}" + (f"/{quote(key, safe='')}" if key else "")
        with urllib.request.urlopen(urllib.request.Request(place, content, method="PUT")):
            pass

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Runs while the block does, with credentials for it in the environment."""
    pytest.importorskip("moto.server", reason="a store by S3's protocol needs moto: pip install -r requirements-dev.txt")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "of-tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-tests")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        inner = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        inner.start()
        server = S3Server(inner.get_host_and_port()[1], inner)
        try:
            yield server
        finally:
            server.stop()

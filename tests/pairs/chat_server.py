"""A chat server on loopback whose answers are scripted, for tests of every failure."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What the server sends back."""

    content: str | None = None
    """Text of a chat completion; None for ``body`` as it stands."""
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    pause_seconds: float = 0.0
    """After each byte."""
    declared_length: int | None = None
    """A Content-Length other than the body's: the connection breaks in the middle."""
    finish: str = "stop"
    message: dict[str, Any] = field(default_factory=dict)
    """More of the message, such as tool calls."""

    @property
    def sent(self) -> bytes:
        if self.content is None:
            return self.body.encode("utf-8")
        message = {"role": "assistant", "content": self.content} | self.message
        choice = {"index": 0, "finish_reason": self.finish, "message": message}
        return json.dumps({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}).encode(
            "utf-8"
        )


Script = Callable[[dict[str, Any], int], Reply]
"""Body of a request and its number from 0 to the reply."""


@dataclass
class ChatServer:
    """What tests see of the server."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    n_at_once: int = 0
    n_now: int = 0


@contextmanager
def chat_server(script: Script) -> Iterator[ChatServer]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(seen.requests)
                seen.requests.append(body)
                seen.keys.append((self.headers["Authorization"] or "").removeprefix("Bearer "))
                seen.paths.append(self.path)
                seen.headers.append({name.lower(): value for name, value in self.headers.items()})
                seen.n_now += 1
                seen.n_at_once = max(seen.n_at_once, seen.n_now)
            reply = script(body, number)
            time.sleep(reply.delay_seconds)
            with lock:
                seen.n_now -= 1
            try:
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(reply.declared_length or len(reply.sent)))
                self.end_headers()
                for part in [reply.sent[i : i + 1] for i in range(len(reply.sent))] if reply.pause_seconds else [reply.sent]:
                    self.wfile.write(part)
                    time.sleep(reply.pause_seconds)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up on us
            self.close_connection = reply.declared_length is not None

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen = ChatServer(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

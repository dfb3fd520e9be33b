"""Where requests go and in whose name: address, key, and what of both may be shown. No requests.

An address is taken as people have it: with or without a slash at its end or ``/chat/completions``, with a query, which stays
one, and with a user and password, which are sent as such. Key, user, password and query are stored and shown nowhere.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import httpx2

from layerscope.errors import ServerError

OPENAI = "https://api.openai.com/v1"
_ENDPOINT = b"/chat/completions"
_AZURE = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")
_API_VERSION = "api-version"
_TOKEN = "eyJ"
"""How a signed token (JWT) begins, which Azure takes in place of a key."""
_SECRET_LENGTH = 8
_SECRET_NAMES = ("key", "token", "secret", "password", "sig", "signature", "code")
"""How names of a query end whose value is a secret."""
_SHOWN_OF_KEY = 4
"""Characters at either end of a key by which a server may name it."""
_PORTS = range(1, 2**16)
_LONGEST_SHOWN = 200
_HIDDEN = "***"


@dataclass(frozen=True)
class Server:
    """Where requests go, and in whose name."""

    address: str = field(repr=False)
    """As it was given."""
    key: str = field(default="", repr=False)
    """The account's key; empty if there is none."""

    def __post_init__(self) -> None:
        url = _parsed(self.address)
        if url is None or url.scheme not in ("http", "https") or not url.host or not (url.port is None or url.port in _PORTS):
            without_secrets = self.address.rpartition("@")[2].partition("?")[0]
            raise ServerError(
                f"OPENAI_BASE_URL is an address such as {OPENAI} or http://localhost:8000/v1; got "
                f"'{self.hide(in_a_line(without_secrets))}'."
            )
        if not (self.key.isascii() and self.key.isprintable()):
            raise ServerError(
                "A key is of plain letters, digits and signs; OPENAI_API_KEY holds another character: copy it again."
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Server:
        """What ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` say.

        Raises:
            ServerError: the address is none, or the key cannot be one.
        """
        return cls(environment.get("OPENAI_BASE_URL", "").strip() or OPENAI, environment.get("OPENAI_API_KEY", "").strip())

    @property
    def base_url(self) -> str:
        """The address up to and without ``/chat/completions``: no user, password or query."""
        path = self._url.raw_path.partition(b"?")[0].rstrip(b"/").removesuffix(_ENDPOINT)
        return str(self._url.copy_with(raw_path=path or b"/", fragment=None, userinfo=b""))

    @property
    def query(self) -> dict[str, str]:
        """What each request has after the question mark."""
        return dict(self._url.params)

    @property
    def headers(self) -> dict[str, str]:
        """How each request says in whose name it is.

        Azure reads ``api-key``, as the official client sends it there; tokens, and keys elsewhere, go as ``Authorization``.
        A user and password in the address are more particular than a key that is set for all servers, and go first.
        """
        if self._url.userinfo:
            return {"Authorization": f"Basic {self._basic}"}
        if not self.key:
            return {}
        is_azure = self._url.host.endswith(_AZURE) or _API_VERSION in self.query
        if is_azure and not self.key.startswith(_TOKEN):
            return {"api-key": self.key}
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def shown(self) -> str:
        """The address for messages: no user, password or query."""
        return self.hide(self.base_url.rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        try:
            return ipaddress.ip_address(self._url.host).is_loopback
        except ValueError:
            return self._url.host == "localhost"

    def hide(self, text: str) -> str:
        """The text without the secrets. Words of fewer than eight characters, such as ``EMPTY`` at home, are none."""
        for secret in self._secrets():
            text = text.replace(secret, _HIDDEN)
        return text

    def hide_parts(self, text: str) -> str:
        """The text without words that show how the key begins or ends, as in ``sk-ab***cdef``."""
        if len(self.key) >= _SECRET_LENGTH:
            ends = "|".join(re.escape(part) for part in (self.key[:_SHOWN_OF_KEY], self.key[-_SHOWN_OF_KEY:]))
            text = " ".join(_HIDDEN if re.search(ends, word) else word for word in text.split())
        return text

    @property
    def _url(self) -> httpx2.URL:
        return httpx2.URL(self.address)

    @property
    def _basic(self) -> str:
        return base64.b64encode(unquote(self._url.userinfo.decode("ascii")).encode("utf-8")).decode("ascii")

    def _secrets(self) -> Iterator[str]:
        """The longest first, so that none leaves a rest of another."""
        found = {self.key}
        if _parsed(self.address) is not None:
            found |= {value for name, value in self.query.items() if name.lower().endswith(_SECRET_NAMES)}
            if self._url.userinfo:
                found |= {self._basic, self._url.password, self._url.userinfo.decode("ascii")}
        yield from sorted((text for text in found if len(text) >= _SECRET_LENGTH), key=len, reverse=True)


def in_a_line(text: str) -> str:
    """What another machine or a user wrote, fit for one line of a terminal: no control characters, 200 characters at most."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text[:100_000]).split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN].rstrip()}…"


def _parsed(address: str) -> httpx2.URL | None:
    try:
        return httpx2.URL(address) if " " not in address else None
    except (httpx2.InvalidURL, ValueError):
        return None

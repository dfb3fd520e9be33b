"""Whether the Hugging Face Hub can be reached at all, asked once and quickly.

Without this, every look-up of a machine that is offline waits through the hub client's retries, some 25 s. Where the Hub's name
does not resolve, the client is put in its own offline mode for the call, so that what is in its cache still loads.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock
from urllib.parse import urlsplit

import huggingface_hub.constants


def hub_resolves() -> bool:
    """True if the Hub's host name resolves, or if a proxy stands between, which resolves it for us."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    address = urlsplit(huggingface_hub.constants.ENDPOINT)
    try:
        socket.getaddrinfo(address.hostname, address.port or 443)
    except OSError:
        return False
    return True


@contextmanager
def offline_if_unreachable() -> Iterator[bool]:
    """Within the context the hub client does not try the network if that is bound to fail; gives True in that case."""
    if hub_resolves():
        yield False
        return
    with mock.patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True):
        yield True

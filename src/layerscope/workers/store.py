"""A place for whole files that machines share without sharing a file system: an object store, named by its address.

It knows files and nothing of runs. Names that are found there are never used as names here, and contents are for their
reader to check. Credentials are the business of the file system (environment, settings of the account, role of the machine):
an address that holds some is refused, so that none can be printed or written.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType

from layerscope.errors import DataError, RunError, StoreError, first_line

log = logging.getLogger(__name__)

SCHEMES = ("s3", "gs", "abfs", "abfss", "file")
"""Of addresses: Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure (twice), and a folder."""
_SETTINGS = (
    "endpoint_override",
    "scheme",
    "region",
    "project_id",
    "blob_storage_authority",
    "dfs_storage_authority",
    "enable_tls",
)
"""What an address may say after its '?'; a list of what is known to hold no secret."""
_CHUNK = 2**22
_MOST_NOTES = 2**26
"""Bytes of a file that is read into memory: digests of half a million batches."""
_PAUSES = (5.0, 25.0)
"""Seconds before a file that could not be sent is sent again; the file systems try some times themselves."""
_CREDENTIALS = ("access_denied", "forbidden", "access_key", "signature", "token", "credential", "authenti", "permission")
"""One of these words is in what a store says to those whom it does not know."""


@dataclass(frozen=True)
class Store:
    """A folder of an object store.

    Examples:
        >>> from layerscope.workers.store import Store
        >>> Store.open("s3://bucket/runs?region=eu-north-1").within("removal", "a b").address
        's3://bucket/runs/removal/a%20b?region=eu-north-1'
    """

    address: str
    """As it is typed; without a secret."""
    files: FileSystem
    """pyarrow's."""
    root: str
    """Of the folder, in that file system."""

    @classmethod
    def open(cls, address: str) -> Store:
        """From its address. Few file systems ask anything of the network for that.

        Raises:
            DataError: it is none.
            StoreError: the store cannot be reached.
        """
        _check_address(address)
        try:
            files, root = FileSystem.from_uri(address)
        except (ValueError, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"'{address}' is no address of a store ({first_line(error)}): write it as s3://bucket/folder."
            ) from None
        except OSError as error:
            raise StoreError(_refusal(address, "reached", error)) from error
        return cls(address, files, root)

    def within(self, *names: str) -> Store:
        """A folder of this one."""
        parts = urlsplit(self.address)
        path = "/".join((parts.path.rstrip("/"), *(quote(name, safe="+,=") for name in names)))
        return Store(parts._replace(path=path).geturl(), self.files, "/".join((self.root.rstrip("/"), *names)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the folders that lead to it, the bucket first."""
        return tuple(self.root.strip("/").split("/"))

    def folders(self) -> list[str]:
        """Names of the folders in it, in order; none where there is nothing.

        Raises:
            StoreError: the store cannot be asked.
        """
        try:
            with self._said("read"):
                found = self.files.get_file_info(FileSelector(self.root, allow_not_found=True))
        except FileNotFoundError:  # not even the bucket
            return []
        return sorted({one.base_name for one in found if one.type == FileType.Directory})

    def read(self, name: str) -> bytes | None:
        """A small file; None where it is not there.

        Raises:
            StoreError: the store cannot be asked, or the file is not small.
        """
        content = bytearray()
        try:
            for chunk in self.chunks(name):
                content += chunk
                if len(content) > _MOST_NOTES:
                    raise RunError(
                        f"'{self.shown(name)}' has more than {_MOST_NOTES:,} bytes, and no part writes such a one: delete it."
                    )
        except FileNotFoundError:
            return None
        return bytes(content)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A file, piece by piece.

        Raises:
            FileNotFoundError: it is not there.
            StoreError: the store cannot be asked.
        """
        with self._said("read", name), self.files.open_input_stream(f"{self.root}/{name}") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def put(self, name: str, content: bytes) -> None:
        """Write a small file in place of the one that was there.

        Raises:
            StoreError: it cannot be sent.
        """
        self._send(name, lambda: (content,))

    def send(self, name: str, file: Path) -> str:
        """Write a file of this machine in place of the one that was there.

        Returns:
            Its SHA-256, of what was sent.

        Raises:
            StoreError: it cannot be sent.
        """
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            nonlocal digest
            digest = hashlib.sha256()
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
                    yield chunk

        self._send(name, pieces)
        return digest.hexdigest()

    def shown(self, name: str) -> str:
        """The address of a file in it, as it is told of."""
        return urlsplit(self.within(*name.split("/")).address)._replace(query="").geturl()

    def _send(self, name: str, pieces: Callable[[], Iterable[bytes]]) -> None:
        for pause in _PAUSES:
            try:
                return self._send_once(name, pieces())
            except StoreError as error:
                if _is_unknown(_reason(error.__cause__)) or "NO_SUCH_BUCKET" in str(error):  # time does not help
                    raise
                log.warning("%s It is tried again in %g s.", error, pause)
                time.sleep(pause)
        return self._send_once(name, pieces())

    def _send_once(self, name: str, pieces: Iterable[bytes]) -> None:
        place = f"{self.root}/{name}"
        with self._said("sent", name):
            if self.files.type_name != "local":
                self._write(place, pieces)
                return
            self.files.create_dir(place.rpartition("/")[0], recursive=True)  # other stores put a file in place when it is whole
            self._write(f"{place}.unfinished", pieces)
            self.files.move(f"{place}.unfinished", place)

    def _write(self, place: str, pieces: Iterable[bytes]) -> None:
        with self.files.open_output_stream(place) as stream:
            for piece in pieces:
                stream.write(piece)

    @contextmanager
    def _said(self, done: str, name: str | None = None) -> Iterator[None]:
        """What the file system raises, as a sentence; that a file to be read is not there is for the caller."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            if done == "read" and isinstance(error, FileNotFoundError):
                raise
            shown = urlsplit(self.address)._replace(query="").geturl() if name is None else self.shown(name)
            raise StoreError(_refusal(shown, done, error)) from error


def is_address(text: str) -> bool:
    """Whether a text is meant as the address of a store, and not as a path of this machine."""
    return "://" in text


def _refusal(shown: str, done: str, error: Exception) -> str:
    reason = _reason(error)
    step = (
        "give this machine credentials for it, in the environment (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or by a "
        "role, and give the command again"
        if _is_unknown(reason) and not shown.startswith("file:")
        else "see that the address is right and that this machine reaches it; the same command, given again, goes on"
    )
    return f"'{shown}' cannot be {done} ({reason}): {step}."


def _reason(error: BaseException | None) -> str:
    """What a file system says, on one line, without the name of the file before it."""
    text = " ".join(str(error).split())
    return text[max(text.find("AWS Error"), 0) :][:300].rstrip(".")


def _is_unknown(reason: str) -> bool:
    """Whether a store says that it does not know us."""
    return "NETWORK" not in reason and any(word in reason.lower() for word in _CREDENTIALS)


def _check_address(address: str) -> None:
    """Refuse what is no address, and one that holds a secret; it is not repeated then.

    Raises:
        DataError: it is one of both.
    """
    rule = f"A store's address is {'://…, '.join(SCHEMES[:-1])}://… or {SCHEMES[-1]}:///…"
    try:
        parts = urlsplit(address)
        settings = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise DataError(f"{rule}; this one cannot be taken apart: write it as s3://bucket/folder.") from None
    if _may_hold_secret(parts) or any("@" in value for _, value in settings):
        raise DataError(
            "A store's address holds no key and no password, since it is printed, and this one has something before an '@' or "
            "after a ':': leave that out (an '@' in a folder's name is written %40), and give credentials in the environment "
            "(for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) or by the machine's role."
        )
    unknown = [name for name, _ in settings if name not in _SETTINGS]
    if unknown:
        raise DataError(f"A store's address may say {', '.join(_SETTINGS)} after its '?'; got '{unknown[0]}': leave it out.")
    is_folder = parts.scheme == "file"
    is_whole = parts.scheme in SCHEMES and (not parts.netloc and parts.path.strip("/") if is_folder else bool(parts.netloc))
    if not is_whole or parts.fragment or not address.isprintable() or {".", ".."} & set(parts.path.split("/")):
        raise DataError(f"{rule}, and its folders have names; got '{address}'.")


def _may_hold_secret(parts: SplitResult) -> bool:
    """Whether more stands before an '@' than a container of Azure's or Google's word for nobody, or something after a ':'."""
    place = unquote(parts.netloc)
    user, at, _ = place.rpartition("@")
    is_name = parts.scheme in ("abfs", "abfss") or (parts.scheme, user) == ("gs", "anonymous")
    return (bool(at) and not is_name) or ":" in place or "@" in f"{user}{parts.path}{parts.query}{parts.fragment}"

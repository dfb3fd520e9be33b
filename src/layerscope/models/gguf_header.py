"""What stands in a GGUF file before its tensors: metadata and the table of tensors, read strictly and in bounded time.

transformers believes a header: a length that points past the end gives it empty values without end, and a model whose sizes are
not in the file gets those of its class. Here every length is held against the file, and every tensor must lie inside it. Values
of arrays (vocabularies, merges) are walked over and not kept.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from layerscope.errors import ModelError

DEFAULT_ALIGNMENT = 32
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Formats of the struct module, by the number of a metadata value's type."""
_STRING, _ARRAY = 8, 9
_MOST_ITEMS = 2**23
"""Of one array; the largest vocabularies have 2**18, and readers make an object of every item."""
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class GgufTensor:
    """One entry of the table of tensors."""

    name: str
    """As llama.cpp has it, such as ``blk.0.attn_q.weight``."""
    shape: tuple[int, ...]
    """The last axis lies together in memory, as in torch; the file has it the other way round."""
    kind: GGMLQuantizationType
    """How values are stored."""
    offset: int
    """Bytes from the start of the tensors."""
    n_bytes: int
    """Length."""


@dataclass(frozen=True)
class GgufHeader:
    """Everything before the tensors."""

    path: Path
    """The file."""
    version: int
    """Of the format."""
    metadata: dict[str, Any]
    """Single values; of an array, None."""
    metadata_bytes: bytes
    """The metadata as they are in the file."""
    tensors: tuple[GgufTensor, ...]
    """In the order of the table."""
    data_start: int
    """Byte of the file at which the tensors begin."""

    def floats(self, name: str) -> list[float] | None:
        """The values of a small float32 tensor; None if the file has none of that name."""
        tensor = next((one for one in self.tensors if one.name == name), None)
        if tensor is None or tensor.kind != GGMLQuantizationType.F32:
            return None
        with self.path.open("rb") as file:
            file.seek(self.data_start + tensor.offset)
            return list(struct.unpack(f"<{prod(tensor.shape)}f", file.read(tensor.n_bytes)))

    @property
    def alignment(self) -> int:
        """Tensors begin at multiples of this many bytes."""
        return int(self.metadata.get("general.alignment", DEFAULT_ALIGNMENT))


def read_gguf_header(path: Path) -> GgufHeader:
    """Read what stands before the tensors, and check that the tensors are there.

    Raises:
        ModelError: the file cannot be read, is not a GGUF file, contradicts itself or ends too early.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _Reader(data, path).header()
            _check_inside(header, len(data))
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read ({error.strerror or error}): check the file and its permissions.") from error
    except (struct.error, ValueError, OverflowError) as error:  # an empty file cannot be mapped
        raise _unreadable(path, "its header is cut off or damaged") from error
    return header


def _unreadable(path: Path, why: str) -> ModelError:
    return ModelError(f"'{path}' cannot be read as a GGUF model: {why}; fetch the file again.")


def _check_inside(header: GgufHeader, size: int) -> None:
    names: set[str] = set()
    for tensor in header.tensors:
        if tensor.name in names:
            raise _unreadable(header.path, f"it holds the tensor '{tensor.name}' twice")
        names.add(tensor.name)
        end = header.data_start + tensor.offset + tensor.n_bytes
        if end > size:
            raise _unreadable(header.path, f"its tensor '{tensor.name}' would end at byte {end} and the file has {size}")


class _Reader:
    """A place in a file that moves on with each value."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data, self._path, self._at = data, path, 0

    def header(self) -> GgufHeader:
        magic = self._data[:4]
        if magic != _MAGIC:
            raise _unreadable(self._path, "it does not begin with GGUF")
        self._at = 4
        version, n_tensors, n_values = self._unpack("IQQ")
        if version not in _VERSIONS:
            raise _unreadable(self._path, f"it is of version {version}, and {' and '.join(map(str, _VERSIONS))} are read")
        start = self._at
        metadata: dict[str, Any] = {}
        for _ in range(n_values):  # each takes some bytes, so that a count that is too large meets the end of the file
            name = self._string()
            metadata[name] = self._value(self._unpack("I")[0])
        raw = self._data[start : self._at]
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise _unreadable(self._path, f"an alignment is a power of two and it has {alignment}")
        tensors = tuple(self._tensor() for _ in range(n_tensors))
        return GgufHeader(self._path, version, metadata, raw, tensors, -(-self._at // alignment) * alignment)

    def _unpack(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def _skip(self, length: int) -> None:
        if length > len(self._data) - self._at:
            raise ValueError("a length that points past the end")
        self._at += length

    def _string(self) -> str:
        (length,) = self._unpack("Q")
        start = self._at
        self._skip(length)
        return self._data[start : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._unpack(self._scalar(kind))[0]
        inner, count = self._unpack("IQ")
        if count > _MOST_ITEMS:
            raise _unreadable(self._path, f"an array of its metadata has {count} items, of {_MOST_ITEMS} at most")
        if inner == _STRING:
            for _ in range(count):
                self._skip(self._unpack("Q")[0])
        else:
            self._skip(count * struct.calcsize(self._scalar(inner)))
        return None

    def _scalar(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise _unreadable(self._path, f"its metadata hold a value of the unknown type {kind}")
        return _SCALARS[kind]

    def _tensor(self) -> GgufTensor:
        name = self._string()
        (n_dimensions,) = self._unpack("I")
        if n_dimensions > _MOST_DIMENSIONS:
            raise _unreadable(self._path, f"its tensor '{name}' has {n_dimensions} axes, of {_MOST_DIMENSIONS} at most")
        shape = self._unpack(f"{n_dimensions}Q")[::-1]
        number, offset = self._unpack("IQ")
        if number not in GGML_QUANT_SIZES:
            raise _unreadable(self._path, f"its tensor '{name}' is stored in the unknown type {number}")
        kind = GGMLQuantizationType(number)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if shape and shape[-1] % block:
            raise _unreadable(self._path, f"its tensor '{name}' has rows of {shape[-1]}, which are no whole blocks of {block}")
        return GgufTensor(name, shape, kind, offset, prod(shape) // block * block_bytes)

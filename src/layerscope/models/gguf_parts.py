"""A GGUF model that llama.cpp's ``gguf-split`` cut into files: all parts by the name of any, and the parts as one file again.

The first part has the metadata and every part some of the tensors; each says in its metadata which of how many it is.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from layerscope.errors import ModelError
from layerscope.models.gguf_header import GgufHeader, read_gguf_header

_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)


def find_parts(path: Path) -> tuple[Path, ...]:
    """The files of a GGUF model in their order; the file itself where its name is not that of a part.

    Raises:
        ModelError: a part is not there.
    """
    match = _PART.fullmatch(path.name)
    if match is None:
        return (path,)
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count:
        raise ModelError(f"Parts of a GGUF model are numbered from 1 to their count; '{path.name}' is not: rename it.")
    parts = []
    for number in range(1, count + 1):
        part = path.with_name(f"{match['stem']}-{number:05}-of-{count:05}.gguf")
        if not part.is_file():
            raise ModelError(
                f"A GGUF model in {count} parts needs all of them in one folder; '{part.name}' is not beside '{path.name}': "
                "fetch it too."
            )
        parts.append(part)
    return tuple(parts)


def read_parts(parts: Sequence[Path]) -> tuple[GgufHeader, ...]:
    """The headers of all parts, in their order.

    Raises:
        ModelError: one cannot be read, or they are not the parts of one model.
    """
    headers = tuple(read_gguf_header(part) for part in parts)
    for index, header in enumerate(headers):
        count, number = header.metadata.get("split.count", 0), header.metadata.get("split.no", 0)
        if max(count, 1) != len(parts) or number != index:
            raise ModelError(
                f"A part of a GGUF model is named as gguf-split names it, such as model-00001-of-00002.gguf; "
                f"'{header.path.name}' says that it is part {number + 1} of {max(count, 1)}: give it its own name, beside the "
                "others."
            )
    held, wanted = sum(len(header.tensors) for header in headers), headers[0].metadata.get("split.tensors.count")
    if wanted is not None and held != wanted:
        raise ModelError(
            f"The parts of a GGUF model hold all its tensors; those of '{parts[0].name}' hold {held} of {wanted}: they "
            "are parts of different models, fetch them again."
        )
    return headers


def join_parts(headers: Sequence[GgufHeader], target: Path) -> None:
    """Write the parts as one file: the metadata of the first, the tensors of all.

    Args:
        headers: of the parts, in their order.
        target: the file to write.
    """
    first = headers[0]
    tensors = [tensor for header in headers for tensor in header.tensors]
    ends = list(accumulate((_padded(tensor.n_bytes, first.alignment) for tensor in tensors), initial=0))
    with target.open("wb") as out:
        out.write(struct.pack("<4sIQQ", b"GGUF", first.version, len(tensors), len(first.metadata)) + first.metadata_bytes)
        for tensor, offset in zip(tensors, ends, strict=False):
            name, axes = tensor.name.encode("utf-8"), tensor.shape[::-1]
            out.write(struct.pack(f"<Q{len(name)}sI{len(axes)}QIQ", len(name), name, len(axes), *axes, tensor.kind, offset))
        for header in headers:
            with header.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as part:
                for tensor in header.tensors:
                    out.write(bytes(_padded(out.tell(), first.alignment) - out.tell()))
                    begin = header.data_start + tensor.offset
                    out.write(part[begin : begin + tensor.n_bytes])


def _padded(length: int, alignment: int) -> int:
    return -(-length // alignment) * alignment

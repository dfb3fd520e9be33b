"""The texts of a Parquet file, read when they are asked for: of a large file only the row groups with the texts wanted.

Texts that repeat are stored once in such a file, and are one string here, so that a small file does not fill the memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, overload

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from layerscope.corpora.windows import Document
from layerscope.errors import DataError

LONGEST_TEXT = 100_000_000
"""Bytes of one text; a tokenizer takes some hundred times as much memory."""
_BYTES_AT_ONCE = 2**24


class ParquetTexts(Sequence[Document]):
    """The column ``text`` of a Parquet file as documents."""

    def __init__(self, path: Path) -> None:
        """Read the schema and the number of rows, no text.

        Raises:
            DataError: it cannot be read as Parquet, or has no column of strings named ``text``.
        """
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                schema, self._rows = file.schema_arrow, file.metadata
        except (pa.ArrowException, OSError, ValueError) as error:  # names of columns may be no UTF-8
            self._refuse(error)
        if "text" not in schema.names:
            raise DataError(f"A Parquet data set has a column named 'text'; '{path}' has {', '.join(schema.names) or 'none'}.")
        if schema.names.count("text") > 1:
            raise DataError(f"A Parquet data set has one column named 'text'; '{path}' has several: rename all but one.")
        kind = schema.field("text").type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DataError(f"The column 'text' of a Parquet data set holds strings; that of '{path}' holds {kind}.")

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def __iter__(self) -> Iterator[Document]:
        for group in range(self._rows.num_row_groups):
            yield from self._group(group)

    @overload
    def __getitem__(self, index: int) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return self.take([range(len(self))[index]])[0]

    def take(self, indices: Sequence[int]) -> list[Document]:
        """Some documents in the order asked for, the file read once."""
        wanted, found, start = set(indices), dict[int, Document](), 0
        for group in range(self._rows.num_row_groups):
            end = start + self._rows.row_group(group).num_rows
            if any(start <= index < end for index in wanted):
                found |= {index: text for index, text in enumerate(self._group(group), start=start) if index in wanted}
                wanted -= found.keys()
            start = end
        return [found[index] for index in indices]

    def _group(self, group: int) -> Iterator[Document]:
        """The documents of one row group, some at a time."""
        row = sum(self._rows.row_group(before).num_rows for before in range(group))
        about = self._rows.row_group(group)
        at_once = max(1, min(4096, _BYTES_AT_ONCE * max(about.num_rows, 1) // max(about.total_byte_size, 1)))
        try:
            with pq.ParquetFile(self._path, read_dictionary=["text"] if self._repeats(group) else None) as file:
                for batch in file.iter_batches(batch_size=at_once, row_groups=[group], columns=["text"]):
                    for text in self._strings(batch.column(0), row):
                        yield Document(f"{self._path.name}[{row}]", text)
                        row += 1
        except (pa.ArrowException, OSError, ValueError) as error:
            self._refuse(error)

    def _repeats(self, group: int) -> bool:
        """Whether texts of a row group are stored once for all rows; where they are not, looking for repeats takes memory."""
        columns = (self._rows.row_group(group).column(place) for place in range(self._rows.num_columns))
        return any(column.path_in_schema == "text" and column.has_dictionary_page for column in columns)

    def _strings(self, column: Any, row: int) -> Iterator[str]:
        """The texts of a batch, each that repeats as the same object."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = encoded.indices.to_pylist()
        lengths = pc.binary_length(encoded.dictionary).to_pylist()
        for place, index in enumerate(indices, start=row):
            if index is None:
                raise DataError(f"Each row of '{self._path}' has a string in 'text'; row {place} has None.")
            if lengths[index] > LONGEST_TEXT:
                raise DataError(
                    f"A text has at most {LONGEST_TEXT / 1e6:,.0f} MB; row {place} of '{self._path}' has "
                    f"{lengths[index] / 1e6:,.0f} MB: cut it into documents."
                )
        times, texts = Counter(indices), dict[int, str]()
        for place, index in enumerate(indices, start=row):
            try:
                text = texts[index] if index in texts else encoded.dictionary[index].as_py()
            except UnicodeDecodeError as error:  # the format says UTF-8, and nothing holds writers to it
                raise DataError(
                    f"A text is UTF-8; row {place} of '{self._path}' is not, at its byte {error.start}: write the file again."
                ) from error
            if times[index] > 1:
                texts[index] = text
            yield text

    def _refuse(self, error: Exception) -> NoReturn:
        first_line = (str(error).strip() or "no message").splitlines()[0][:160]
        raise DataError(f"'{self._path}' cannot be read as Parquet: {first_line}") from error

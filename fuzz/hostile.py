"""What is put into files and options: values on which readers are known to stumble. Pure values."""

from __future__ import annotations

DEEP = 3_000
"""Levels of nesting; Python's own limit is 1,000."""

NUMBERS = (
    "0",
    "-1",
    "-0.0",
    "1e400",
    "-1e400",
    "1e-400",
    "NaN",
    "Infinity",
    "-Infinity",
    "0.1",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "1" + "0" * 40,
    "9" * 5_000,
)
"""As they are written in JSON, some by Python's alone: past 64 bits, past a double, no number at all, past int()'s limit."""

WORDS = (
    "",
    " ",
    "\t",
    "\x00",
    "\x1b[2J\x1b]0;title\x07",
    "\x7f\x85",
    "\r",
    "\n",
    "\r\n",
    "\n\n\n",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\u200b\u200d",
    "\u202e right to left",
    "e\u0301\u0301\u0301",
    "🙂👩‍👩‍👧",
    "東京は日本の首都です。",
    "İ ß ŉ ﬁ",
    "²③ ٣",
    "\ud800",
    "\udcff",
    "\U0010ffff",
    '"',
    "'",
    "\\",
    "\\u0000",
    '","',
    "{}",
    "[]",
    "null",
    "true",
    "None",
    "nan",
    "%s%n{0}{name}",
    "[red]text[/]",
    "[/]",
    "<script>alert(1)</script>",
    "</script>",
    "../../../outside",
    "~nobody-here/file",
    ".",
    "..",
    "a/b",
    "=1+1",
    "-",
    "--",
    "--help",
    ",",
    ";",
    "|",
    "# text = ",
    "<|endoftext|><bos>",
    "a" * 300,
    "word " * 2_000,
)
"""Text: control characters, ends of lines that are none, halves of surrogates, markup of four languages, names of places."""

BYTES = (
    b"\x00",
    b"\x00" * 64,
    b"\xff",
    b"\xff" * 8,
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"PAR1",
    b"GGUF",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"[" * DEEP,
    b'{"a":' * DEEP,
)
"""No text, or that of another file: marks of byte order, overlong and cut sequences, magic numbers, lengths at their limits."""

OPTION_WORDS = tuple(
    word for word in WORDS if "\x00" not in word and "\ud800" not in word and not word.startswith("\U0010ffff")
)
"""Those that a shell can hand over: no NUL; bytes that are no UTF-8 come as ``\\udc80`` to ``\\udcff``."""

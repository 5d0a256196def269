"""Bytes of a text file to text and cells, whatever program wrote it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from earmark.errors import DataError

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"),
         (b"\xfe\xff", "utf-16"))  # fmt: skip
_LOOKED_AT = 4096  # bytes
_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 50  # lines that tell the separator
_AGREE = 0.9  # share of them that must have as many cells as the first
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}
_MOST_CELL = 1 << 24  # characters of a cell; the csv module's own limit is 131,072


def encoding_of(data: bytes) -> str:
    """Encoding of text: by its mark, by its zero bytes, else UTF-8, else Windows-1252; empty for what is no text."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    head = data[:_LOOKED_AT]
    zeros = [head[side::2].count(0) for side in (0, 1)]
    if max(zeros) > len(head) // 4 and min(zeros) == 0:  # UTF-16 without a mark
        return "utf-16-le" if zeros[1] else "utf-16-be"
    if _CONTROL.intersection(head):
        return ""
    # Stray bytes in UTF-8 are damage; they are another encoding where they are the rule.
    beyond = [letter for letter in data.decode("utf-8", errors="surrogateescape") if ord(letter) > 127]
    stray = sum(0xDC80 <= ord(letter) <= 0xDCFF for letter in beyond)
    return "cp1252" if 2 * stray > len(beyond) else "utf-8"


def decoded(path: Path, data: bytes) -> tuple[str, str]:
    """Text of a file's bytes, and its encoding.

    Raises
    ------
    DataError
        For what is no text.
    """
    encoding = encoding_of(data)
    if not encoding:
        raise DataError(f"{path}: is not text; export it as CSV in UTF-8")
    try:
        text = data.decode(encoding, errors="replace" if encoding == "cp1252" else "strict")
    except UnicodeError as error:
        line = data[: getattr(error, "start", 0)].count(b"\n") + 1
        raise DataError(f"{path}: line {line} is not {encoding.upper()} text; save the file as UTF-8") from error
    return text.replace("\0", ""), encoding


def read_text(path: Path) -> tuple[str, str]:
    """Text of a file, and its encoding.

    Raises
    ------
    DataError
        Where it is missing, cannot be read or is no text.
    """
    try:
        return decoded(path, path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; check the path and its permissions") from error


def cells(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, with the number of their line; the blanks around a cell are taken off."""
    csv.field_size_limit(_MOST_CELL)
    file = io.StringIO(text, newline="")
    # A stray quote, or two of them, would swallow the lines behind.
    swallows = separator == "\t" and any("\t" in quoted and "\n" in quoted for quoted in text.split('"')[1::2])
    if text.count('"') % 2 or swallows:
        rows = csv.reader(file, delimiter=separator, quoting=csv.QUOTE_NONE, skipinitialspace=True)
    else:
        rows = csv.reader(file, delimiter=separator, skipinitialspace=True)
    return [(rows.line_num, stripped) for row in rows if any(stripped := [cell.strip() for cell in row])]


def separator_of(text: str) -> str:
    """The mark between the cells: the one that cuts the first lines into most cells, of as many in each."""
    lines = [line for line in text.split("\n", _SAMPLE)[:_SAMPLE] if line.strip()]
    found = []
    for mark in _SEPARATORS:
        counts = [len(row) for _, row in cells("\n".join(lines), mark)]
        if counts and counts[0] > 1:
            found.append((sum(n <= counts[0] for n in counts) >= _AGREE * len(counts), counts[0], mark))
    return max(found, key=lambda one: one[:2])[2] if found else ","

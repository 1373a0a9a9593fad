"""Lines of text files in any encoding; what is not in it is named with line and byte."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from i3_pyserini.errors import I3Error

BYTE_ORDER_MARK = "\ufeff"
CHUNK = 1 << 16  # bytes
WIDE = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # first bytes that declare an encoding


def decoded_lines(file: BinaryIO, path: Path, encoding: str) -> Iterator[str]:
    """Yields lines with their ends (LF or CRLF); a byte order mark is skipped.

    Args:
        file: the content.
        path: its name, for messages.
        encoding: its encoding, such as "cp1252".

    Raises:
        I3Error: it is in another encoding; names line, byte and remedy.
    """
    lines = _narrow if "\n".encode(encoding) == b"\n" else _wide
    for number, line in enumerate(lines(file, path, encoding)):
        yield line if number else line.removeprefix(BYTE_ORDER_MARK)


def _narrow(file: BinaryIO, path: Path, encoding: str) -> Iterator[str]:
    """Lines in an encoding in which a line feed is one byte."""
    for number, raw in enumerate(file, start=1):
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError as error:
            declared = WIDE.get(raw[:2]) if number == 1 else None
            raise _other(path, number, error.start + 1, encoding, declared) from error


def _wide(file: BinaryIO, path: Path, encoding: str) -> Iterator[str]:
    """Lines in an encoding in which they cannot be found before they are decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    pending, number, read = "", 1, 0
    while True:
        chunk = file.read(CHUNK)
        start = read - len(decoder.getstate()[0])
        try:
            pending += decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            valid = error.object[: error.start].decode(error.encoding, "replace")
            line = number + (pending + valid).count("\n")
            raise _other(path, line, start + error.start + 1, encoding, None, "file") from error
        except UnicodeError as error:  # UTF-16 without a byte order mark
            raise _other(path, 1, 1, encoding, None, "file") from error
        *lines, pending = pending.split("\n")
        yield from (f"{line}\n" for line in lines)
        number, read = number + len(lines), read + len(chunk)
        if not chunk:
            break
    if pending:
        yield pending


def _other(
    path: Path, line: int, byte: int, encoding: str, declared: str | None, of: str = "line"
) -> I3Error:
    if declared:
        advice = f"its first bytes are those of {declared}: --encoding {declared}"
    elif codecs.lookup(encoding).name == "utf-8":
        advice = (
            "name the file's encoding with --encoding (cp1252 for files of Excel on Windows in "
            "Western languages)"
        )
    else:
        advice = "name the file's encoding with --encoding"
    return I3Error(
        f"{path}, line {line}: not valid {encoding.upper()} at byte {byte} of the {of}; {advice}"
    )

"""Files of lines, JSON or tab-separated, read one by one; errors name the file and the line.

Tabs separate literally: no quotes, no escapes, every line its own.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SUFFIXES = (".jsonl", ".json")


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields `(line number, object)` for every non-blank line; the file is streamed.

    Args:
        path: a UTF-8 file with one JSON object per line, plain, gzip or zstd; a byte order mark
            is skipped.

    Raises:
        I3Error: the file cannot be read, or a line is not UTF-8, not JSON, or not an object.
    """
    with open_bytes(path) as lines:
        for number, raw in enumerate(lines, start=1):
            line = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
            if line.strip():
                yield number, _parse(line, f"{path}, line {number}")


def _parse(line: bytes, place: str) -> dict[str, Any]:
    try:
        return parse_object(line)
    except I3Error as error:
        raise I3Error(f"{place}: {error}") from error


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object on a line.

    Raises:
        I3Error: it is not UTF-8, not JSON, or not an object; the message does not say where.
    """
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise I3Error(
            f"not valid UTF-8 at byte {error.start + 1}; re-encode the file as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise I3Error(
            f"not valid JSON ({error.msg} at column {error.colno}); expected one JSON object a line"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number too long
        raise I3Error(f"not usable JSON ({error})") from error
    if not isinstance(value, dict):
        raise I3Error(
            f'expected a JSON object such as {{"id": …, "contents": …}}, '
            f"found a {type(value).__name__}"
        )
    return value


def refuse_surrogates(text: str, what: str) -> None:
    """Raises for half a UTF-16 pair, which JSON can write but no UTF-8 file can hold.

    Args:
        text: any text.
        what: what it is, and where, for the message.

    Raises:
        I3Error: there is one.
    """
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise I3Error(
            f"{what}: a lone surrogate at character {error.start + 1}, which is not valid Unicode: "
            f"{text!a:.80}"
        ) from error


def read_tsv(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yields `(line number, "FILE, line N", fields)` for every line that is not blank.

    Args:
        path: a UTF-8 file, plain, gzip or zstd; streamed. Lines end in LF or CRLF; a byte order
            mark is skipped.

    Raises:
        I3Error: the file cannot be read, or a line is not UTF-8.
    """
    with open_bytes(path) as lines:
        for number, raw in enumerate(lines, start=1):
            place = f"{path}, line {number}"
            line = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
            try:
                text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                raise I3Error(
                    f"{place}: not valid UTF-8 at byte {error.start + 1}; re-encode the file"
                ) from error
            if text.strip():
                yield number, place, text.split("\t")

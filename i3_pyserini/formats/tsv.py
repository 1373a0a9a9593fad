"""Tab-separated lines, read literally: no quotes, no escapes, every line its own."""

from collections.abc import Iterator
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes


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
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError as error:
                raise I3Error(
                    f"{place}: not valid UTF-8 at byte {error.start + 1}; re-encode the file"
                ) from error
            if text.strip():
                yield number, place, text.split("\t")

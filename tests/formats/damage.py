"""Damaged files for property tests, and what may come of reading one: a result or one I3Error."""

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

T = TypeVar("T")
SOAK = int(os.environ.get("I3_EXAMPLES", "0"))
LONGEST_MESSAGE = 2000


def examples(count: int) -> settings:
    """Settings of a property: so many examples, or as many as `make soak` asks for."""
    return settings(
        max_examples=SOAK or count,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


NASTY = [
    *(b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b"\t", b" ", b'"'),
    *(b",", b"{", b"}", b"[" * 2000, b'{"a":' * 2000, b"\\", b"\\ud800", b"\xed\xa0\x80", b"1e999"),
    *(b"9" * 5000, b"-", b"NaN", b"Infinity", b"null", b"true", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"),
    *(b"\xc2\x85", b"\xe2\x80\xa8", b"\x1c", b"\x1f", b"#", b"%", "🥚".encode(), b"PAR1", b"\x1a"),
]
WHOLE: list[Callable[[bytes], bytes]] = [
    lambda content: content,
    lambda content: b"\xef\xbb\xbf" + content,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.replace(b"\n", b"\r"),
    lambda content: content.removesuffix(b"\n"),
    lambda content: content.decode("utf-8", "replace").encode("utf-16"),
    lambda content: content.decode("utf-8", "replace").encode("latin-1", "replace"),
    gzip.compress,
    lambda content: gzip.compress(content)[:-5],
    lambda content: gzip.compress(content) + b"more",
    lambda content: gzip.compress(content) + gzip.compress(content),
    zstd.compress,
    lambda content: zstd.compress(content)[:-3],
    lambda content: gzip.compress(zstd.compress(content)),
    lambda content: content * 2,
    lambda content: b"",
    lambda content: b"\n \n\t\n",
]


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A file's content with something about it changed, and all of it maybe encoded otherwise."""
    content = valid
    for _ in range(draw(st.integers(0, 3))):
        edit = draw(st.sampled_from([_insert, _cut, _flip, _truncate, _lines, _replace]))
        content = edit(draw, content)
    return draw(st.sampled_from(WHOLE))(content)


def _place(draw: st.DrawFn, content: bytes) -> int:
    return draw(st.integers(0, len(content)))


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    place = _place(draw, content)
    return content[:place] + draw(st.sampled_from(NASTY)) + content[place:]


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    place = _place(draw, content)
    return content[:place] + content[place + draw(st.integers(1, 12)) :]


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    place = _place(draw, content)
    return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]


def _truncate(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: _place(draw, content)]


def _lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Lines left out, twice, or in another order."""
    lines = content.splitlines(keepends=True)
    chosen = draw(st.lists(st.sampled_from(lines), max_size=len(lines) + 1)) if lines else []
    return b"".join(chosen)


def _replace(draw: st.DrawFn, content: bytes) -> bytes:
    """A word instead of another, wherever that is."""
    words = sorted(set(content.replace(b"\t", b" ").split()))
    if not words:
        return content
    return content.replace(draw(st.sampled_from(words)), draw(st.sampled_from([*NASTY, *words])))


def result_or_one_line(read: Callable[[], T], named: str) -> T | I3Error:
    """What `read` returns, or its I3Error: one line that names the file; any other goes through."""
    try:
        return read()
    except I3Error as error:
        message = str(error)
        assert named in message, f"does not name {named}: {message!r}"
        assert "\n" not in message and len(message) < LONGEST_MESSAGE, repr(message[:3000])
        return error


def write(folder: str, name: str, content: bytes) -> Path:
    """Writes a file."""
    path = Path(folder) / name
    path.write_bytes(content)
    return path


def compressed(content: bytes, how: str) -> bytes:
    """Content as it is (""), or compressed by "gzip" or "zstd"."""
    compress: dict[str, Any] = {"": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
    made: bytes = compress[how](content)
    return made

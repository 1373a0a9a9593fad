"""Contents of files in every compression, under names that say it and names that do not."""

import gzip
from collections.abc import Callable
from pathlib import Path

from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "zstd": zstd.compress,
    "zstd in two frames": lambda data: zstd.compress(data[:5]) + zstd.compress(data[5:]),
}
# Each is a name that a shell, a pattern or an address would take for something else.
ODD_NAMES = [
    "a[1]",
    "*",
    "what?",
    "two words",
    "#1",
    "é ü 中",
    "a%20b",
    "{x,y}",
    "~",
    "$HOME",
    "-x",
]


def write(path: Path, content: str | bytes, compression: str = "plain") -> Path:
    """Writes a file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(COMPRESS[compression](data))
    return path

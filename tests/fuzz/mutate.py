"""Changes of files beyond those of libFuzzer's bytes: lines, words, and files as a whole."""

import random
from collections.abc import Callable

from tests.formats.damage import NASTY, WHOLE

Change = Callable[[random.Random, bytes], bytes]
# What libFuzzer may put anywhere, and these changes put between and instead of words.
WORDS = [
    *(
        b"0",
        b"-1",
        b"1",
        b"2",
        b"255",
        b"256",
        b"65536",
        b"2147483648",
        b"1e309",
        b"9" * 400,
        b"0.5",
        b"1e-9",
    ),
    *(b"nan", b"inf", b"null", b"true", b"false", b'""', b"[]", b"{}", b"[1]", b'{"a":1}', b"''"),
    *(b"q1", b"d1", b"id", b"_id", b"text", b"title", b"query", b"score", b"rank", b"..", b"../a"),
    *(
        b"module.",
        b"bert.",
        b"/",
        b"a/b",
        b"~",
        b"*",
        b"&a",
        b"*a",
        b"!!binary",
        b"!!set",
        b"<<",
        b"2020-13-01",
        b"---",
    ),
    *(b"F16", b"BF16", b"I64", b"U8", b"F64", b"BOOL", b"int8", b"<f8", b"|O", b"sep=;"),
]


def mutated(content: bytes, most: int, seed: int) -> bytes:
    """A file with one to three changes, of at most so many bytes."""
    source = random.Random(seed)
    for _ in range(source.randint(1, 3)):
        content = source.choice(CHANGES)(source, content)
    return content[:most]


def _place(source: random.Random, content: bytes) -> int:
    return source.randint(0, len(content))


def _insert(source: random.Random, content: bytes) -> bytes:
    place = _place(source, content)
    return content[:place] + source.choice([*NASTY, *WORDS]) + content[place:]


def _cut(source: random.Random, content: bytes) -> bytes:
    place = _place(source, content)
    return content[:place] + content[place + source.randint(1, 12) :]


def _truncate(source: random.Random, content: bytes) -> bytes:
    return content[: _place(source, content)]


def _lines(source: random.Random, content: bytes) -> bytes:
    """Lines left out, twice, or in another order."""
    lines = content.splitlines(keepends=True) or [b""]
    place, other = source.randrange(len(lines)), source.randrange(len(lines))
    how = source.randrange(4)
    if how == 0:
        lines.insert(other, lines[place])
    elif how == 1:
        del lines[place]
    elif how == 2:
        lines[place], lines[other] = lines[other], lines[place]
    else:
        lines.insert(place, b"\n")
    return b"".join(lines)


def _word(source: random.Random, content: bytes) -> bytes:
    """A word instead of another, in one place or wherever that is."""
    marks = b'\t ,:;"[]{}\n|'
    parts = content.translate(bytes.maketrans(marks, b"\n" * len(marks))).split(b"\n")
    words = sorted({part for part in parts if part})
    if not words:
        return content
    old, new = source.choice(words), source.choice([*WORDS, *words])
    if source.random() < 0.5:
        return content.replace(old, new)
    places = content.split(old)
    place = source.randrange(1, len(places))
    return old.join(places[:place]) + new + old.join(places[place:])


def _whole(source: random.Random, content: bytes) -> bytes:
    return source.choice(WHOLE)(content)


CHANGES: list[Change] = [_insert, _cut, _truncate, _lines, _lines, _word, _word, _word, _whole]

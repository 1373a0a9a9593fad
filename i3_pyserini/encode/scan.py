"""One pass over a corpus before encoding: checks every line and splits the corpus into parts."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage, shortened
from i3_pyserini.formats.passages import Corpus, Place
from i3_pyserini.formats.unique import SeenIds

PART_PASSAGES = 4096


@dataclass(frozen=True)
class Shard:
    """One of `number` byte ranges of equal length in the corpus, counted from 0.

    A line belongs to the range in which it begins, so every line is in exactly one range.
    """

    id: int = 0
    number: int = 1


@dataclass(frozen=True)
class Part:
    """Passages that are encoded and written together.

    Attributes:
        start: position of the first passage.
        passages: number of passages.
    """

    start: Place
    passages: int


@dataclass(frozen=True)
class Scan:
    """The result of one pass over a shard of a corpus.

    Attributes:
        passages: number of passages.
        sha256: hash of all bytes of its lines, in order.
        parts: its parts, in order.
        titled: number of passages with a title.
        empty: number of passages without text.
    """

    passages: int
    sha256: str
    parts: tuple[Part, ...]
    titled: int = 0
    empty: int = 0


def scan(
    corpus: Corpus,
    shard: Shard | None = None,
    folder: Path | None = None,
    part_passages: int = PART_PASSAGES,
    each: Callable[[Passage, bytes], object] | None = None,
) -> Scan:
    """Reads a shard of a corpus once.

    Args:
        corpus: the corpus.
        shard: the shard; None for the whole.
        folder: folder for temporary files (8 bytes per passage); None for the system's default.
        part_passages: passages per part; the last part may have fewer.
        each: called with every passage and its line, in order.

    Raises:
        I3Error: a line is invalid, an id occurs twice, or there are no passages.
    """
    shard = shard or Shard()
    digest, parts, seen = hashlib.sha256(), [], SeenIds(folder)
    start, count, titled, empty = Place(), 0, 0, 0
    for place, line in _bar(shard_lines(corpus, shard), corpus):
        digest.update(line)
        if line.strip():
            passage = corpus.passage(line, place)
            seen.add(passage.docid)
            if each is not None:
                each(passage, line)
            titled += bool(passage.title)
            empty += not passage.text
            start = start if count else place
            count += 1
            if count == part_passages:
                parts.append(Part(start, count))
                count = 0
    if count:
        parts.append(Part(start, count))
    if not parts:
        _refuse_empty(corpus, shard)
    if repeated := seen.repeated():
        lines = ((p, line) for p, line in shard_lines(corpus, shard) if line.strip())
        if second := repeated.second(corpus.passage(line, p).docid for p, line in lines):
            _refuse_second(corpus, shard, *second)
    passages = sum(part.passages for part in parts)
    return Scan(passages, digest.hexdigest(), tuple(parts), titled, empty)


def hash_of(corpus: Corpus, shard: Shard) -> str:
    """Computes only `Scan.sha256`, without parsing the lines."""
    digest = hashlib.sha256()
    for _, line in _bar(shard_lines(corpus, shard), corpus):
        digest.update(line)
    return digest.hexdigest()


def shard_lines(corpus: Corpus, shard: Shard) -> Iterator[tuple[Place, bytes]]:
    """Yields the lines of a shard, including blank ones, with their positions."""
    if shard.number == 1:  # the size of files that are not plain JSONL needs a pass over them
        yield from corpus.lines(Place())
        return
    size = size_of(corpus)
    start = place_of_byte(corpus, size * shard.id // shard.number)
    end = place_of_byte(corpus, size * (shard.id + 1) // shard.number)
    for place, line in corpus.lines(start):
        if (place.file, place.offset) >= (end.file, end.offset):
            return
        yield place, line


def place_of_byte(corpus: Corpus, byte: int) -> Place:
    """The file and offset of a byte position in the concatenated lines of a corpus."""
    for number, size in enumerate(corpus.sizes):
        if byte < size:
            return Place(number, byte)
        byte -= size
    return Place(len(corpus.files), 0)


def size_of(corpus: Corpus) -> int:
    """Bytes of the lines of all files of a corpus."""
    return sum(corpus.sizes)


def _bar(lines: Iterator[tuple[Place, bytes]], corpus: Corpus) -> Iterator[tuple[Place, bytes]]:
    name = f"check {corpus.path.name}"
    return iter(tqdm(lines, desc=name, unit=" lines", unit_scale=True, delay=2))


def _refuse_empty(corpus: Corpus, shard: Shard) -> None:
    if shard.number == 1:
        raise I3Error(f"{corpus.path}: no passages in {len(corpus.files)} file(s)")
    raise I3Error(
        f"{corpus.path}: no passage begins in shard {shard.id} of {shard.number}; use fewer shards"
    )


def _refuse_second(corpus: Corpus, shard: Shard, position: int, docid: str) -> None:
    passages = (place for place, line in shard_lines(corpus, shard) if line.strip())
    place = next(place for number, place in enumerate(passages) if number == position)
    raise I3Error(
        f"{corpus.name_of(place)}: id {shortened(docid)} occurs a second time; ids must be unique"
    )

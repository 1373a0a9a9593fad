"""Routes of what is done with a collection: updates, and documents that are cut into windows."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from i3_pyserini.formats.windows import CONTINUOUS
from tests.worlds.commands import attempt, command
from tests.worlds.compare import check_hits, check_vectors, read_hits, read_index
from tests.worlds.models import POSITIONS
from tests.worlds.place import Place
from tests.worlds.reference import Ranked, lengths_of, reference_of
from tests.worlds.texts import some_text
from tests.worlds.world import Record, World

LEAST_RECORDS = 5  # for three files
WAYS = ("tokens", "sentences", "paragraphs")
BEST = 3  # windows of a mean


def updates(place: Place) -> None:
    """The index of an earlier state of the collection, updated: in place, or to another folder."""
    world, random = place.readable, Random(place.world.seed)
    older = replace(world, records=_older(world, random))
    index = place.folder / "updated"
    corpus = place.write("updates", older)
    place.encode_own(index, corpus)
    place.write("updates", world)
    target = index if world.seed % 2 else place.folder / "updated-elsewhere"
    place.encode_own(target, corpus, "--update", index)
    check_vectors(*read_index(target), place.reference, "encode --update")
    place.check_run(place.search_own("updated.txt", target), "search of an updated index")
    done = command("i3_pyserini", *place.own_words(target, corpus, "--update", target))
    assert done.out.startswith("unchanged"), f"encode --update, nothing new: {done.out}"


def _older(world: World, random: Random) -> tuple[Record, ...]:
    """Some passages less, some more, some others, in another order."""
    older = []
    for record in world.records:
        older += _earlier(record, world, random)
    older += [
        Record(f"gone-{number}", None, some_text(random, 4))
        for number in range(max(random.randint(0, 2), LEAST_RECORDS - len(older)))
    ]
    random.shuffle(older)
    return tuple(older)


def _earlier(record: Record, world: World, random: Random) -> list[Record]:
    """A passage's earlier state; none if it is new."""
    fate = random.choice(("new", "same", "same", "text", "title", "id"))
    if fate == "text":
        return [replace(record, text=f"{record.text} {some_text(random, 2)}".strip())]
    if fate == "title" and world.files.style != "bare":
        return [replace(record, title=None if record.title else "another title")]
    if fate == "id":
        return [replace(record, docid=f"old-{record.docid}")]
    return [] if fate == "new" else [record]


def windows(place: Place) -> None:
    """Documents cut while they are encoded, their windows, and documents by their best windows."""
    world, random = _documents(place.readable), Random(place.world.seed)
    corpus, index = place.write("documents", world), place.folder / "windows"
    size = min(world.model.lengths[1], POSITIONS)
    by = random.choice(WAYS)
    overlap = random.choice((0, 0, 1, 3))
    how = ("--chunk", by, "--chunk-size", size, "--chunk-overlap", overlap)
    done = attempt("i3_pyserini", *place.own_words(index, corpus, *how))
    if done.code == 2 and (f"size {size} leaves" in done.err or "overlap" in done.err):
        return  # no room for a text
    assert done.code == 0, done
    found = _read_windows(index / "chunks" / "corpus" / "corpus.jsonl")
    cut = [Record(one["id"], one["title"], one["text"]) for one in found]
    _check_windows(world, found, overlap)
    _check_lengths(cut, lengths_of(world, place.model, cut), size)
    reference = reference_of(replace(world, records=tuple(cut)), place.model)
    check_vectors(*read_index(index), reference, f"encode --chunk {by}")
    qids, count = list(world.topics), len(cut)
    run = place.search_own("windows.txt", index, "--documents", "none", k=count)
    check_hits(read_hits(run), qids, reference, count, "search --documents none")
    documents = [record.docid for record in world.records]
    best, means = _by_document(reference.scores, [one["id"] for one in found], documents)
    for name, scores in (("max", best), ("mean3", means)):
        run = place.search_own(f"{name}.txt", index, "--documents", name)
        ranked = Ranked(documents, scores)
        check_hits(read_hits(run), qids, ranked, world.k, f"search --documents {name}")
    turned = place.folder / "documents.txt"
    source = place.folder / "windows.txt"
    command("i3_pyserini", "documents", source, "--output", turned, "--hits", world.k)
    check_hits(read_hits(turned), qids, Ranked(documents, best), world.k, "documents")


def words(place: Place) -> None:
    """`data chunk` without a model: so many words in a window, counted with `str.split`."""
    world, random = _documents(place.readable), Random(place.world.seed)
    corpus, target = place.write("to-cut", world), place.folder / "cut"
    size = random.randint(8, 12)
    overlap = random.choice((0, 1, size - 1))
    how = ("--by", "tokens", "--size", size, "--overlap", overlap)
    command("i3_pyserini", "data", "chunk", corpus, "--output", target, *how)
    found = _read_windows(target / "corpus" / "corpus.jsonl")
    _check_windows(world, found, overlap)
    for record in world.records:
        own = [one["text"].split() for one in found if _document(one["id"]) == record.docid]
        if CONTINUOUS.search(record.text):
            continue
        right, start, every = [], 0, record.text.split()
        while True:
            right.append(every[start : start + size])
            if start + size >= len(every):
                break
            start += size - overlap
        assert own == right, f"data chunk: {record.docid!r} has windows {own}, not {right}"


def _documents(world: World) -> World:
    """Ids of documents have no "#", which stands before a window's number."""
    records = [
        replace(record, docid=record.docid.replace("#", f"no-{row}-"))
        for row, record in enumerate(world.records)
    ]
    return replace(world, records=tuple(records))


def _read_windows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [{"title": None, **json.loads(line)} for line in lines]


def _document(window: str) -> str:
    return window.rpartition("#")[0]


def _check_windows(world: World, found: Sequence[dict[str, Any]], overlap: int) -> None:
    """Windows are in order, are what they say of their documents, and leave no letter out."""
    ids = [f"{record.docid}#" for record in world.records]
    assert list(dict.fromkeys(f"{_document(one['id'])}#" for one in found)) == ids, "documents"
    for record in world.records:
        own = [one for one in found if _document(one["id"]) == record.docid]
        numbers = [one["id"] for one in own]
        assert numbers == [f"{record.docid}#{number}" for number in range(len(own))], numbers
        covered = np.zeros(len(record.text), dtype=bool)
        for one in own:
            start, end = one["start"], one["end"]
            assert one["text"] == record.text[start:end], f"{one['id']}: not its place's text"
            title, given = one["title"] or "", record.title or ""
            assert given.startswith(title) and bool(title) == bool(given), f"{one['id']}: {title}"
            covered[start:end] = True
        left = [letter for letter, seen in zip(record.text, covered, strict=True) if not seen]
        assert not "".join(left).strip(), f"{record.docid!r}: {''.join(left)!r} is in no window"
        for before, after in pairwise(own):
            assert before["end"] < after["end"], f"{after['id']} has nothing new"
            if not overlap:
                assert before["end"] <= after["start"], f"{after['id']} repeats something"


def _check_lengths(cut: Sequence[Record], lengths: Sequence[int], size: int) -> None:
    """No window is longer than allowed, but a piece that cannot be divided."""
    for record, length in zip(cut, lengths, strict=True):
        whole = len(record.text.split()) == 1 and len(record.text) <= LONGEST_PIECE
        assert length <= size or whole, f"window {record.docid!r} has {length} ids, not {size}"


LONGEST_PIECE = 12  # letters, such as an emoji of several


def _by_document(
    scores: np.ndarray[Any, Any], ids: Sequence[str], documents: Sequence[str]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The best score of each document's windows, and the mean of its best three, [Q, D]."""
    best, means = [], []
    for document in documents:
        own = np.sort(scores[:, [row for row, one in enumerate(ids) if _document(one) == document]])
        best.append(own[:, -1])
        means.append(own[:, -BEST:].mean(axis=1))
    return np.stack(best, axis=1), np.stack(means, axis=1)

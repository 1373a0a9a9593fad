"""Our own layout of a collection: written from any source, and checked, in one way.

`corpus/corpus.jsonl`, `topics.SPLIT.tsv`, `qrels.SPLIT.txt` and `manifest.json`.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.data.manifest import Manifest
from i3_pyserini.data.sources.base import Document, Judgement, Source
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file

# What a collection's folder holds; text stores are made beside the corpus by training.
OWN = (
    "manifest.json",
    "corpus/*.jsonl",
    "topics.*.tsv",
    "qrels.*.txt",
    "*.store",
    "corpus/*.store",
)


@dataclass
class Findings:
    """What a pass over a collection found.

    Attributes:
        passages: number of passages.
        empty: passages without text.
        topics: number of topics by split.
        judgements: number of judgements by split.
        unknown: judgements of absent passages that were left out.
    """

    passages: int = 0
    empty: int = 0
    topics: dict[str, int] = field(default_factory=dict)
    judgements: dict[str, int] = field(default_factory=dict)
    unknown: int = 0

    def __str__(self) -> str:
        splits = [
            f"{split}: {count:,} topics, {self.judgements.get(split, 0):,} judgements"
            for split, count in self.topics.items()
        ]
        notes = [f"{self.empty:,} passages without text"] if self.empty else []
        if self.unknown:
            notes.append(f"{self.unknown:,} judgements of absent passages left out")
        return "; ".join([f"{self.passages:,} passages", *splits, *notes])


class CheckedCollection:
    """A source whose every line is checked while it is read; passages first, then the splits.

    Memory: about 120 bytes a passage, for duplicate ids and for judgements of absent passages.

    Args:
        source: the collection.
        drop_unknown: leave judgements of absent passages out rather than refuse them.
    """

    def __init__(self, source: Source, drop_unknown: bool = False) -> None:
        self.source, self.drop_unknown = source, drop_unknown
        self.findings = Findings()
        self._pids: set[str] = set()

    def passages(self) -> Iterator[Document]:
        """The passages.

        Raises:
            I3Error: there are none, or an id occurs twice or could not stand in a run file.
        """
        for passage in tqdm(self.source.passages(), desc="passages", unit=" passages", delay=2):
            _check_id(passage.pid, passage.place)
            _check_text(f"{passage.pid}{passage.title or ''}{passage.text}", passage.place)
            if passage.pid in self._pids:
                raise I3Error(
                    f"{passage.place}: passage {passage.pid!r} occurs a second time; ids must be "
                    "unique"
                )
            self._pids.add(passage.pid)
            self.findings.passages += 1
            self.findings.empty += not (passage.text.strip() or (passage.title or "").strip())
            yield passage
        if not self._pids:
            raise I3Error(f"{self.source.origin}: no passages")

    def split(self, name: str) -> tuple[dict[str, str], list[Judgement]]:
        """Topics by query id, and the judgements of a split, after all passages were read.

        Raises:
            I3Error: it is empty, a query id occurs twice, or a judgement is of a passage or a query
                that is not there.
        """
        topics: dict[str, str] = {}
        for topic in self.source.topics(name):
            _check_id(topic.qid, topic.place)
            _check_text(f"{topic.qid}{topic.query}", topic.place)
            if topic.qid in topics:
                raise I3Error(f"{topic.place}: query id {topic.qid!r} occurs a second time")
            topics[topic.qid] = " ".join(topic.query.split())
        if not topics:
            raise I3Error(f"{self.source.origin}: split {name!r} has no topics")
        unknown = self.findings.unknown
        judgements = list(self._judgements(name, topics))
        if not judgements and self.findings.unknown > unknown:
            raise I3Error(
                f"{self.source.origin}: no judgement of split {name!r} is of a passage that is here"
            )
        self.findings.topics[name] = len(topics)
        self.findings.judgements[name] = len(judgements)
        return topics, judgements

    def _judgements(self, split: str, topics: dict[str, str]) -> Iterator[Judgement]:
        seen: set[tuple[str, str]] = set()
        judgement = None
        for judgement in self.source.judgements(split):
            pair = judgement.qid, judgement.pid
            if judgement.qid not in topics:
                raise I3Error(f"{judgement.place}: query {judgement.qid!r} is not in the topics")
            if pair in seen:
                raise I3Error(
                    f"{judgement.place}: passage {judgement.pid!r} is judged a second time for "
                    f"query {judgement.qid!r}"
                )
            seen.add(pair)
            if judgement.pid in self._pids:
                yield judgement
            elif self.drop_unknown:
                self.findings.unknown += 1
            else:
                raise I3Error(
                    f"{judgement.place}: passage {judgement.pid!r} is not in the collection; "
                    "import with --drop-unknown leaves such judgements out"
                )


def write_collection(
    source: Source, target: Path, overwrite: bool = False, drop_unknown: bool = False
) -> Findings:
    """Writes a collection in our layout; the folder appears when it is complete.

    Passages have `contents` besides `title` and `text`, which is what Anserini indexes.

    Args:
        source: the collection.
        target: the folder.
        overwrite: replace an older folder that was made here.
        drop_unknown: see `CheckedCollection`.

    Raises:
        I3Error: the source is not as it should be, or `target` is in the way or cannot be written.
    """
    if target.exists():
        if not overwrite:
            raise I3Error(f"{target}: exists; choose another name, or --overwrite")
        _refuse_foreign(target)
    shown, target = target, target.resolve()
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        findings = _write(CheckedCollection(source, drop_unknown), partial)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    except OSError as error:
        raise I3Error(f"{shown}: cannot be written ({error.strerror or error})") from error
    except I3Error as error:  # a name that only we know helps nobody
        raise I3Error(str(error).replace(str(partial), str(shown))) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return findings


def _refuse_foreign(folder: Path) -> None:
    """Raises if a folder holds anything but a collection in our layout."""
    Manifest.load(folder)
    own = {path for pattern in OWN for path in folder.glob(pattern)}
    foreign = [path for path in folder.rglob("*") if path.is_file() and path not in own]
    if foreign:
        raise I3Error(
            f"{folder}: holds {foreign[0].relative_to(folder)} too; it is not overwritten"
        )


def check_collection(source: Source) -> Findings:
    """Reads a whole collection.

    Raises:
        I3Error: something in it is not as it should be.
    """
    checked = CheckedCollection(source)
    for _ in checked.passages():
        pass
    for split in source.splits():
        checked.split(split)
    return checked.findings


def _write(checked: CheckedCollection, folder: Path) -> Findings:
    source = checked.source
    with new_file(folder / "corpus" / "corpus.jsonl") as file:
        for passage in checked.passages():
            file.write(json.dumps(_record(passage), ensure_ascii=False) + "\n")
    for split in source.splits():
        topics, judgements = checked.split(split)
        with new_file(folder / f"topics.{split}.tsv") as file:
            file.writelines(f"{qid}\t{query}\n" for qid, query in topics.items())
        if judgements:
            with new_file(folder / f"qrels.{split}.txt") as file:
                file.writelines(f"{one.qid} 0 {one.pid} {one.relevance}\n" for one in judgements)
    manifest = Manifest(folder, source.name, source.name)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        is_corpus = name.startswith("corpus/")
        manifest.add(name, source.origin, collection=source.name if is_corpus else None)
    manifest.save()
    return checked.findings


def _record(passage: Document) -> dict[str, str]:
    title, text = (passage.title or "").strip(), passage.text.strip()
    return record_of(passage.pid, title, text)


def record_of(pid: str, title: str, text: str) -> dict[str, str]:
    """A line of `corpus.jsonl`; without `contents`, Anserini would index nothing of it."""
    contents = f"{title}\n{text}" if title else text
    return {"id": pid, "title": title, "text": text, "contents": contents}


def _check_text(text: str, place: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise I3Error(f"{place}: half a character (a lone surrogate) in {text!r:.80}") from error


def _check_id(identifier: str, place: str) -> None:
    if not identifier or identifier != "".join(identifier.split()):
        raise I3Error(
            f"{place}: id {identifier!r} is empty or has white space in it, which run files cannot "
            "hold"
        )

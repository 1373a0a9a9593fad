"""Writes and checks collections in our own layout.

`corpus/corpus.jsonl`, `topics.SPLIT.tsv`, `qrels.SPLIT.txt` and `manifest.json`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.data.sources import Source
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import new_file, new_folder
from i3_pyserini.formats.corpus_files import OWN_STORE
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.passage_fields import (
    Passage,
    checked_id,
    record_of,
    shortened,
)
from i3_pyserini.formats.qrels import SCHEMA, examples, write_qrels
from i3_pyserini.formats.topics import Topic, by_id, write_topics
from i3_pyserini.model.settings import I3_PASSAGE_LENGTH, I3_QUERY_LENGTH

# Files that `data pairs` writes besides: negatives, scores, and the source of each query.
PAIR_FILES = ("train_negs.tsv", "kd_train.jsonl", "sources.train.tsv")
# Files of a collection's folder, besides those that other commands write (`OWN_STORE`).
OWN = ("manifest.json", "corpus/*.jsonl", "topics.*.tsv", "qrels.*.txt", *PAIR_FILES)


Judged = list[tuple[str, str, int]]  # query id, passage id and level


@dataclass
class Findings:
    """The result of a pass over a collection.

    Attributes:
        passages: number of passages.
        empty: number of passages without text.
        longer: number of passages with more words than `I3_PASSAGE_LENGTH`; a word has at least one
            id, so at least as many are truncated at that length.
        longer_topics: number of topics with more words than `I3_QUERY_LENGTH`.
        topics: number of topics by split.
        judgements: number of judgments by split.
        unknown: number of dropped judgments of unknown passages.
        unknown_queries: number of dropped judgments of unknown queries.
    """

    passages: int = 0
    empty: int = 0
    longer: int = 0
    longer_topics: int = 0
    topics: dict[str, int] = field(default_factory=dict)
    judgements: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    unknown_queries: int = 0

    def __str__(self) -> str:
        splits = [
            f"{split}: {count:,} topics, {self.judgements.get(split, 0):,} judgements"
            for split, count in self.topics.items()
        ]
        notes = [f"passages without text: {self.empty:,}"] if self.empty else []
        if self.longer:
            share = self.longer / self.passages
            notes.append(
                f"at least {self.longer:,} passages ({share:.1%}) are longer than "
                f"{I3_PASSAGE_LENGTH} ids, I³'s default length, and would be truncated"
            )
        if self.longer_topics:
            notes.append(
                f"at least {self.longer_topics:,} topics would be truncated at {I3_QUERY_LENGTH} "
                "ids"
            )
        if self.unknown:
            notes.append(f"{self.unknown:,} judgements of absent passages left out")
        if self.unknown_queries:
            notes.append(f"{self.unknown_queries:,} judgements of absent queries left out")
        return "; ".join([f"{self.passages:,} passages", *splits, *notes])


class CheckedCollection:
    """A source that checks every line while it is read; passages first, then the splits.

    Memory: about 120 bytes per passage, to find duplicate ids and judgments of unknown passages.

    Args:
        source: the collection.
        drop_unknown: drop judgments of unknown passages and queries with a note, instead of an
            error.
    """

    def __init__(self, source: Source, drop_unknown: bool = False) -> None:
        self.source, self.drop_unknown = source, drop_unknown
        self.findings = Findings()
        self._pids: set[str] = set()
        self._types = FieldTypes(source.keep)

    def passages(self) -> Iterator[Passage]:
        """The passages.

        Raises:
            I3Error: there are none, or an id occurs twice or is not allowed in a run file.
        """
        located = self.source.passages()
        for place, passage in tqdm(located, desc="passages", unit=" passages", delay=2):
            if passage.docid in self._pids:
                raise I3Error(
                    f"{place}: passage {shortened(passage.docid)} occurs a second time; ids must "
                    "be unique"
                )
            self._pids.add(passage.docid)
            self.findings.passages += 1
            self._types.add(passage.extra)
            words = len(passage.text.split()) + len((passage.title or "").split())
            self.findings.longer += words > I3_PASSAGE_LENGTH
            self.findings.empty += not (passage.text.strip() or (passage.title or "").strip())
            yield passage
        if not self._pids:
            raise I3Error(f"{self.source.origin}: no passages")

    @property
    def metadata(self) -> dict[str, str]:
        """Further fields of the passages and their types, after all passages have been read."""
        return self._types.known

    def split(self, name: str) -> tuple[dict[str, str], Judged]:
        """Topics by query id and the judgments of a split, after all passages have been read.

        Raises:
            I3Error: it is empty, a query id occurs twice, or a judgment has an unknown passage or
                query.
        """
        topics = by_id(self._topics(name), f"{self.source.origin}, split {name!r}")
        judgements = self._judgements(name, topics)
        self.findings.topics[name] = len(topics)
        self.findings.longer_topics += sum(
            len(query.split()) > I3_QUERY_LENGTH for query in topics.values()
        )
        self.findings.judgements[name] = len(judgements)
        return topics, judgements

    def _topics(self, split: str) -> Iterator[Topic]:
        for topic in self.source.topics(split):
            try:
                yield replace(topic, qid=checked_id(topic.qid))
            except I3Error as error:
                raise I3Error(f"{topic.place}: {error}") from error

    def _judgements(self, split: str, topics: Mapping[str, str]) -> Judged:
        """The judgments of known topics and passages; others are an error or counted.

        Raises:
            I3Error: one is unknown and must not be dropped, or none is known.
        """
        found = self.source.judgements(split)
        if found is None:
            return []
        kept: Judged = []
        unknown: dict[str, list[str]] = {"query": [], "passage": []}
        for row, (qid, pid, level) in enumerate(found.table.select(*SCHEMA).iter_rows()):
            absent = "query" if qid not in topics else "passage" if pid not in self._pids else ""
            if not absent:
                kept.append((qid, pid, level))
            elif self.drop_unknown:
                unknown[absent].append(qid if absent == "query" else pid)
            else:
                which = f"query {qid!r} is not in the topics"
                if absent == "passage":
                    which = f"passage {pid!r} is not in the collection"
                raise I3Error(
                    f"{found.place(row)}: {which}; drop_unknown (--drop-unknown) drops such "
                    "judgments"
                )
        self._note_unknown(found.source, unknown)
        if not kept and any(unknown.values()):
            raise I3Error(
                f"{self.source.origin}: no judgement of split {split!r} is of a passage that is "
                "here and of a query that is here"
            )
        lost = set(found.table["query_id"]) & set(topics) - {qid for qid, _, _ in kept}
        if lost:
            queries_have = "query has" if len(lost) == 1 else "queries have"
            note(
                f"{found.source}: {len(lost):,} {queries_have} no judgement left "
                f"({examples(sorted(lost))})"
            )
        return kept

    def _note_unknown(self, source: str, unknown: Mapping[str, list[str]]) -> None:
        for what, ids in unknown.items():
            if ids:
                named = examples(dict.fromkeys(ids))
                judgements = "judgement" if len(ids) == 1 else "judgements"
                note(f"{source}: {len(ids):,} {judgements} of an absent {what} left out ({named})")
        self.findings.unknown += len(unknown["passage"])
        self.findings.unknown_queries += len(unknown["query"])


def write_collection(
    source: Source, target: Path, overwrite: bool = False, drop_unknown: bool = False
) -> Findings:
    """Writes a collection in our layout. The folder appears when it is complete.

    Passages have a field `contents` in addition to `title` and `text`, which Anserini indexes.

    Args:
        source: the collection.
        target: the folder.
        overwrite: replace an existing collection.
        drop_unknown: see `CheckedCollection`.

    Raises:
        I3Error: the source is invalid, or `target` exists or cannot be written.
    """
    refuse_foreign(target, overwrite)
    with new_folder(target) as partial:
        try:
            return _write(CheckedCollection(source, drop_unknown), partial)
        except I3Error as error:  # do not record a name chosen here
            raise I3Error(str(error).replace(str(partial), str(target))) from error


def refuse_foreign(folder: Path, overwrite: bool) -> None:
    """Raises if a folder exists, unless it may be replaced and is a collection in our layout.

    Args:
        folder: the folder; it need not exist.
        overwrite: whether a collection may be replaced.

    Raises:
        I3Error: it exists, or contains something else; names the first other file.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise I3Error(f"{folder}: is a file; expected a folder")
    if not overwrite:
        raise I3Error(f"{folder}: exists; choose another name, or --overwrite")
    Manifest.load(folder)
    own = {path for pattern in OWN for path in folder.glob(pattern)}
    others = (path for path in folder.rglob("*") if path.is_file() and path not in own)
    foreign = [path for path in others if not OWN_STORE.fullmatch(path.name)]
    if foreign:
        raise I3Error(f"{folder}: also contains {foreign[0].relative_to(folder)}; not overwritten")


def refuse_inputs_in(folder: Path, inputs: Iterable[Path | None]) -> None:
    """Raises if an input is in a folder that is to be replaced.

    Raises:
        I3Error: names the input.
    """
    for path in inputs:
        if path is not None and path.resolve().is_relative_to(folder.resolve()):
            raise I3Error(
                f"{path}: is in the output {folder}, which would be replaced; choose another output"
            )


def check_source(source: Source) -> Findings:
    """Checks a whole collection.

    Raises:
        I3Error: it is invalid.
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
    made: dict[str, Made | None] = {}
    for split in source.splits():
        topics, judgements = checked.split(split)
        made |= dict.fromkeys((f"topics.{split}.tsv", f"qrels.{split}.txt"), source.made(split))
        with new_file(folder / f"topics.{split}.tsv") as file:
            write_topics(file, topics.items())
        if judgements:
            with new_file(folder / f"qrels.{split}.txt") as file:
                write_qrels(file, judgements)
    manifest = Manifest(folder, source.name, source.name, metadata=checked.metadata)
    manifest.language = source.language
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        is_corpus = name.startswith("corpus/")
        collection = source.name if is_corpus else None
        manifest.add(name, source.origin, collection=collection, made=made.get(name))
    manifest.save()
    return checked.findings


def _record(passage: Passage) -> dict[str, Any]:
    title, text = (passage.title or "").strip(), passage.text.strip()
    return {**record_of(passage.docid, title, text), **passage.extra}

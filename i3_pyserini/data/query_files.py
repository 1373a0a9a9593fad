"""Made queries: brought together by their text, and written to the files that training reads."""

import hashlib
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import locked, new_file, refuse_existing
from i3_pyserini.formats.folder_manifest import (
    Manifest,
    collection_folder,
    declared_language,
    kept_metadata,
)
from i3_pyserini.formats.made import Made, today
from i3_pyserini.formats.passage_fields import Passage, record_of
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import write_qrels
from i3_pyserini.formats.scripts import count_words
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.formats.topics import write_topics

TOPICS, QRELS, GENERATED = "topics.train.tsv", "qrels.train.txt", "generated.tsv"
CORPUS = "corpus/corpus.jsonl"
# A query with more positives names a subject ("Introduction") and does not tell passages apart.
MAX_POSITIVES = 10
SLICE = 1000  # passages that are read from the store at a time

# A passage's query, and the passage without it.
Extraction = Callable[[Passage], tuple[str, Passage]]


@dataclass(frozen=True)
class Job:
    """What to make queries for, and where they go.

    Attributes:
        collection: what `open_store` takes.
        output: the folder for the files.
        limit: number of passages to make queries of, chosen at random; None for all.
        seed: where chance comes from.
        min_words: minimum number of words; shorter queries are dropped.
        cache: folder for the text store; None for the collection's.
        overwrite: replace older files.
        reading: how the collection is read; see `Corpus.from_options`.
    """

    collection: Path
    output: Path
    limit: int | None = None
    seed: int = 42
    min_words: int = 3
    cache: Path | None = None
    overwrite: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        """The collection."""
        return Corpus.from_options(self.collection, self.reading)


@dataclass(frozen=True)
class Summary:
    """What was made.

    Attributes:
        queries: number of queries.
        positives: number of judgements.
        left_out: how many of what gave no query, in words; "" for none.
    """

    queries: int
    positives: int
    left_out: str


class Pairs:
    """Passages and their queries, brought together by query, on disk.

    Args:
        min_words: minimum number of words; shorter queries are dropped.

    Attributes:
        left_out: how many of what gave no query.
    """

    def __init__(self, min_words: int) -> None:
        self.min_words = min_words
        self.left_out: Counter[str] = Counter()
        self._db = sqlite3.connect("")  # a file that vanishes with its process, even a killed one
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE pair (row INTEGER PRIMARY KEY, pid TEXT, query TEXT, key BLOB, "
            "chosen INTEGER)"
        )

    def close(self) -> None:
        """Gives the disk's room back."""
        self._db.close()

    def add(self, pid: str, queries: Iterable[str], chosen: bool = True) -> None:
        """Adds one passage; of queries alike in all but case and white space, the first counts.

        Args:
            pid: its id.
            queries: its queries.
            chosen: False if it may be a positive of other passages' queries only.
        """
        own: dict[bytes, str] = {}
        for query in (" ".join(query.split()) for query in queries):
            if count_words(query) >= self.min_words:
                own.setdefault(digest(query.casefold(), 16), query)
            elif chosen:
                self.left_out[f"queries of fewer than {self.min_words} words"] += 1
        rows = [(pid, query, key, chosen) for key, query in own.items()]
        self._db.executemany("INSERT INTO pair VALUES (NULL, ?, ?, ?, ?)", rows)

    def group(self) -> tuple[int, int]:
        """Makes the queries, after the last `add`; ambiguous ones are left out.

        Returns:
            Number of queries, and of their positives.
        """
        run = self._db.execute
        run("CREATE INDEX by_key ON pair (key)")
        run("CREATE TABLE topic (first INTEGER PRIMARY KEY, key BLOB UNIQUE, passages INTEGER)")
        run(
            "INSERT INTO topic SELECT min(row), key, count(*) FROM pair GROUP BY key "
            "HAVING max(chosen) ORDER BY min(row)"
        )
        ambiguous = run("DELETE FROM topic WHERE passages > ?", (MAX_POSITIVES,)).rowcount
        if ambiguous:
            self.left_out[f"queries of more than {MAX_POSITIVES} passages"] += ambiguous
        queries, positives = run("SELECT count(*), total(passages) FROM topic").fetchone()
        return queries, int(positives)

    def topics(self, store: TextStore) -> Iterator[tuple[str, str, list[str]]]:
        """Query ids, queries and ids of their positives, in the order of their first passages.

        A query's id is its first passage's; with `-2` for that passage's second and so on,
        leaving out numbers that would make it the id of a passage in `store`.
        """
        positives = "SELECT pid FROM pair WHERE key = ? ORDER BY row"
        owner, number = "", 1
        for pid, query, key in self._db.execute(
            "SELECT pid, query, topic.key FROM topic JOIN pair ON row = first ORDER BY first"
        ):
            number = number + 1 if pid == owner else 1
            while number > 1 and store.get(f"{pid}-{number}"):
                number += 1
            owner, qid = pid, pid if number == 1 else f"{pid}-{number}"
            yield qid, query, [pid for (pid,) in self._db.execute(positives, (key,))]

    def reasons(self) -> str:
        """What gave no query and how many of it, in words; "" for none."""
        return ", ".join(f"{what} ({count:,})" for what, count in self.left_out.items())

    def passages(self) -> Iterator[tuple[str, str]]:
        """Ids of all positives, each with its own first query, in the order of the collection."""
        last = None
        for pid, query in self._db.execute(
            "SELECT pid, query FROM pair WHERE EXISTS (SELECT 1 FROM topic WHERE key = pair.key) "
            "ORDER BY row"
        ):
            if pid != last:
                yield pid, query
            last = pid


@contextmanager
def prepared(job: Job, with_corpus: bool) -> Iterator[None]:
    """Checks before any long work that the files can be written; keeps other processes out.

    Topics get their name last: what an interrupted call has written without them is replaced.

    Args:
        job: what to make, and where.
        with_corpus: whether a corpus is among the files.

    Raises:
        I3Error: the collection does not exist, a file exists, the folder's manifest is damaged, or
            the folder cannot be written.
    """
    if not job.collection.exists():
        raise I3Error(f"{job.collection}: no such collection")
    corpus = job.output / CORPUS
    if job.collection.resolve() in {
        path.resolve() for path in (job.output, corpus, corpus.parent, job.output / GENERATED)
    }:
        raise I3Error(f"{job.output}: holds the collection itself; choose another output")
    with locked(job.output):
        _refuse_results(job, with_corpus)
        try:
            with tempfile.TemporaryFile(dir=job.output):
                pass
        except OSError as error:
            raise I3Error(f"{job.output}: cannot be written ({error.strerror})") from error
        yield


def _refuse_results(job: Job, with_corpus: bool) -> None:
    Manifest.of(job.output)  # raises if it is damaged
    topics = job.output / TOPICS
    for name in (TOPICS, QRELS, GENERATED):
        refuse_existing(job.output / name, job.overwrite, before=topics)
    corpus = topics if with_corpus else None
    refuse_existing(job.output / CORPUS, with_corpus and job.overwrite, before=corpus)


def write_queries(
    pairs: Pairs, job: Job, store: TextStore, made: Made, extract: Extraction | None = None
) -> Summary:
    """Writes topics, qrels, generated queries, the corpus that goes with them, and a manifest.

    Args:
        pairs: passages and queries, all added.
        job: where the files go.
        store: the collection.
        made: how they were made; the date and the number of queries are added.
        extract: what took the queries out of their passages; None for no corpus.

    Raises:
        I3Error: there is no query, or a file cannot be written.
    """
    queries, positives = pairs.group()
    if not queries:
        raise I3Error(
            f"{job.collection}: no query could be made (left out: {pairs.reasons()}); choose "
            "another source, or a lower min_words"
        )
    names = (TOPICS, QRELS, GENERATED, *((CORPUS,) if extract else ()))
    with ExitStack() as stack:  # names are given in reverse order; `prepared` has refused others'
        files = {
            name: stack.enter_context(
                new_file(job.output / name, job.overwrite, before=job.output / TOPICS)
            )
            for name in names
        }
        topics, qrels, generated = (files[name] for name in (TOPICS, QRELS, GENERATED))
        write_topics(topics, ((qid, query) for qid, query, _ in pairs.topics(store)))
        for qid, _, pids in pairs.topics(store):
            write_qrels(qrels, ((qid, pid, 1) for pid in pids))
        generated.writelines(f"{pid}\t{query}\n" for pid, query in pairs.passages())
        if extract is not None:
            _write_corpus(files[CORPUS], pairs, store, extract)
        _record(job, replace(made, queries=queries), files)
    return Summary(queries, positives, pairs.reasons())


def _record(job: Job, made: Made, files: Mapping[str, TextIO]) -> None:
    manifest, made = Manifest.of(job.output), replace(made, date=today().isoformat())
    for name, file in files.items():
        if name == CORPUS:
            manifest.add(name, f"passages{_origin(job)}", unnamed=file)
            declared = declared_language(job.collection)
            manifest.language = declared[0] if declared else None
            folder = collection_folder(job.collection)
            manifest.metadata = kept_metadata(folder) if folder else {}
        else:
            manifest.add(name, f"{made.source}{_origin(job)}", made=made, unnamed=file)
    manifest.save()


def _origin(job: Job) -> str:
    """How the sources of a job's files end in the manifest."""
    return f" of {job.collection}"


def _write_corpus(corpus: TextIO, pairs: Pairs, store: TextStore, extract: Extraction) -> None:
    changed = (pid for pid, _ in pairs.passages())
    following = next(changed, None)
    for passage in passages_of(store, "corpus"):
        rest = passage
        if passage.docid == following:
            rest, following = extract(passage)[1], next(changed, None)
        record = record_of(passage.docid, rest.title or "", rest.text)
        corpus.write(json.dumps({**record, **rest.extra}, ensure_ascii=False) + "\n")


def passages_of(store: TextStore, doing: str) -> Iterator[Passage]:
    """The passages of the whole collection in order, with a bar that says `doing`."""
    with tqdm(total=len(store), desc=doing, unit="passage", delay=2) as progress:
        for start in range(0, len(store), SLICE):
            passages = store.slice(start, start + SLICE)
            yield from passages
            progress.update(len(passages))


@contextmanager
def enough_room() -> Iterator[None]:
    """Says what to do when the disk is too small for the passages and their queries.

    Raises:
        I3Error: it is.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_FULL":
            raise
        raise I3Error(
            "the disk for temporary files is full; name a folder with more room in SQLITE_TMPDIR"
        ) from error


def digest(text: str, size: int) -> bytes:
    """A hash of `size` bytes that is the same in every process."""
    return hashlib.blake2b(text.encode(), digest_size=size).digest()

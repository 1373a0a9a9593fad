"""Collections in folders or single files: our own layout, BEIR's, and plain files."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from i3_pyserini.data.kept_columns import typed_passages
from i3_pyserini.data.sources import Source
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.corpus_files import COMPRESSED, bare_name
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.folder_manifest import declared_language, named_collection
from i3_pyserini.formats.made import Made, made_among
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, kept_fields
from i3_pyserini.formats.qrels import Judgements, read_judgements
from i3_pyserini.formats.topics import SUFFIXES, Topic, topics_of_file

TOPICS = (*SUFFIXES, ".txt")
QRELS = (".txt", ".tsv", ".csv")


class LayoutFolder(Source):
    """Our own layout: a folder `corpus`, `topics.SPLIT.tsv`, `qrels.SPLIT.txt`.

    Files of topics and judgements may end as those readers know them, and be compressed.

    Args:
        folder: the folder.

    Raises:
        I3Error: it has no corpus, a split has two files, or judgements but no topics.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.origin = folder, str(folder)
        self.name = named_collection(folder) or folder.resolve().name
        if not (folder / "corpus").is_dir():
            raise I3Error(f"{folder}: no folder 'corpus' in this folder")
        self.keep = kept_fields(folder)
        declared = declared_language(folder)
        self.language = declared[0] if declared else None
        self.topic_files = files_by_split(folder, "topics.", TOPICS)
        self.qrels_files = files_by_split(folder, "qrels.", QRELS)
        if extra := sorted({*self.qrels_files} - {*self.topic_files}):
            name = self.qrels_files[extra[0]].name
            raise I3Error(f"{folder / name}: no topics of this split (topics.{extra[0]}.tsv)")
        read = {
            file.name for files in (self.topic_files, self.qrels_files) for file in files.values()
        }
        named = [name for name in _names(folder) if name.startswith(("topics.", "qrels."))]
        if unread := [name for name in named if name not in read]:
            note(f"{folder}: not read: {', '.join(unread)}")

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        return Corpus(self.folder / "corpus", keep=self.keep, ids=not self.make_ids).located()

    def splits(self) -> list[str]:
        """See `Source`."""
        return list(self.topic_files)

    def topics(self, split: str) -> Iterator[Topic]:
        """See `Source`."""
        return topics_of_file(self.topic_files[split])

    def judgements(self, split: str) -> Judgements | None:
        """See `Source`."""
        file = self.qrels_files.get(split)
        return read_judgements(file, self.duplicates) if file else None

    def made(self, split: str) -> Made | None:
        """See `Source`."""
        return made_among([self.topic_files.get(split), self.qrels_files.get(split)])


class BeirFolder(Source):
    """BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`; each may be compressed.

    Args:
        folder: the unpacked folder.

    Raises:
        I3Error: it has no such files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name, self.origin = folder, folder.resolve().name, str(folder)
        self.files = beir_files(folder)
        self._judgements: dict[str, Judgements] = {}

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        return Corpus(self.files[0], keep=self.keep, ids=not self.make_ids).located()

    def splits(self) -> list[str]:
        """See `Source`."""
        files = files_by_split(self.folder / "qrels", "", (".tsv",))
        if not files:
            raise I3Error(f"{self.folder / 'qrels'}: no SPLIT.tsv here, so no topics would be left")
        unread = sorted({*_names(self.folder / "qrels")} - {file.name for file in files.values()})
        if unread:
            note(f"{self.folder / 'qrels'}: not read: {', '.join(unread)}")
        return list(files)

    def topics(self, split: str) -> Iterator[Topic]:
        """The judged topics of a split; the file holds those of all splits."""
        judged = set(self.judgements(split).table["query_id"])
        for topic in topics_of_file(self.files[1]):
            if topic.qid in judged:
                yield topic

    def judgements(self, split: str) -> Judgements:
        """See `Source`."""
        if split not in self._judgements:
            file = files_by_split(self.folder / "qrels", "", (".tsv",))[split]
            self._judgements[split] = read_judgements(file, self.duplicates)
        return self._judgements[split]


@dataclass
class PlainFiles(Source):
    """A corpus in one file, and files of topics and judgements by split.

    Attributes:
        corpus: what `Corpus` reads.
        topic_files: by split.
        qrels_files: by split.
        options: how the corpus is read.
    """

    corpus: Path
    topic_files: Mapping[str, Path] = field(default_factory=dict)
    qrels_files: Mapping[str, Path] = field(default_factory=dict)
    options: CorpusOptions = USUAL

    def __post_init__(self) -> None:
        """Names the collection, and sees whether splits and files fit.

        Raises:
            I3Error: a split has judgements but no topics, or a file is not there.
        """
        self.name, self.origin = bare_name(self.corpus), str(self.corpus)
        if odd := next((name for name in self.topic_files if not name.isidentifier()), None):
            raise I3Error(f"topics {odd}=…: a split's name has letters, digits and _ only")
        for split, path in (*self.topic_files.items(), *self.qrels_files.items()):
            if not path.is_file():
                raise I3Error(f"{path}: no such file (split {split!r})")
        if extra := [split for split in self.qrels_files if split not in self.topic_files]:
            raise I3Error(f"qrels {extra[0]}=…: give the topics of this split, too")

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        corpus = self._corpus
        is_table = corpus.sources[0].format in ("csv", "tsv")
        return typed_passages(corpus) if is_table and self.keep else corpus.located()

    def unread_columns(self) -> list[str]:
        """The columns of a CSV or TSV file that an import leaves out.

        Raises:
            I3Error: see `Corpus`.
        """
        return self._corpus.unread_columns()

    @cached_property
    def _corpus(self) -> Corpus:  # opened once, since that prints notes
        reading = {**self.options.reading(), "keep": self.keep, "ids": not self.make_ids}
        return Corpus.from_options(self.corpus, reading)

    def splits(self) -> list[str]:
        """See `Source`."""
        return list(self.topic_files)

    def topics(self, split: str) -> Iterator[Topic]:
        """See `Source`."""
        return topics_of_file(self.topic_files[split])

    def judgements(self, split: str) -> Judgements | None:
        """See `Source`."""
        file = self.qrels_files.get(split)
        return read_judgements(file, self.duplicates) if file else None

    def made(self, split: str) -> Made | None:
        """See `Source`."""
        return made_among([self.topic_files.get(split), self.qrels_files.get(split)])


def files_by_split(folder: Path, prefix: str, suffixes: Collection[str]) -> dict[str, Path]:
    """Files by split, sorted: those that begin and end as given, or so and compressed.

    Raises:
        I3Error: a split has two files.
    """
    found: dict[str, Path] = {}
    for name in _names(folder):
        plain = name
        while Path(plain).suffix.lower() in COMPRESSED:
            plain = Path(plain).stem
        stem, suffix = Path(plain).stem, Path(plain).suffix
        split = stem.removeprefix(prefix)
        if suffix.lower() not in suffixes or stem != prefix + split or not split:
            continue
        if split in found:
            raise I3Error(f"{folder / name}: {found[split].name} is of the same split; remove one")
        found[split] = folder / name
    return found


def _names(folder: Path) -> list[str]:
    """Names of files in a folder, but not of hidden ones."""
    if not folder.is_dir():
        return []
    files = (path.name for path in folder.iterdir() if path.is_file())
    return sorted(name for name in files if not name.startswith("."))


def beir_files(folder: Path) -> tuple[Path, Path]:
    """The corpus and the queries of a folder in BEIR's layout.

    Raises:
        I3Error: they are not there.
    """
    found = []
    for name in ("corpus", "queries"):
        files = [folder / f"{name}.jsonl{suffix}" for suffix in ("", *COMPRESSED)]
        if not (there := [file for file in files if file.is_file()]):
            raise I3Error(
                f"{folder}: neither a folder 'corpus' (our layout) nor {name}.jsonl (BEIR's) in it"
            )
        found.append(there[0])
    return found[0], found[1]

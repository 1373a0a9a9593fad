"""Cuts a corpus of documents into a corpus of windows, a folder that every command reads."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from tqdm import tqdm

from i3_pyserini.encode.scan import Shard, hash_of
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file, new_folder
from i3_pyserini.formats.chunks import DELIMITER, OFFSETS, ChunksRecord
from i3_pyserini.formats.corpus_files import bare_name
from i3_pyserini.formats.folder_manifest import Manifest, chunks_of, declared_language
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.passage_fields import Passage, record_of, shortened
from i3_pyserini.formats.passages import Corpus, Place, collection_name
from i3_pyserini.formats.unique import SeenIds
from i3_pyserini.formats.windows import Cutter, Measure, Windowing, Windows, Words
from i3_pyserini.model.exported import is_exported

BLOCK = 256  # documents that are cut at a time, at most
LETTERS = 1 << 20  # of them, more or less: a tokenizer takes some hundred bytes for each token
CORPUS = "corpus/corpus.jsonl"


@dataclass
class Cut:
    """What was cut.

    Attributes:
        documents: number of documents by their number of windows.
        titles: number of documents whose title was shortened.
        empty: number of documents without text.
        too_long: number of windows longer than the size.
    """

    documents: Counter[int] = field(default_factory=Counter)
    titles: int = 0
    empty: int = 0
    too_long: int = 0

    def add(self, document: Passage, windows: Windows) -> None:
        """Takes a document into account."""
        self.documents[len(windows.places)] += 1
        self.titles += windows.title != document.title
        self.empty += not document.text
        self.too_long += windows.too_long

    @property
    def windows(self) -> int:
        """Number of windows."""
        return sum(windows * documents for windows, documents in self.documents.items())

    def __str__(self) -> str:
        total = self.documents.total()
        middle = median(self.documents.elements())
        whole = self.documents[1]
        said = [
            f"{total:,} documents, {self.windows:,} windows, {middle:g} in the median document; "
            f"{whole:,} documents ({whole / total:.0%}) needed no split"
        ]
        if self.titles:
            said.append(f"{self.titles:,} titles were shortened to half of the size")
        if self.empty:
            said.append(f"{self.empty:,} documents have no text")
        if self.too_long:
            said.append(f"{self.too_long:,} windows are longer than the size: indivisible text")
        return "; ".join(said)


class Chunker:
    """Cuts whole corpora into windows.

    Args:
        how: how to cut.
        spec: the model whose ids are counted; None to count words.
        titles: whether titles are encoded, and so counted.

    Raises:
        I3Error: see `Cutter`; or the model does not exist.
    """

    def __init__(self, how: Windowing, spec: EncoderSpec | None, titles: bool = True) -> None:
        measure = Words() if spec is None else _passage_input(spec, titles)
        self.cutter = Cutter(how, measure)
        self.record = ChunksRecord(
            by=how.by,
            size=how.size,
            overlap=how.overlap,
            unit="words" if spec is None else "ids",
            model=None if spec is None else spec.name,
            titles=None if spec is None else titles,
        )

    def write(self, corpus: Corpus, folder: Path) -> Cut:
        """Writes the windows of a corpus: `corpus/corpus.jsonl` and a manifest.

        Args:
            corpus: the documents.
            folder: the folder, which appears when it is complete; an existing one is replaced.

        Raises:
            I3Error: a line is invalid, an id occurs twice or contains the delimiter, the corpus is
                cut already, the folder is in it, or a file cannot be written.
        """
        _refuse_unfit(corpus, folder)
        digest, cut, seen = hashlib.sha256(), Cut(), SeenIds()
        types = FieldTypes(corpus.keep)
        with new_folder(folder) as partial:
            with new_file(partial / CORPUS) as file:
                bar = tqdm(_documents(corpus, digest), "cut", unit=" documents", delay=2)
                for document, windows in self.windows(bar):
                    seen.add(document.docid)
                    cut.add(document, windows)
                    for window in windows_of(document, windows):
                        types.add(window.extra)
                        file.write(_line(window))
            if not cut.documents:
                raise I3Error(f"{corpus.path}: no passages in {len(corpus.files)} file(s)")
            _refuse_second(corpus, seen)
            name = collection_name(corpus.path)
            record = replace(
                self._options(corpus),
                of=str(corpus.path.resolve()),
                sha256=digest.hexdigest(),
                documents=cut.documents.total(),
            )
            manifest = Manifest(partial, name or bare_name(corpus.path), name)
            manifest.metadata, manifest.chunks = types.known, record
            if declared := declared_language(corpus.path):
                manifest.language, _ = declared
            manifest.add(CORPUS, str(corpus.path), collection=name)
            manifest.save()
        return cut

    def resume(self, corpus: Corpus, folder: Path, begun: bool) -> Cut | None:
        """The same, unless the folder has the windows of this corpus already.

        Args:
            corpus: the documents.
            folder: see `write`.
            begun: whether windows of the folder have been encoded, so that others must not take
                their place.

        Returns:
            None if there is nothing to do.

        Raises:
            I3Error: see `write`; or the corpus has changed since the encoding began.
        """
        known = chunks_of(folder) or ChunksRecord()
        options = replace(known, of=None, sha256=None, documents=None)
        if options == self._options(corpus) and Manifest.load(folder).has(CORPUS):
            if hash_of(corpus, Shard()) == known.sha256:
                return None
            if begun:
                raise I3Error(
                    f"{corpus.path}: has changed since this encoding began; restore the old files, "
                    "or start over with --overwrite"
                )
        return self.write(corpus, folder)

    def _options(self, corpus: Corpus) -> ChunksRecord:
        """Everything that affects the windows but the documents themselves."""
        usual: tuple[Any, ...] = ([], None, "\n")
        reading = {name: value for name, value in corpus.options().items() if value not in usual}
        return replace(self.record, reading=reading or None)

    def windows(self, documents: Iterable[Passage]) -> Iterator[tuple[Passage, Windows]]:
        """Documents, each with its windows."""
        for block in _blocks(documents):
            yield from zip(block, self.cutter.cut(block), strict=True)


def _blocks(documents: Iterable[Passage]) -> Iterator[list[Passage]]:
    block: list[Passage] = []
    letters = 0
    for document in documents:
        block.append(document)
        letters += len(document.text)
        if len(block) == BLOCK or letters >= LETTERS:
            yield block
            block, letters = [], 0
    if block:
        yield block


def windows_of(document: Passage, windows: Windows) -> Iterator[Passage]:
    """The windows of a document as passages, with its metadata."""
    for number, (start, end) in enumerate(windows.places):
        extra = {**document.extra, **dict(zip(OFFSETS, (start, end), strict=True))}
        docid = f"{document.docid}{DELIMITER}{number}"
        yield Passage(docid, windows.title, document.text[start:end], extra)


def _line(window: Passage) -> str:
    record = record_of(window.docid, window.title or "", window.text)
    return json.dumps({**record, **window.extra}, ensure_ascii=False) + "\n"


def _passage_input(spec: EncoderSpec, titles: bool) -> Measure:
    from i3_pyserini.model.passage_input import PassageInput  # noqa: PLC0415  (torch)

    if is_exported(spec.name):
        return PassageInput.of_exported(spec.name, titles)
    if spec.kind == "i3":
        return PassageInput.of_i3(spec.name, titles)
    return PassageInput.of_encoder(spec.name, spec.resolved(), titles)


def _refuse_unfit(corpus: Corpus, folder: Path) -> None:
    if folder.resolve().is_relative_to(corpus.path.resolve()):
        raise I3Error(
            f"{corpus.path}: the windows would be written into this folder, where they would be "
            "read as documents; choose another output"
        )
    if chunks_of(corpus.path) is not None:
        raise I3Error(f"{corpus.path}: is cut into windows already; give the corpus of documents")
    for name in OFFSETS:
        if name in corpus.keep:
            raise I3Error(
                f"{corpus.path}: its metadata has a field {name!r}, where a window has its place; "
                "rename it and import the collection again"
            )


def _documents(corpus: Corpus, digest: "hashlib._Hash") -> Iterator[Passage]:
    for place, line in corpus.lines(Place()):
        digest.update(line)
        if line.strip():
            document = corpus.passage(line, place)
            if DELIMITER in document.docid:
                raise I3Error(
                    f"{corpus.name_of(place)}: id {shortened(document.docid)} contains "
                    f"{DELIMITER!r}, which separates a document's id from the number of its "
                    "window; rename it"
                )
            yield document


def _refuse_second(corpus: Corpus, seen: SeenIds) -> None:
    repeated = seen.repeated()
    if repeated and (second := repeated.second(passage.docid for passage in corpus)):
        number, docid = second
        where, _ = next(islice(corpus.located(), number, None))
        raise I3Error(f"{where}: id {shortened(docid)} occurs a second time; ids must be unique")

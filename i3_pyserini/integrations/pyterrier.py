"""PyTerrier: an index as a retriever, a model as encoders and reranker, and an indexer."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from i3_pyserini.encode.corpus import encode_corpus
from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.paths import AnyPath, NameOrPath
from i3_pyserini.integrations.pyterrier_artifact import FORMAT, TYPE
from i3_pyserini.search.found import PassageHit
from i3_pyserini.search.opened import Index as OpenedIndex
from i3_pyserini.search.opened import open_index
from i3_pyserini.search.options import AS_BUILT, SearchParameters

try:
    import pyterrier as pt

    from i3_pyserini.integrations.pyterrier_encoders import (
        DocEncoder,
        Encoder,
        QueryEncoder,
        Reranker,
        run_scores,
        texts_of,
        vectors_of,
        with_columns,
    )
except ImportError as missing:
    raise I3Error(
        f"PyTerrier cannot be used ({missing}): pip install 'i3-pyserini[pyterrier]'"
    ) from missing

__all__ = [
    "DocEncoder",
    "Encoder",
    "Index",
    "Indexer",
    "QueryEncoder",
    "Reranker",
    "Retriever",
]
HITS = 1000
RESULTS = ("docno", "score", "rank")


class Retriever(pt.Transformer):
    """Searches an index: queries in, results out. Hits are those of `search_topics`.

    Queries are the column `query`, encoded with the settings of the index manifest, or vectors in
    `query_vec`. Results have `docno`, `score`, `rank` (from 0, as everywhere in PyTerrier), and
    what is known of the queries. An index of windows returns documents.

    Example:
        >>> Retriever("INDEX", metadata=["title"]).search("how long to boil an egg")

    Args:
        index: an index directory.
        num_results: hits per query.
        metadata: further columns: title, text, and fields that the corpus was imported with.
        model: see `i3_pyserini.open_index`.
        parameters: parameters of an approximate index.

    Raises:
        I3Error: see `i3_pyserini.open_index`.
    """

    def __init__(
        self,
        index: AnyPath,
        *,
        num_results: int = HITS,
        metadata: Sequence[str] = (),
        model: NameOrPath | None = None,
        parameters: SearchParameters = AS_BUILT,
    ) -> None:
        super().__init__()
        at_least_1(num_results=num_results)
        if isinstance(metadata, str):
            raise I3Error(f"metadata {metadata!r}: expected a list of columns")
        self.index, self.num_results, self.metadata = fspath(index), num_results, list(metadata)
        self.model, self.parameters = model, parameters
        self._opened: OpenedIndex = open_index(
            index, model=model, parameters=parameters, texts=bool(metadata)
        )

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Searches for all queries together.

        Raises:
            I3Error: a query is not a text, or the corpus has no such metadata.
        """
        with pt.validate.any(inp) as given:
            given.query_frame(extra_columns=["query_vec"], mode="vectors")
            given.query_frame(extra_columns=["query"], mode="texts")
        if inp.empty:
            return with_columns(inp, [*RESULTS, *self.metadata])
        queries = (
            vectors_of(inp["query_vec"]) if given.mode == "vectors" else texts_of(inp, "query")
        )
        found = self._opened.search(queries, self.num_results)
        hits = [hit for own in found for hit in own]
        rows = np.repeat(np.arange(len(inp)), [len(own) for own in found])
        columns = {
            "docno": [hit.docid for hit in hits],
            "score": run_scores([[hit.score for hit in own] for own in found]),
            "rank": [hit.rank - 1 + pt.model.FIRST_RANK for hit in hits],
            **{name: [self._field(hit, name) for hit in hits] for name in self.metadata},
        }
        return inp.iloc[rows].reset_index(drop=True).assign(**columns)

    def fuse_rank_cutoff(self, k: int) -> "Retriever | None":
        """The retriever for `% k`; None where fewer hits may be others than the first of more."""
        if k >= self.num_results or not self._opened.searcher.exact:
            return None
        fused = copy(self)
        fused.num_results = k
        return fused

    def _field(self, hit: PassageHit, name: str) -> Any:
        if hit.text is None:
            raise I3Error(f"{self.index}: {name} of {hit.docid!r} is unknown without its corpus")
        known = {"title": hit.title or "", "text": hit.text, **hit.metadata}
        if name not in known and name not in self._opened.searcher.corpus().keep:
            raise I3Error(f"{self.index}: no {name!r} in its corpus; it has {', '.join(known)}")
        return known.get(name)

    def _key(self) -> tuple[Any, ...]:
        return self.index, self.num_results, tuple(self.metadata), self.model, self.parameters

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Retriever) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Retriever({self.index!r}, num_results={self.num_results})"


class Index(pt.Artifact):
    """An index as an artifact: `pt.Artifact.load("INDEX")`.

    Args:
        path: the index directory.
    """

    ARTIFACT_TYPE, ARTIFACT_FORMAT = TYPE, FORMAT
    ARTIFACT_PACKAGE_HINT = "i3-pyserini[pyterrier]"

    def __init__(self, path: AnyPath) -> None:
        super().__init__(fspath(path))
        self.index = Path(path)

    def retriever(self, **options: Any) -> Retriever:
        """Searches the index; options are those of `Retriever`."""
        return Retriever(self.index, **options)

    def get_corpus_iter(self) -> Iterator[dict[str, Any]]:
        """All documents with `docno` and `doc_vec`.

        Raises:
            I3Error: the vectors are damaged.
        """
        for block in IndexDirectory.open(self.index).vectors()[1]:
            for docid, vector in zip(block.ids, block.vectors, strict=True):
                yield {"docno": docid, "doc_vec": vector}

    def __repr__(self) -> str:
        return f"Index({fspath(self.index)!r})"


class Indexer(pt.Indexer):
    """Encodes documents to an index: `Indexer("INDEX", model="MODEL").index(documents)`.

    The documents are first written as a corpus, so that hits have texts and an interrupted encoding
    can be resumed with `i3_pyserini.encode_corpus`.

    Args:
        index: the directory to write.
        model: directory or hub name.
        corpus: the file to write. Default: the index's name and `.jsonl`, beside it.
        overwrite: replace an existing index and corpus.
    """

    def __init__(
        self,
        index: AnyPath,
        *,
        model: NameOrPath,
        corpus: AnyPath | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__()
        self.path, self.model, self.overwrite = Path(index), model, overwrite
        self.corpus = Path(f"{self.path}.jsonl" if corpus is None else corpus)

    def index_inputs(self) -> list[list[str]]:
        """The fields of a document."""
        return [["docno", "text"]]

    def index(self, iter: Iterable[Mapping[str, Any]], **kwargs: Any) -> Index:  # noqa: A002  (theirs)
        """Encodes documents.

        Args:
            iter: mappings with `docno`, `text` and, optionally, `title`; or such a frame.
            **kwargs: not used.

        Returns:
            The index.

        Raises:
            I3Error: a document has no id or text, or has a vector already; or see `encode_corpus`.
        """
        records = iter.to_dict(orient="records") if isinstance(iter, pd.DataFrame) else iter
        with new_file(self.corpus, self.overwrite) as file:
            for number, record in enumerate(records):
                file.write(json.dumps(_document(record, number), ensure_ascii=False) + "\n")
        encode_corpus(self.corpus, model=self.model, output=self.path, overwrite=self.overwrite)
        return Index(self.path)


def _document(record: Mapping[str, Any], number: int) -> dict[str, Any]:
    if "docno" not in record or "text" not in record:
        raise I3Error(f"document {number}: has {', '.join(record)}; expected docno and text")
    if "doc_vec" in record:
        raise I3Error(
            f"document {record['docno']!r}: has a vector already; omit the encoder before the "
            "indexer, or index into a FlexIndex and use i3-pyserini index import"
        )
    given = {"title": record.get("title"), "text": record["text"]}
    if pd.isna(given["title"]):  # frames have NaN where there is none
        given["title"] = ""
    for name, value in given.items():
        if not isinstance(value, str):
            raise I3Error(f"document {record['docno']!r}: {name} is {value!r:.60}; expected a text")
    return {"id": record["docno"], **given}

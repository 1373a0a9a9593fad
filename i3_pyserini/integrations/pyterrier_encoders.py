"""A model as PyTerrier's encoders of queries and documents, and as its reranker."""

from collections.abc import Iterable, Sequence
from os import fspath
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyterrier as pt
from pyterrier_dr import BiEncoder

from i3_pyserini.encode.encoder import load
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.paths import NameOrPath
from i3_pyserini.formats.run_file import strictly_descending


class Encoder(BiEncoder):  # type: ignore[misc]  # pyterrier_dr is untyped
    """A model as pyterrier_dr's encoders: `query_encoder()`, `doc_encoder()`, `text_scorer()`.

    Used as a transformer itself, it does what the columns of its input allow, as all encoders of
    pyterrier_dr. Documents are the columns `text` and, if there is one, `title`.

    Args:
        model: directory or hub name; see `i3_pyserini.load`, as the others.
        device: a torch device.
        dtype: precision for documents.

    Raises:
        I3Error: see `i3_pyserini.load`.
    """

    def __init__(
        self,
        model: NameOrPath,
        *,
        device: str | None = None,
        dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    ) -> None:
        super().__init__()
        self.model, self.device, self.dtype = model, device, dtype
        self.model_name = fspath(model)  # by which pyterrier_dr compares encoders
        self.encoder = load(model, device=device, dtype=dtype)

    def encode_queries(self, texts: Iterable[str], batch_size: int | None = None) -> Scores:
        """Encodes Q queries to float32 [Q, H]; `batch_size` has no effect."""
        return self.encoder.encode_queries([str(text) for text in texts])

    def encode_docs(self, texts: Iterable[str], batch_size: int | None = None) -> Scores:
        """Encodes N documents without titles to float32 [N, H]; `batch_size` has no effect."""
        return self.encoder.encode_passages([str(text) for text in texts])

    def encode_queries_torch(self, texts: list[str], batch_size: int | None = None) -> Any:
        """Refused: training is `i3_pyserini.train_model`.

        Raises:
            I3Error: always.
        """
        raise I3Error("vectors have no gradients here; train with i3_pyserini.train_model")

    def query_encoder(self, verbose: Any = None, batch_size: Any = None) -> "QueryEncoder":
        """Adds `query_vec` to frames with `query`; the arguments have no effect, as below."""
        return QueryEncoder(self)

    def doc_encoder(self, verbose: Any = None, batch_size: Any = None) -> "DocEncoder":
        """Adds `doc_vec` to frames with `text` and, optionally, `title`."""
        return DocEncoder(self)

    def text_scorer(
        self, verbose: Any = None, batch_size: Any = None, sim_fn: Any = None
    ) -> "Reranker":
        """Ranks results by inner products; see `Reranker`."""
        return Reranker(self)

    def __repr__(self) -> str:
        return f"Encoder({self.model_name!r})"


class _OfModel(pt.Transformer):
    """A transformer of an `Encoder`.

    Args:
        encoder: the encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def subtransformers(self) -> dict[str, Any]:
        """None: the encoder is no step of a pipeline."""
        return {}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.encoder.model_name == self.encoder.model_name

    def __hash__(self) -> int:
        return hash((type(self), self.encoder.model_name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.encoder!r})"


class QueryEncoder(_OfModel):
    """Adds `query_vec`, float32 [H], to frames with `query`."""

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Encodes all queries together, each different one once."""
        pt.validate.columns(inp, includes=["query"])
        if inp.empty:
            return with_columns(inp, ["query_vec"])
        texts = texts_of(inp, "query")
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = self.encoder.encode_queries(rows)
        return inp.assign(query_vec=[vectors[rows[text]] for text in texts])


class DocEncoder(_OfModel):
    """Adds `doc_vec`, float32 [H], to frames with `text` and, optionally, `title`."""

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Encodes all documents, each different one once."""
        pt.validate.columns(inp, includes=["text"])
        if inp.empty:
            return with_columns(inp, ["doc_vec"])
        texts = texts_of(inp, "text")
        titles = (
            texts_of(inp.fillna({"title": ""}), "title") if "title" in inp else [""] * len(texts)
        )
        pairs = list(zip(titles, texts, strict=True))
        rows = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
        passages = [{"title": title, "text": text} for title, text in rows]
        vectors = self.encoder.encoder.encode_passages(passages)
        return inp.assign(doc_vec=[vectors[rows[pair]] for pair in pairs])


class Reranker(_OfModel):
    """Ranks results by the inner products of query and document.

    Vectors in `query_vec` and `doc_vec` are used, otherwise `query`, `text` and `title` encoded.
    Results are in the order of runs: by score, then by `docno`, both descending.
    """

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Scores all results, which may be of several queries."""
        with pt.validate.any(inp) as given:
            for query in ("query_vec", "query"):
                for document in ("doc_vec", "text"):
                    given.columns(includes=["qid", "docno", query, document])
        if inp.empty:
            return with_columns(inp, ["score", "rank"])
        left = inp if "query_vec" in inp else QueryEncoder(self.encoder).transform(inp)
        right = inp if "doc_vec" in inp else DocEncoder(self.encoder).transform(inp)
        pairs = zip(left["query_vec"], right["doc_vec"], strict=True)
        scored = inp.assign(score=[float(query @ document) for query, document in pairs])
        place = {qid: row for row, qid in enumerate(inp["qid"].unique())}
        scored = (
            scored.assign(_query=scored["qid"].map(place))
            .sort_values(["_query", "score", "docno"], ascending=[True, False, False])
            .drop(columns="_query")
            .reset_index(drop=True)
        )
        own = [group.tolist() for _, group in scored.groupby("qid", sort=False)["score"]]
        ranks = scored.groupby("qid").cumcount() + pt.model.FIRST_RANK
        return scored.assign(score=run_scores(own), rank=ranks)


def run_scores(queries: Sequence[Sequence[float]]) -> list[float]:
    """The scores that a run has: equal ones of a query become slightly descending.

    Measures in PyTerrier sort by score, and do not agree on the order of equal ones.

    Args:
        queries: descending scores of the hits of each query.

    Returns:
        All scores, one query after the other.
    """
    shape = len(queries), max(map(len, queries))
    scores = np.full(shape, -np.inf, dtype=np.float32)
    for row, own in enumerate(queries):
        scores[row, : len(own)] = own
    strict = strictly_descending(scores)
    return [score for row, own in enumerate(queries) for score in strict[row, : len(own)].tolist()]


def texts_of(frame: pd.DataFrame, column: str) -> list[str]:
    """A column of texts.

    Raises:
        I3Error: a value is not a text; names its row.
    """
    texts: list[Any] = frame[column].tolist()
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise I3Error(f"row {wrong}: {column} is {texts[wrong]!r:.60}; expected a text")
    return texts


def vectors_of(column: pd.Series) -> Scores:
    """A column of vectors as float32 [N, H].

    Raises:
        I3Error: they have different lengths.
    """
    lengths = {np.shape(vector) for vector in column}
    if len(lengths) > 1:
        raise I3Error(f"{column.name}: expected vectors of one length, got {sorted(lengths)}")
    return np.stack(column.tolist()).astype(np.float32)


def with_columns(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """An empty frame with further columns, by which PyTerrier sees what a transformer adds."""
    return frame.assign(**{name: pd.Series(dtype=object) for name in names})

"""MTEB 2: models and indexes for `mteb.evaluate`, and collections of one's own as its tasks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from i3_pyserini.encode.encoder import Encoder, load
from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.content_hashes import content_hash, read_hashes
from i3_pyserini.formats.documents import WindowDocuments
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.paths import AnyPath, NameOrPath
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.search.opened import Index
from i3_pyserini.search.opened import open_index as open_own
from i3_pyserini.search.options import AS_BUILT, SearchParameters

if TYPE_CHECKING:
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval

try:
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.types import PromptType

    from i3_pyserini.integrations.mteb_meta import meta_of, prompts_of, short_hash
except ImportError as missing:
    raise I3Error(f"mteb cannot be used ({missing}): pip install 'i3-pyserini[mteb]'") from missing

Found = dict[str, dict[str, float]]


def load_model(
    model: NameOrPath,
    *,
    device: str | None = None,
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32",
    backend: Literal["torch", "openvino", "onnx"] = "torch",
    encoder: EncoderOptions | None = None,
) -> "Model":
    """Loads a model for `mteb.evaluate`.

    Args:
        model: see `i3_pyserini.load`, as the others.
        device: a torch device.
        dtype: precision for passages.
        backend: backend for passages.
        encoder: settings that override the model's own files.

    Returns:
        The model.

    Raises:
        I3Error: see `i3_pyserini.load`.
    """
    loaded = load(model, device=device, dtype=dtype, backend=backend, encoder=encoder)
    how: dict[str, str] = {}
    if dtype != "fp32":
        how["dtype"] = dtype
    if backend != "torch":
        how["backend"] = backend
    if encoder is not None and encoder.settings():
        how["encoder"] = short_hash(json.dumps(encoder.settings(), sort_keys=True))
    return Model(loaded, how)


def open_index(
    index: AnyPath,
    *,
    model: NameOrPath | None = None,
    parameters: SearchParameters = AS_BUILT,
) -> "IndexSearch":
    """Opens an index as the answer to a retrieval task, whose corpus is not encoded again.

    Args:
        index: an index directory.
        model: see `i3_pyserini.open_index`.
        parameters: parameters of an approximate index.

    Returns:
        The index, for `mteb.evaluate`.

    Raises:
        I3Error: see `i3_pyserini.open_index`.
    """
    return IndexSearch(open_own(index, model=model, parameters=parameters, texts=False), parameters)


def make_task(
    collection: AnyPath, *, split: str = "test", remove_query: bool = False
) -> "AbsTaskRetrieval":
    """Makes a retrieval task of a collection, with `i3_pyserini.evaluate`'s numbers.

    Args:
        collection: a folder of `data import`: corpus, topics.SPLIT.tsv, qrels.SPLIT.txt.
        split: the split to evaluate.
        remove_query: exclude the passage with the query's id, as `search_topics` does.

    Returns:
        The task. Its files are read when it is evaluated.

    Raises:
        I3Error: there is no such folder, or the split has no topics or no qrels.
    """
    from i3_pyserini.integrations.mteb_task import task_of  # noqa: PLC0415  (only for tasks)

    return task_of(Path(collection), split, remove_query)


class Model(AbsEncoder):
    """A model in mteb's protocol: queries by the query side, documents by the passage side.

    mteb says of each text whether it is a query or a document of a retrieval task. Texts of other
    tasks, such as sentence similarity, are encoded as queries. The prompts are those that the model
    declares; instructions of tasks are not used.

    Args:
        encoder: the model.
        how: what its vectors depend on besides its files, for the names of results.

    Attributes:
        encoder: see above.
        model_prompts: the declared prompts, by mteb's names.
        mteb_model_meta: what is known of the model. Its revision is a hash of weights,
            configuration and tokenizer, so that mteb does not reuse results of changed files.
    """

    def __init__(self, encoder: Encoder, how: Mapping[str, str]) -> None:
        self.encoder = encoder
        settings = encoder.settings
        self.model_prompts = prompts_of(settings)
        dimension = int(encoder.encode_queries(["dimension"]).shape[1])
        self.mteb_model_meta = meta_of(encoder.model, settings, dimension, how)

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> Scores:
        """Encodes the texts of a data loader to float32 [N, H].

        mteb joins title and text of a document, but also leaves them as `title` and `body`, which
        are used, so that ids are those of `encode_corpus`.

        Args:
            inputs: batches with `text`, and for documents `body` and `title`.
            task_metadata: of the task.
            hf_split: not used, as the next one.
            hf_subset: not used.
            prompt_type: what the texts are.
            **kwargs: `encode_kwargs`; batches are made by length here, so that `batch_size` has no
                effect.

        Raises:
            I3Error: the task has no texts, or a precision is requested.
        """
        if kwargs.get("precision") not in (None, "float32"):
            raise I3Error(f"precision {kwargs['precision']}: vectors are float32; omit it")
        batches = list(inputs)
        if any("text" not in batch for batch in batches):
            raise I3Error(f"{task_metadata.name}: has no texts, which are all that a model reads")
        if prompt_type == PromptType.document:
            return self.encoder.encode_passages([p for batch in batches for p in _passages(batch)])
        return self.encoder.encode_queries([text for batch in batches for text in batch["text"]])


class IndexSearch:
    """An index in mteb's protocol of search. Hits are those of `search_topics`.

    Args:
        index: the index.
        parameters: those that it was opened with.

    Attributes:
        opened: the index.
        mteb_model_meta: of the model of its manifest; the index is named as an experiment with it.
    """

    def __init__(self, index: Index, parameters: SearchParameters) -> None:
        self.opened = index
        searcher = index.searcher
        encoder = searcher.encoder
        how = {"index": short_hash(json.dumps([_identity(index.path), parameters.given()]))}
        settings, dimension = encoder.settings, searcher.dimension
        self.mteb_model_meta = meta_of(encoder.name, settings, dimension, how)

    def index(self, corpus: "Dataset", *, task_metadata: Any, **kwargs: Any) -> None:
        """Compares the corpus of a task with that of the index, which is not encoded again.

        Args:
            corpus: columns id, text and, optionally, title.
            task_metadata: of the task.
            **kwargs: not used.

        Raises:
            I3Error: it has other ids or other texts.
        """
        name, path, docids = task_metadata.name, self.opened.path, self.opened.searcher.docids
        own = docids if self._chunks is None else WindowDocuments(docids).names
        ids, known = list(corpus["id"]), set(own)
        if other := sorted(known.symmetric_difference(ids))[:1]:
            has = "only the index" if other[0] in known else "only the task"
            raise I3Error(
                f"{path}: encoded from another collection than the corpus of {name}: {len(own):,} "
                f"and {len(ids):,} passages, {has} has {other[0]!r}; encode the task's corpus"
            )
        hashes = None if self._chunks else read_hashes(path, len(docids))
        if hashes is None:
            return
        titled = self.opened.searcher.manifest.titles is not False
        titles = corpus["title"] if "title" in corpus.column_names else [None] * len(ids)
        rows = {docid: row for row, docid in enumerate(docids)}
        for docid, title, text in zip(ids, titles, corpus["text"], strict=True):
            held = hashes[rows[docid]].tobytes()
            if all(content_hash(one, titled) != held for one in _as_read(docid, title, text)):
                raise I3Error(
                    f"{path}: passage {docid!r} was encoded with another text than it has in {name}"
                    "; encode the task's corpus"
                )

    def search(
        self,
        queries: "Dataset",
        *,
        task_metadata: Any,
        top_k: int,
        top_ranked: Mapping[str, list[str]] | None = None,
        **kwargs: Any,
    ) -> Found:
        """Searches the index.

        Args:
            queries: columns id, text and, optionally, instruction, which follows the text.
            task_metadata: of the task.
            top_k: hits per query.
            top_ranked: passages to rank, by query; None to search all.
            **kwargs: not used.

        Returns:
            Scores by query and passage.

        Raises:
            I3Error: a query is not a text, or passages are to be ranked and the index has windows.
        """
        texts = _query_texts(queries, task_metadata.name)
        if top_ranked is not None:
            return self._ranked(dict(zip(queries["id"], texts, strict=True)), top_ranked, top_k)
        found = self.opened.search(texts, top_k)
        return {
            qid: {hit.docid: hit.score for hit in hits}
            for qid, hits in zip(queries["id"], found, strict=True)
        }

    @property
    def _chunks(self) -> Any:
        return self.opened.searcher.manifest.corpus.chunks

    def _ranked(
        self, queries: Mapping[str, str], given: Mapping[str, list[str]], top_k: int
    ) -> Found:
        """The scores of given passages, as a reranking task needs them."""
        searcher = self.opened.searcher
        if self._chunks is not None:
            raise I3Error(f"{searcher.path}: an index of windows cannot rank given documents")
        rows = {docid: row for row, docid in enumerate(searcher.docids)}
        vectors = searcher.vectors_of(list(queries.values()))
        found: Found = {}
        for qid, vector in zip(queries, vectors, strict=True):
            docids = given.get(qid, [])
            own = np.array([rows[docid] for docid in docids], dtype=np.int64)
            scores = (searcher.passages(own) @ vector).tolist() if docids else []
            best = sorted(zip(scores, docids, strict=True), reverse=True)[:top_k]
            found[qid] = {docid: score for score, docid in best}
        return found


def _passages(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts = batch.get("body", batch["text"])
    titles = batch.get("title") or [None] * len(texts)
    return [{"text": text, "title": title} for text, title in zip(texts, titles, strict=True)]


def _query_texts(queries: "Dataset", task: str) -> list[str]:
    texts = list(queries["text"])
    if not all(isinstance(text, str) for text in texts):
        raise I3Error(f"{task}: its queries are conversations, which an index is not searched with")
    if "instruction" not in queries.column_names:
        return texts
    pairs = zip(texts, queries["instruction"], strict=True)
    return [text if added is None else f"{text} {added}" for text, added in pairs]


def _as_read(docid: str, title: str | None, text: str) -> tuple[Passage, Passage]:
    """A passage as it is, and as `data import` would have written it."""
    return (
        Passage(docid, text=text, title=title),
        Passage(docid, text=text.strip(), title=(title or "").strip()),
    )


def _identity(index: Path) -> str:
    """A hash of what an index is made of: its manifest, or else its files."""
    names = (MANIFEST,) if (index / MANIFEST).exists() else ("index", "docid")
    return " ".join(file_hash(index / name) for name in names)

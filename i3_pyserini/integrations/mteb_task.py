"""A collection in our layout as a retrieval task of MTEB."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from datasets import Dataset
from mteb.abstasks import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.languages import ISO_TO_LANGUAGE

from i3_pyserini.data.sources.folders import LayoutFolder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.languages import ENGLISH, language_name
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import as_pandas, read_qrels
from i3_pyserini.formats.topics import read_topics

UNKNOWN_SCRIPT = "Zyyy"  # ISO 15924's code for an undetermined script
UNKNOWN_LANGUAGE = "und"


class CollectionTask(AbsTaskRetrieval):
    """A split of a collection; made by `make_task`.

    Attributes:
        folder: the collection.
        split: the split.
    """

    folder: Path
    split: str

    def load_data(self, num_proc: int | None = None, **kwargs: Any) -> None:
        """Reads corpus, topics and qrels.

        Raises:
            I3Error: a file is invalid, or a judged query has no topic.
        """
        if self.data_loaded:
            return
        source = LayoutFolder(self.folder)
        topics = read_topics(str(source.topic_files[self.split]))
        data = RetrievalSplitData(
            corpus=_corpus(Corpus(self.folder / "corpus")),
            queries=Dataset.from_dict({"id": list(topics), "text": list(topics.values())}),
            relevant_docs=_relevant(source.qrels_files[self.split], set(topics)),
            top_ranked=None,
        )
        self.dataset = {"default": {self.split: data}}
        self.data_loaded = True


def task_of(folder: Path, split: str, remove_query: bool) -> AbsTaskRetrieval:
    """See `i3_pyserini.integrations.mteb.make_task`."""
    source = LayoutFolder(folder)
    for files, name in ((source.topic_files, "topics"), (source.qrels_files, "qrels")):
        if split not in files:
            has = ", ".join(files) or "none"
            raise I3Error(f"{folder}: no {name} of split {split!r}; it has: {has}")
    read = [source.topic_files[split], source.qrels_files[split]]
    read += Corpus(folder / "corpus").files
    digest = sha256(" ".join(file_hash(file) for file in read).encode()).hexdigest()[:40]
    metadata = TaskMetadata(
        name=re.sub(r"[^\w.-]+", "-", f"{source.name}.{split}"),
        description=f"Split {split} of the collection {source.name}.",
        dataset={"path": str(folder), "revision": digest},
        type="Retrieval",
        category="t2t",
        eval_splits=[split],
        eval_langs=[_language(source.language)],
        main_score="ndcg_at_10",
    )
    # mteb looks metadata up in classes, and removes those of an object with its data.
    values = {
        "metadata": metadata,
        "folder": folder,
        "split": split,
        "ignore_identical_ids": remove_query,
    }
    made: AbsTaskRetrieval = type("CollectionTask", (CollectionTask,), values)()
    return made


def _corpus(corpus: Corpus) -> Dataset:
    columns: dict[str, list[str]] = {"id": [], "title": [], "text": []}
    for passage in corpus:
        columns["id"].append(passage.docid)
        columns["title"].append(passage.title or "")  # mteb fails for None
        columns["text"].append(passage.text)
    return Dataset.from_dict(columns)


def _relevant(path: Path, queries: set[str]) -> dict[str, dict[str, int]]:
    """Levels by query and passage.

    Raises:
        I3Error: a judged query has no topic: mteb would leave it out of the means, in which it is
            a zero.
    """
    qrels = read_qrels(path)
    lacking = sorted(set(qrels["query_id"]) - queries)
    if lacking:
        raise I3Error(
            f"{path}: query {lacking[0]!r} has no topic ({len(lacking):,} of them); remove its "
            "judgments, or add the topic"
        )
    found: dict[str, dict[str, int]] = {}
    frame = as_pandas(qrels)  # with levels that do not crash pytrec_eval
    for qid, docid, level in zip(*(frame[name].tolist() for name in frame), strict=True):
        found.setdefault(qid, {})[docid] = int(level)
    return found


def _language(tag: str | None) -> str:
    """The code, such as "eng-Latn", of the language that a collection declares."""
    if tag is None:
        return f"{UNKNOWN_LANGUAGE}-{UNKNOWN_SCRIPT}"
    code = tag.split("-", maxsplit=1)[0]
    if code == ENGLISH:
        return "eng-Latn"
    names = {name: iso for iso, name in ISO_TO_LANGUAGE.items()}
    return f"{names.get(language_name(code), UNKNOWN_LANGUAGE)}-{UNKNOWN_SCRIPT}"

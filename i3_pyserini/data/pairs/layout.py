"""Rows of a collection in our layout, to mix it with others."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from i3_pyserini.data.candidates import CandidateSource, JudgedQueries, NegativesFile
from i3_pyserini.data.collection import PAIR_FILES
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.data.sources.folders import LayoutFolder
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.textstore import TextStore, open_store

CORPUS = "corpus"


def is_layout(folder: Path) -> bool:
    """Whether a folder holds a collection in our layout."""
    return (folder / CORPUS).is_dir()


def layout_rows(folder: Path, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The judged queries of a split with texts in place of ids, as Tevatron has them.

    Negatives are those of `train_negs.tsv` for the split "train", if it is there.

    Raises:
        I3Error: there are no judgments of the split, or a passage is not in the corpus.
    """
    layout = LayoutFolder(folder)
    if split not in layout.qrels_files:
        judged = ", ".join(layout.qrels_files) or "none"
        raise I3Error(f"{folder}: no judged queries {split!r}; it has {judged} (--split)")
    qrels = layout.qrels_files[split]
    queries, positives = read_judged_queries(layout.topic_files[split], qrels)
    negatives, teacher, _ = (folder / name for name in PAIR_FILES)
    if split == "train" and teacher.is_file():
        note(f"{teacher}: not read; scores are not taken from folders in this layout")
    source: CandidateSource = JudgedQueries(queries, positives, str(qrels))
    if split == "train" and negatives.is_file():
        source = NegativesFile(negatives, queries, positives)
    store = open_store(folder / CORPUS)
    for one in source:
        yield (
            one.place,
            {
                "query": one.query,
                "positive_passages": _passages(one.positives, store, one.place),
                "negative_passages": _passages(one.negatives, store, one.place),
            },
        )


def _passages(pids: Sequence[str], store: TextStore, place: str) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []
    for pid in pids:
        passage = store.get(pid)
        if passage is None:
            raise I3Error(f"{place}: passage {pid} is not in the corpus")
        found.append({"title": passage.title, "text": passage.text})
    return found

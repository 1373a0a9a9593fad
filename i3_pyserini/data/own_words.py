"""Training queries out of passages' own words: their titles, or their first sentences."""

import heapq
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from i3_pyserini.data.query_files import (
    Extraction,
    Job,
    Pairs,
    Summary,
    digest,
    enough_room,
    passages_of,
    prepared,
    write_queries,
)
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.sentences import sentence_ends
from i3_pyserini.formats.textstore import TextStore, open_store

Chosen = np.ndarray[Any, np.dtype[np.bool_]]


def from_title(passage: Passage) -> tuple[str, Passage]:
    """The title as a query ("" if there is none), and the passage without it."""
    return passage.title or "", replace(passage, title=None)


def from_first_sentence(passage: Passage) -> tuple[str, Passage]:
    """The text's first sentence as a query, and the passage without it."""
    sentence, rest = first_sentence(passage.text)
    return sentence, replace(passage, text=rest)


EXTRACTIONS: dict[str, Extraction] = {
    "titles": from_title,
    "first-sentences": from_first_sentence,
}


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence and the rest; the rest is "" where no end of a sentence is found.

    See `i3_pyserini.formats.sentences`.
    """
    text = text.strip()
    end = next(sentence_ends(text), len(text))
    return text[:end].rstrip(), text[end:].lstrip()


def extract_queries(job: Job, source: str) -> Summary:
    """Makes queries of passages' own words, and the corpus without these words.

    A query's positives are all passages that give it, be they chosen by `limit` or not: a passage
    with the query as its title must not become its negative.

    Args:
        job: what to make, and where.
        source: one of `EXTRACTIONS`.

    Raises:
        I3Error: the collection gives no query, or a file cannot be read or written.
    """
    extract = EXTRACTIONS[source]
    empty = "passages without a title" if source == "titles" else "passages without a text"
    with prepared(job, with_corpus=True), enough_room(), closing(Pairs(job.min_words)) as pairs:
        store = open_store(job.corpus, job.cache)
        chosen = choose(store, job)
        for row, passage in enumerate(passages_of(store, source)):
            query, rest = extract(passage)
            if query.strip() and rest.text.strip():
                pairs.add(passage.docid, [query], bool(chosen[row]))
            elif chosen[row]:
                pairs.left_out["passages with nothing besides" if query.strip() else empty] += 1
        made = Made(source=source, passages=int(chosen.sum()))
        return write_queries(pairs, job, store, made, extract)


def choose(store: TextStore, job: Job) -> Chosen:
    """Which passages to make queries of: those with the smallest hashes of seed and id.

    Returns:
        A mask over the collection, bool [passages].
    """

    def ranked() -> Iterator[tuple[bytes, int]]:
        for row, pid in enumerate(tqdm(store.pids(), "choose", len(store), delay=2)):
            yield digest(f"{job.seed} {pid}", 8), row

    limit = len(store) if job.limit is None else min(job.limit, len(store))
    chosen = np.zeros(len(store), dtype=np.bool_)
    for _, row in ranked() if limit == len(store) else heapq.nsmallest(limit, ranked()):
        chosen[row] = True
    return chosen

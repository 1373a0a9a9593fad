"""Training queries out of passages' own words: their titles, or their first sentences."""

import heapq
import re
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
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore, open_store

# Words with a full stop that are mostly followed by a capital inside a sentence.
ABBREVIATIONS = re.compile(
    "al|approx|bros|capt|cf|co|col|corp|dept|dr|figs?|ft|gen|gov|hon|inc|jr|lt|ltd|mr|mrs|ms|mt|"
    r"ph\.d|pres|prof|rep|rev|sen|sgt|sr|st|univ|vol|vs"
    r"|[^\W\d_](\.[^\W\d_])*"  # initials, and letters with stops between
)
MARKS = ".!?…؟۔।"
# CJK marks and blank lines end a sentence whatever follows; the others before white space only.
SENTENCE_END = re.compile(
    rf"(?<![{MARKS}])(?P<mark>[{MARKS}]+)[\"'”’»)\]]*(?=\s+[\"'“‘«(\[¿¡]*(?P<next>\w))"
    r"|[。！？]+[”’」』）]*|(?=\n\s*\n)"
)

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

    A sentence ends at `.`, `!`, `?` or the like (with closing quotes and brackets) before white
    space and a letter that is not small; but not at the full stop of an initial ("J. Smith"), of
    letters with stops between ("U.S. Army") or of one of `ABBREVIATIONS`. Where such a word does
    end the sentence, the next one is taken with it.
    """
    text = text.strip()
    for end in SENTENCE_END.finditer(text):
        before = text[max(0, end.start() - 40) : end.start()]
        if end["mark"] is None or _ends(before, end["mark"], end["next"]):
            return text[: end.end()].rstrip(), text[end.end() :].lstrip()
    return text, ""


def _ends(before: str, mark: str, following: str) -> bool:
    if not following.isalpha() or following.islower():
        return False
    word = next(iter(before.split()[-1:]), "").lstrip("\"'“‘«([").casefold()
    return mark != "." or not ABBREVIATIONS.fullmatch(word)


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
        return write_queries(pairs, job, store, extract)


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

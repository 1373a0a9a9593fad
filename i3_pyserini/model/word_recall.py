"""How many words of queries a reconstructor predicts, against lists that cost nothing.

A reconstructor that has learned nothing but frequent words predicts the same ones for all passages,
and `explain` shows them with confidence. This says so in numbers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from math import log
from statistics import fmean

import torch

from i3_pyserini.model.pseudo_query import (
    bare,
    english_stop_words,
    pseudo_query_words,
    words_of,
)
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.tokenizer import I3Tokenizer

TOP = 10
BATCH = 32


@dataclass(frozen=True)
class WordRecall:
    """Shares of the words of a query, stop words excluded, that ten words contain: means.

    Attributes:
        predicted: the words that the reconstructor predicts for the query's passage.
        frequent: the most frequent words of these queries, the same for all.
        passage: the passage's own, by tf-idf among these passages.
        repeated: share of the predicted words that are predicted for the next other passage too;
            None if there is only one passage.
        queries: number of queries.
    """

    predicted: float
    frequent: float
    passage: float
    repeated: float | None
    queries: int

    def __str__(self) -> str:
        return (
            f"of a query's words, {self.predicted:.1%} are among the {TOP} predicted for its "
            f"passage ({self.frequent:.1%} among the most frequent, {self.passage:.1%} among the "
            f"passage's own; {self.queries:,} queries)"
        ) + (
            ""
            if self.repeated is None
            else f"; {self.repeated:.0%} of the predicted words are those of another passage too"
        )


def word_recall(
    model: I3Retriever,
    tokenizer: I3Tokenizer,
    queries: Sequence[str],
    texts: Sequence[str],
    titles: Sequence[str | None],
    batch_size: int = BATCH,
) -> WordRecall | None:
    """Measures the reconstructor as it is used in the vectors.

    Args:
        model: a model with a reconstructor, in evaluation mode.
        tokenizer: its tokenizer.
        queries: N queries, not those of the training.
        texts: N texts; each answers the query of its row.
        titles: their titles.
        batch_size: passages whose scores of all words are in memory at once.

    Returns:
        None if no query has a word that is no stop word.
    """
    stop_words = english_stop_words()
    asked = [set(words_of(query, tokenizer.reconstruction, stop_words)) for query in queries]
    rows = [row for row, words in enumerate(asked) if words]
    if not rows:
        return None
    asked = [asked[row] for row in rows]
    texts, titles = [texts[row] for row in rows], [titles[row] for row in rows]
    predicted = [*_predicted(model, tokenizer, texts, titles, stop_words, batch_size)]
    counts = Counter(word for words in asked for word in words)
    frequent = {word for word, _ in counts.most_common(TOP)}
    shown = tokenizer.passage_texts(texts, titles)
    own = _by_tf_idf([words_of(text, tokenizer.reconstruction, stop_words) for text in shown])
    following = _of_others(predicted, shown)
    return WordRecall(
        predicted=_share(asked, predicted),
        frequent=_share(asked, [frequent] * len(asked)),
        passage=_share(asked, own),
        repeated=None
        if following is None
        else _share([words or {""} for words in predicted], following),
        queries=len(asked),
    )


@torch.inference_mode()
def _predicted(
    model: I3Retriever,
    tokenizer: I3Tokenizer,
    texts: Sequence[str],
    titles: Sequence[str | None],
    stop_words: Set[str],
    batch_size: int,
) -> Iterator[set[str]]:
    memory = "vector" if model.config.interaction == "released" else "tokens"
    for start in range(0, len(texts), batch_size):
        part = slice(start, start + batch_size)
        batch = tokenizer.passages(texts[part], titles[part]).to(model.device)
        for logits in model.decode_passages(**batch, memory=memory):
            found = pseudo_query_words(logits, tokenizer.reconstruction, TOP, stop_words=stop_words)
            yield {bare(one.word).lower() for one in found}


def _of_others(predicted: Sequence[set[str]], texts: Sequence[str]) -> list[set[str]] | None:
    """For each passage, what is predicted for the next one with another text."""
    if len({*texts}) == 1:
        return None
    size = len(texts)
    return [
        next(
            predicted[(row + step) % size]
            for step in range(1, size)
            if texts[(row + step) % size] != texts[row]
        )
        for row in range(size)
    ]


def _by_tf_idf(passages: Sequence[Sequence[str]]) -> list[set[str]]:
    """The words of each passage with the highest tf-idf; ties by first occurrence."""
    containing = Counter(word for words in passages for word in set(words))
    return [
        set(
            sorted(
                (counts := Counter(words)),
                key=lambda word: -counts[word] * log((1 + len(passages)) / containing[word]),
            )[:TOP]
        )
        for words in passages
    ]


def _share(wanted: Sequence[Set[str]], found: Sequence[Set[str]]) -> float:
    """Mean share of wanted words that are found."""
    return fmean(len(one & other) / len(one) for one, other in zip(wanted, found, strict=True))

"""Counts texts that are longer than the model's limits."""

from dataclasses import dataclass

from i3_pyserini.data.candidates import CandidateSource
from i3_pyserini.errors import note
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.model.config import is_i3_model
from i3_pyserini.model.declared import declared
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.train.samples import TrainingSet

SAMPLE = 2000  # texts that are looked at, evenly spread: about a second


@dataclass(frozen=True)
class Cut:
    """The number of truncated texts of one kind.

    Attributes:
        kind: "queries" or "passages".
        limit: maximum ids, special tokens included.
        longer: number of sampled texts with more.
        seen: number of sampled texts.
        total: number of texts.
    """

    kind: str
    limit: int
    longer: int
    seen: int
    total: int

    def __str__(self) -> str:
        return (
            f"{self.longer / self.seen:.1%} of {self.kind} are cut at {self.limit} ids "
            f"({'all' if self.seen == self.total else f'{self.seen:,} of'} {self.total:,} counted)"
        )


def lengths_sentence(tokenizer: I3Tokenizer, samples: TrainingSet, init: str) -> str:
    """Describes how many queries and passages are truncated.

    A note reports different lengths declared by the backbone.

    Args:
        tokenizer: of the model to train.
        samples: the training queries and the collection.
        init: the initial model.
    """
    if not is_i3_model(init) and (others := other_lengths(init, tokenizer)):
        note(f"other lengths than those of model.init {init}: {', '.join(others)}")
    queries, passages = (
        cut_queries(tokenizer, samples.source),
        cut_passages(tokenizer, samples.store),
    )
    return f"{queries}, {passages}; validation and encoding cut alike"


def cut_queries(tokenizer: I3Tokenizer, source: CandidateSource) -> Cut:
    """How many training queries are cut, by the model's own tokenizer."""
    ids = tokenizer.query_ids([source[row].query for row in _spread(len(source))])
    return Cut("queries", tokenizer.config.query_length, ids.cut, len(ids), len(source))


def cut_passages(tokenizer: I3Tokenizer, store: TextStore) -> Cut:
    """How many passages of the collection are cut, titles and template included."""
    found = [store.slice(row, row + 1)[0] for row in _spread(len(store))]
    ids = tokenizer.passage_ids([one.text for one in found], [one.title for one in found])
    return Cut("passages", tokenizer.config.passage_length, ids.cut, len(ids), len(store))


def other_lengths(backbone: str, tokenizer: I3Tokenizer) -> list[str]:
    """What a backbone declares of its lengths where the model to train has others.

    Args:
        backbone: a model of sentence-transformers or any other; others declare nothing.
        tokenizer: of the model to train.

    Returns:
        One phrase for each length, such as "model.query_length is 32, declared are 256".

    Raises:
        I3Error: see `declared`.
    """
    theirs = declared(backbone)
    return [
        f"model.{name} is {getattr(tokenizer.config, name)}, declared are {theirs[name]}"
        for name in ("query_length", "passage_length")
        if theirs.get(name, getattr(tokenizer.config, name)) != getattr(tokenizer.config, name)
    ]


def _spread(total: int) -> range:
    """Rows from the first to the last, at equal distances; `SAMPLE` to 2·`SAMPLE` of many."""
    return range(0, total, max(total // SAMPLE, 1))

"""The pseudo-query words that a model predicts for a passage."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    import pandas as pd

    from i3_pyserini.model.pseudo_query import PseudoQueryWord


@dataclass(frozen=True)
class Explanation:
    """The words of a pseudo-query; prints as a table.

    Attributes:
        words: the words, by descending weight.
        text: the passage's text.
        title: its title; None for none.
        docid: its id; None if it was given as a text.
        memory: what the reconstructor attended to.
        trained: whether the reconstructor was trained; if not, the words are random.
    """

    words: "Sequence[PseudoQueryWord]"
    text: str
    title: str | None
    docid: str | None
    memory: str
    trained: bool

    def __str__(self) -> str:
        lines = [f"{'rank':>4}  {'word':<24} {'weight':>8}  positions"]
        for rank, word in enumerate(self.words, start=1):
            where = _ranges(word.positions)
            lines.append(f"{rank:>4}  {word.word:<24} {word.weight:>8.4f}  {where}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """A JSON object with all attributes."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_pandas(self) -> "pd.DataFrame":
        """Columns word, weight and positions."""
        import pandas as pd

        return pd.DataFrame([asdict(word) for word in self.words])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(word.word)}</td><td>{word.weight:.4f}</td></tr>"
            for word in self.words
        )
        return f"<table><tr><th>word</th><th>weight</th></tr>{rows}</table>"


def explain_passage(
    model: NameOrPath,
    *,
    text: str | None = None,
    title: str | None = None,
    corpus: AnyPath | None = None,
    docid: str | None = None,
    top: int = 20,
    memory: Literal["tokens", "vector"] = "tokens",
    stop_words: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Explanation:
    """Prints the pseudo-query words that a model predicts for a passage.

    Args:
        model: a model directory or hub name.
        text: the passage's text.
        title: its title, with `text`.
        corpus: a corpus that contains the passage.
        docid: the passage's id in `corpus`.
        top: number of words.
        memory: input of the reconstructor: "tokens" for all token vectors, as in the original's
            decode_passage; "vector" for the passage vector only, as for encoding with a released
            model.
        stop_words: include stop words.
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        The words and their weights.

    Raises:
        I3Error: the passage is given twice or not at all, cannot be found, or the model is not an
            I³ model with a reconstructor.
    """
    if (text is None) == (corpus is None) or (corpus is None) != (docid is None):
        raise I3Error("expected the passage either as text (and title) or as corpus and docid")
    if corpus is not None and title is not None:
        raise I3Error("title requires text; with corpus, the title comes from the corpus")
    at_least_1(top=top)
    from i3_pyserini.formats.passages import Corpus
    from i3_pyserini.model.export import load_model_directory
    from i3_pyserini.model.pseudo_query import explain

    if corpus is not None:
        passage = Corpus.from_options(Path(corpus), corpus_options.reading()).find(str(docid))
        title, text = passage.title, passage.text
    assert text is not None  # noqa: S101  (the one or the other)
    loaded, tokenizer = load_model_directory(fspath(model))
    trained = loaded.config.speaks
    if loaded.has_reconstructor and not trained:
        note(f"{fspath(model)}: its reconstructor was never trained; the words are meaningless")
    words = explain(
        loaded, tokenizer, text, title, top=top, keep_stop_words=stop_words, memory=memory
    )
    return Explanation(words, text, title, docid, memory, trained)


def _ranges(positions: Sequence[int]) -> str:
    """[1, 2, 3, 7] as "1-3 7"."""
    runs = [
        [position for _, position in run]
        for _, run in groupby(enumerate(positions), key=lambda pair: pair[1] - pair[0])
    ]
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)

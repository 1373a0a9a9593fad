"""Where two runs differ: the queries that changed most, and the passages that moved."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    from pandas import DataFrame

    from i3_pyserini.eval.diff_texts import PassageTexts, WordsOf
    from i3_pyserini.eval.diffing import Diff
    from i3_pyserini.eval.inputs import Frame, RunLike

STYLES = {".json": "json", ".md": "markdown", ".markdown": "markdown"}  # by the output's name


@dataclass(frozen=True, repr=False)
class RunDiff:
    """How a second run differs from a first.

    Attributes:
        found: all figures, and the queries that changed most.
        output: the file that was written; None for none.
    """

    found: "Diff"
    output: Path | None = None

    def __str__(self) -> str:
        from i3_pyserini.eval.diff_page import as_text

        return as_text(self.found) if self.output is None else f"wrote {self.output}"

    __repr__ = __str__

    def to_json(self) -> str:
        """All there is, with all digits."""
        from i3_pyserini.eval.diff_page import as_json

        return as_json(self.found)

    def to_markdown(self) -> str:
        """GitHub's Markdown."""
        from i3_pyserini.eval.diff_page import as_markdown

        return as_markdown(self.found)

    def to_pandas(self) -> "DataFrame":
        """The queries that changed most: query_id, text, value_a, value_b and change."""
        import pandas as pd

        columns = ("query_id", "text", "value_a", "value_b", "change")
        queries = [*self.found.lost, *self.found.gained]
        return pd.DataFrame({name: [getattr(one, name) for one in queries] for name in columns})


def diff_runs(
    qrels: "NameOrPath | Frame",
    run_a: "Path | RunLike",
    run_b: "Path | RunLike",
    *,
    topics: NameOrPath | Mapping[str, str],
    measure: str = "nDCG@10",
    queries: int = 10,
    depth: int = 10,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    model: NameOrPath | None = None,
    output: AnyPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> RunDiff:
    """Finds the queries that differ most between two runs, and the passages that moved.

    Args:
        qrels: a file of judgements, or the name of a preset or of a data set of ir_datasets.
        run_a: the run to start from.
        run_b: the run that may be better or worse.
        topics: the queries, a file or a name as for search; in Python also texts by query id.
        measure: a measure, or a preset, which means its first.
        queries: how many that lost most, and as many that gained most.
        depth: passages of a run's top.
        corpus: show texts of this corpus.
        cache: folder for the corpus's text store.
        model: an I³ model that reconstructs: show pseudo-query words.
        output: a file to write, as JSON (.json), Markdown (.md) or text.
        overwrite: replace an older file.
        corpus_options: how the corpus is read.

    Returns:
        The differences.

    Raises:
        I3Error: options do not go together, a file cannot be read, or the runs, topics and qrels
            have no query in common.
    """
    given = (qrels, run_a, run_b, topics, corpus)
    files = [Path(one) for one in given if isinstance(one, str | PathLike)]
    output = None if output is None else Path(output)
    corpus = None if corpus is None else Path(corpus)
    at_least_1(queries=queries, depth=depth)
    _check_files(run_a, run_b, corpus, {"model": model, "cache": cache})
    if output is not None:
        refuse_inputs([output], files)
        refuse_existing(output, overwrite)
    from i3_pyserini.eval.diffing import Choice, diff
    from i3_pyserini.eval.inputs import Runs, judgements
    from i3_pyserini.eval.task import graded_note
    from i3_pyserini.formats.measures import choose_measures
    from i3_pyserini.formats.topics import read_topics

    measures, of_preset = choose_measures([measure])
    texts = topics if isinstance(topics, Mapping) else read_topics(fspath(topics))
    judged = judgements(qrels)
    a, b = Runs([run_a, run_b]).read()
    passages = _passages(corpus, cache, model, corpus_options)
    choice = Choice(measures[0], queries, depth)
    found = diff(judged, (a, b), choice, texts, passages.show if passages else None)
    notes = [*([of_preset] if of_preset else [])]
    notes += graded_note(measures[:1], max(judged["relevance"]))
    result = RunDiff(replace(found, notes=[*found.notes, *notes]))
    if output is None:
        return result
    style = STYLES.get(output.suffix.lower())
    with new_file(output, overwrite) as file:
        file.write(f"{getattr(result, f'to_{style}')() if style else result}\n")
    return RunDiff(result.found, output)


def _check_files(a: object, b: object, corpus: Path | None, needs: dict[str, object]) -> None:
    """Refuses one run under two names, and what needs a corpus without one."""
    if isinstance(a, str | PathLike) and isinstance(b, str | PathLike):
        first, second = Path(a), Path(b)
        if first.exists() and second.exists() and first.samefile(second):
            raise I3Error(f"{second}: is the same file as {first}; name two runs")
    for option, value in needs.items():
        if value is not None and corpus is None:
            raise I3Error(f"{option} is for the texts of passages: give corpus, too")
    if corpus is not None and not corpus.exists():
        raise I3Error(f"{corpus}: no such corpus")


def _passages(
    corpus: Path | None, cache: AnyPath | None, model: NameOrPath | None, options: CorpusOptions
) -> "PassageTexts | None":
    if corpus is None:
        return None
    from i3_pyserini.eval.diff_texts import PassageTexts
    from i3_pyserini.formats.passages import Corpus

    words = None if model is None else _words(fspath(model))
    where = None if cache is None else Path(cache)
    return PassageTexts(Corpus.from_options(corpus, options.reading()), where, words)


def _words(model: str) -> "WordsOf":
    from i3_pyserini.model.words import load_words

    found = load_words(model)
    return lambda text, title: [word for word, _ in found.of(text, title)]

"""The differences between two runs: the queries that changed most, and the passages that moved."""

from collections.abc import Mapping, Sequence
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
    from i3_pyserini.eval.provenance import Provenance

STYLES = {".json": "json", ".md": "markdown", ".markdown": "markdown"}  # by the output's name


@dataclass(frozen=True, repr=False)
class RunDiff:
    """The differences between two runs.

    Attributes:
        found: all figures, and the queries that changed most.
        output: the file that was written; None if no file was written.
        made: what made both runs.
    """

    found: "Diff"
    output: Path | None = None
    made: "Provenance | None" = None

    def __str__(self) -> str:
        from i3_pyserini.eval.diff_page import as_text

        return as_text(self.found) if self.output is None else f"wrote {self.output}"

    __repr__ = __str__

    def to_json(self) -> str:
        """All results, with all digits."""
        from i3_pyserini.eval.diff_page import as_json

        return as_json(self.found, {} if self.made is None else self.made.to_json())

    def to_markdown(self) -> str:
        """GitHub Markdown."""
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
    names: Sequence[str] = (),
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
        qrels: a file of relevance judgments, the name of a preset, or an ir_datasets id.
        run_a: the first run.
        run_b: the run to compare with it.
        topics: the queries: a file or name as for `search`; in Python also a mapping of texts by
            query id.
        names: two names to show for the runs. Default: file names.
        measure: a measure, or a preset for its first measure.
        queries: number of queries with the largest losses, and of those with the largest gains.
        depth: number of top passages to show; as many relevant ones below follow.
        corpus: a corpus, to show the texts of passages.
        cache: folder for the text store of the corpus.
        model: an I³ model with a reconstructor, to show pseudo-query words.
        output: a file to write, as JSON (.json), Markdown (.md) or text.
        overwrite: replace an existing file.
        corpus_options: how the corpus is read.

    Returns:
        The differences.

    Raises:
        I3Error: options cannot be combined, a file cannot be read, or the runs, topics and qrels
            have no common query.
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
    from i3_pyserini.eval.provenance import provenance_of
    from i3_pyserini.eval.task import graded_note
    from i3_pyserini.formats.made import made_note
    from i3_pyserini.formats.measures import choose_measures
    from i3_pyserini.formats.topics import read_topics

    measures, of_preset = choose_measures([measure])
    texts = topics if isinstance(topics, Mapping) else read_topics(fspath(topics))
    judged = judgements(qrels)
    a, b = Runs([run_a, run_b], names).read()
    passages = _passages(corpus, cache, model, corpus_options)
    choice = Choice(measures[0], queries, depth)
    found = diff(judged, (a, b), choice, texts, passages.show if passages else None)
    notes = [*([of_preset] if of_preset else [])]
    notes += made_note(qrels)
    notes += graded_note(measures[:1], max(judged["relevance"]))
    made = provenance_of([a, b], qrels)
    notes += [*made.notes, *made.lines()]
    result = RunDiff(replace(found, notes=[*found.notes, *notes]), made=made)
    if output is None:
        return result
    style = STYLES.get(output.suffix.lower())
    with new_file(output, overwrite) as file:
        file.write(f"{getattr(result, f'to_{style}')() if style else result}\n")
    return replace(result, output=output)


def _check_files(a: object, b: object, corpus: Path | None, needs: dict[str, object]) -> None:
    """Checks that the runs differ, and that options for texts come with a corpus."""
    if isinstance(a, str | PathLike) and isinstance(b, str | PathLike):
        first, second = Path(a), Path(b)
        if first.exists() and second.exists() and first.samefile(second):
            raise I3Error(f"{second}: is the same file as {first}; expected two runs")
    for option, value in needs.items():
        if value is not None and corpus is None:
            raise I3Error(f"{option} requires corpus")
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

"""Writes a report: one page with tables and figures of several runs."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing, refuse_inputs
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.eval.inputs import Frame, RunLike
    from i3_pyserini.eval.report.changes import TextOf
    from i3_pyserini.eval.report.costs import Cost
    from i3_pyserini.eval.report.named import NamedRuns


def write_report(
    qrels: "NameOrPath | Frame",
    runs: "Sequence[AnyPath | RunLike] | Mapping[str, RunLike | Sequence[RunLike]] | RunLike",
    *,
    output: AnyPath,
    names: Sequence[str] = (),
    measures: Sequence[str] = (),
    baseline: NameOrPath | None = None,
    relevance: int | None = None,
    title: str | None = None,
    topics: NameOrPath | Mapping[str, str] | None = None,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    index: AnyPath | None = None,
    collection: str | None = None,
    systems: Mapping[str, Mapping[str, str]] | None = None,
    costs: AnyPath | None = None,
    figures: AnyPath | None = None,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Writes a self-contained page with findings, tables and figures of several runs.

    Args:
        qrels: a file of relevance judgments, the name of a preset, an ir_datasets id, or a frame
            with columns query_id, doc_id and relevance.
        runs: run files, or frames with columns query_id, doc_id and score. In Python also a mapping
            by name; a system with several runs, of different seeds, has a sequence of them.
        output: the .html file to write.
        names: names to show, one for each run. Default: the tags of the runs if they tell them
            apart, otherwise file names without "run." and ".txt".
        measures: presets or measures, as for `evaluate`. Judged@10 is added.
        baseline: path or name of the run to compare the others with. Default: the first run.
        relevance: minimum level that counts as relevant in rank figures. Default: the highest that
            a measure names, or 1.
        title: title of the page. Default: the names of runs and collection.
        topics: the queries, to show the texts of those that changed most: a file or name as for
            `search`; in Python also a mapping of texts by query id.
        corpus: a corpus, to show the texts of their passages.
        cache: folder for the text store of the corpus.
        index: the index that was searched, for runs without provenance: to show its collection and
            model.
        collection: name of the collection. Default: that of the runs, or of the index.
        systems: in Python: facts about each run, by name, such as its model, pooling and commands.
        costs: a TSV file with columns run, queries_per_second and index_bytes, for cost figures.
        figures: folder to also write the figures to, as SVG, PDF and PNG.
        overwrite: replace an existing page.
        corpus_options: how the corpus is read.

    Returns:
        The page.

    Raises:
        I3Error: matplotlib or jinja2 is not installed, options cannot be combined, a file cannot be
            read, or the page exists.
    """
    for library in ("matplotlib", "jinja2"):
        if find_spec(library) is None:
            raise I3Error(f"reports need {library}: pip install 'i3-pyserini[report]'")
    page = Path(output)
    drawn = None if figures is None else Path(figures)
    _check_outputs(page, drawn)
    from i3_pyserini.eval.report.content import Asked, report_of
    from i3_pyserini.eval.report.drawings import drawings
    from i3_pyserini.eval.report.figures import save_all
    from i3_pyserini.eval.report.named import NamedRuns
    from i3_pyserini.eval.report.page import write_page
    from i3_pyserini.eval.task import read_task
    from i3_pyserini.formats.topics import read_topics

    if cache is not None and corpus is None:
        raise I3Error("cache requires corpus")
    given = NamedRuns(runs, names)
    files = [Path(one) for one in (qrels, topics, corpus) if isinstance(one, str | PathLike)]
    cost_file = None if costs is None else Path(costs)
    if corpus is not None and not Path(corpus).exists():
        raise I3Error(f"{corpus}: no such corpus")
    refuse_inputs([page], [*files, *given.files, cost_file])
    given.check([title or "", collection or ""])
    refuse_existing(page, overwrite)
    place = given.place(baseline)
    searched = None if index is None else Path(index)
    asked = Asked(
        title=title,
        baseline=place,
        chosen=baseline is not None,
        relevance=relevance,
        topics=topics if isinstance(topics, Mapping | None) else read_topics(fspath(topics)),
        text_of=_text_of(corpus, cache, corpus_options),
        index=searched,
        collection=collection,
        qrels=qrels if isinstance(qrels, str | PathLike) else "qrels",
        costs=_costs(cost_file, given),
        systems=systems or {},
    )
    report = report_of(given, read_task(qrels, measures), asked)
    made = drawings(report)
    every = [one for section in made.values() for one in section]
    if drawn is not None:
        save_all(every, drawn)
    write_page(report, made, page, overwrite)
    runs_are = "1 run" if len(given.shown) == 1 else f"{len(given.shown)} runs"
    saved = f" (also in {drawn} as SVG, PDF and PNG)" if drawn else ""
    return Written(page, f"{runs_are}, {len(every)} figures{saved}")


def _check_outputs(page: Path, figures: Path | None) -> None:
    """Checks the outputs before anything is read."""
    if page.is_dir():
        raise I3Error(f"{page}: is a folder; expected a file, such as report.html")
    if page.suffix != ".html":
        raise I3Error(f"{page}: is not a web page; expected a name such as report.html")
    if figures is not None and figures.exists() and not figures.is_dir():
        raise I3Error(f"{figures}: is a file; expected a folder for figures")


def _costs(path: Path | None, runs: "NamedRuns") -> "dict[str, Cost]":
    """Costs by the names that are shown; the file has those of runs."""
    if path is None:
        return {}
    from i3_pyserini.eval.report.costs import read_costs

    found = read_costs(path, runs.sources)
    return {name: found[source] for name, source in zip(runs.shown, runs.sources, strict=True)}


def _text_of(
    corpus: AnyPath | None, cache: AnyPath | None, options: CorpusOptions
) -> "TextOf | None":
    if corpus is None:
        return None
    from i3_pyserini.eval.diff_texts import PassageTexts
    from i3_pyserini.eval.report.changes import PASSAGE_LENGTH
    from i3_pyserini.formats.passages import Corpus

    where = None if cache is None else Path(cache)
    passages = PassageTexts(
        Corpus.from_options(Path(corpus), options.reading()), where, length=PASSAGE_LENGTH
    )
    return lambda passage: passages.show(passage).text

"""Writes a report: one page with tables and figures of several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing, refuse_inputs
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.eval.inputs import Frame, RunLike, Runs
    from i3_pyserini.eval.report.page import Report
    from i3_pyserini.eval.task import Task


def write_report(
    qrels: "NameOrPath | Frame",
    runs: "Sequence[AnyPath | RunLike] | Mapping[str, RunLike] | RunLike",
    *,
    output: AnyPath,
    measures: Sequence[str] = (),
    baseline: NameOrPath | None = None,
    relevance: int | None = None,
    title: str = "Runs compared",
    index: AnyPath | None = None,
    costs: AnyPath | None = None,
    figures: AnyPath | None = None,
    overwrite: bool = False,
) -> Written:
    """Writes a self-contained page with tables and figures of several runs.

    Args:
        qrels: a file of relevance judgments, the name of a preset, an ir_datasets id, or a frame
            with columns query_id, doc_id and relevance.
        runs: run files, or frames with columns query_id, doc_id and score.
        output: the .html file to write.
        measures: presets or measures, as for `evaluate`.
        baseline: path or name of the run to compare the others with. Default: the first run.
        relevance: minimum level that counts as relevant in rank figures. Default: the highest that
            a measure names, or 1.
        title: title of the page.
        index: the index that was searched, to show the name of its collection.
        costs: a TSV file with columns run, queries_per_second and index_bytes, for cost figures.
        figures: folder to also write the figures to, as SVG, PDF and PNG.
        overwrite: replace an existing page.

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
    from i3_pyserini.eval.inputs import Runs
    from i3_pyserini.eval.report.costs import read_costs
    from i3_pyserini.eval.report.figures import save_all
    from i3_pyserini.eval.report.page import counted, drawings, write_page
    from i3_pyserini.eval.task import read_task

    given = Runs(runs)
    # Paths of folders are private and not shown on the page.
    source = qrels if isinstance(qrels, str | PathLike) else "qrels"
    file = Path(source)
    costs = None if costs is None else Path(costs)
    refuse_inputs([page], [file, *given.files, costs])
    names = [path.name for path in given.paths]
    _check_names(names, [file.name, *names, title])
    refuse_existing(page, overwrite)
    place = _place(given, baseline)
    known_costs = read_costs(costs, names) if costs else {}
    searched = None if index is None else Path(index)
    task = read_task(qrels, measures, searched)
    report = _report(given, task, place, relevance, alone=baseline is None)
    judged = f"{counted(len(report.evaluations[0].queries))}, {len(task.qrels):,} judgements"
    facts = {"qrels": f"{file.name if file.exists() else source}: {judged}", **_searched(searched)}
    report = replace(report, title=title, costs=known_costs, facts=facts)
    made = drawings(report)
    if drawn is not None:
        save_all(made, drawn)
    write_page(report, made, page, overwrite)
    runs_are = "1 run" if len(names) == 1 else f"{len(names)} runs"
    saved = f" (also in {drawn} as SVG, PDF and PNG)" if drawn else ""
    return Written(page, f"{runs_are}, {len(made)} figures{saved}")


def _check_outputs(page: Path, figures: Path | None) -> None:
    """Checks the outputs before anything is read."""
    if page.is_dir():
        raise I3Error(f"{page}: is a folder; expected a file, such as report.html")
    if page.suffix != ".html":
        raise I3Error(f"{page}: is not a web page; expected a name such as report.html")
    if figures is not None and figures.exists() and not figures.is_dir():
        raise I3Error(f"{figures}: is a file; expected a folder for figures")


def _check_names(runs: list[str], shown: list[str]) -> None:
    twice = [name for name in runs if runs.count(name) > 1]
    if twice:
        raise I3Error(f"two runs are named {twice[0]}; give them different file names")
    for name in shown:
        if not name.isprintable():
            raise I3Error(
                f"{name!a}: contains a character that cannot be shown; choose another name"
            )


def _place(runs: "Runs", baseline: NameOrPath | None) -> int | None:
    """The position of the baseline run; None for a single run."""
    if baseline is None:
        return 0 if len(runs.entries) > 1 else None
    baseline = fspath(baseline)
    place = runs.place_of(baseline)
    if place is None:
        raise I3Error(f"baseline {baseline} is not one of the runs")
    if len(runs.entries) == 1:
        raise I3Error(f"baseline {baseline}: is the only run; add a run to compare with it")
    return place


def _report(
    runs: "Runs", task: "Task", place: int | None, relevance: int | None, alone: bool
) -> "Report":
    """Evaluates and compares the runs; a single query cannot be compared."""
    from i3_pyserini.eval.compare import LEAST_QUERIES, compare
    from i3_pyserini.eval.evaluation import evaluate_run
    from i3_pyserini.eval.ranking import judged_ranks
    from i3_pyserini.eval.report.page import Report
    from i3_pyserini.eval.task import relevance_level

    qrels, notes = task.qrels, list(task.notes)
    level = _level(relevance, max(qrels["relevance"])) or relevance_level(task.measures)
    evaluations, ranks = [], {}
    for run in runs.read():
        evaluations.append(evaluate_run(qrels, run, task.measures))
        ranks[run.name] = judged_ranks(qrels, run)
        notes += [f"{run.name}: {told}" for told in evaluations[-1].warnings]
    if len(evaluations[0].queries) < LEAST_QUERIES and alone:
        place = None
    others = [one for number, one in enumerate(evaluations) if number != place]
    differences = compare(evaluations[place], others) if place is not None else ()
    return Report("", evaluations, ranks, level, place, differences, notes=notes)


def _searched(index: Path | None) -> dict[str, str]:
    if index is None:
        return {}
    from i3_pyserini.eval.task import searched_collection

    return {"collection": "{} ({:,} passages)".format(*searched_collection(index))}


def _level(asked: int | None, highest: int) -> int | None:
    if asked is not None and not 1 <= asked <= highest:
        raise I3Error(f"relevance {asked}: the qrels have levels from 1 to {highest}")
    return asked

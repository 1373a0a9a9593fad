"""Evaluates runs: measures of ir-measures, comparison with a baseline, groups of queries."""

from collections.abc import Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.errors import I3Error, note
from i3_pyserini.eval.results import Results
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    from ir_measures.measures import Measure
    from polars import DataFrame as PolarsFrame

    from i3_pyserini.eval.evaluation import Evaluation
    from i3_pyserini.eval.groups import Groups
    from i3_pyserini.eval.inputs import Frame, RunLike, Runs
    from i3_pyserini.eval.present import Section

GROUPINGS = ("length", "relevants", "bm25")


def evaluate(
    qrels: "NameOrPath | Frame",
    runs: "Sequence[AnyPath | RunLike] | Mapping[str, RunLike] | RunLike",
    *,
    names: Sequence[str] = (),
    measures: Sequence[str] = (),
    index: AnyPath | None = None,
    baseline: AnyPath | None = None,
    group_by: NameOrPath | None = None,
    topics: NameOrPath | None = None,
    bm25: AnyPath | None = None,
    duplicates: Literal["refuse", "max"] = "refuse",
    judged_only: bool = False,
    per_query: bool = False,
    provenance: bool = False,
) -> Results:
    """Evaluates runs, and compares them with a baseline.

    Measures are those of ir-measures, such as nDCG@10 or R(rel=2)@1000, or presets:
    msmarco-passage-dev, trec-dl-2019 to trec-dl-2022, beir, miracl.

    Args:
        qrels: a file of relevance judgments, the name of a preset, an ir_datasets id, or a frame
            with columns query_id, doc_id and relevance.
        runs: run files in TREC or MS MARCO format (plain, gzip or zstd), or frames with columns
            query_id, doc_id and score; a mapping gives frames names.
        names: names to show, one for each run. Default: file names.
        measures: measures and presets. Default: those of the qrels' preset, or nDCG@10, RR@10,
            R@100 and R@1000.
        index: the index that was searched, for runs without provenance, such as those of stock
            Pyserini: to name its collection.
        baseline: file or name of the run to compare the others with.
        group_by: also evaluate groups of queries: length, relevants, bm25, or a file with a query
            id and a group per line.
        topics: the queries, for groups by length.
        bm25: a BM25 run, for groups by the rank of its first relevant passage.
        duplicates: for a passage judged twice for a query with different levels: "refuse" the
            qrels, or use the highest level ("max").
        judged_only: leave out unjudged passages, so that those below them move up (condensed
            lists). By default they count as not relevant.
        per_query: print the values of each query.
        provenance: print all that is known of how each run was made; by default a line.

    Returns:
        The measures, and what made the runs. Tables show Judged@10 besides, the share of judged
        passages among the first 10. A query that a run lacks counts as zero.

    Raises:
        I3Error: a file cannot be read, a run has no query of the qrels, a measure is unknown, or
            options cannot be combined.
    """
    _check(group_by, topics, bm25)
    from i3_pyserini.eval.inputs import Runs
    from i3_pyserini.eval.judged import evaluate_judged, uneven_note
    from i3_pyserini.eval.provenance import provenance_of
    from i3_pyserini.eval.task import read_task

    given = Runs(runs, names)
    place = None if baseline is None else _place(given, Path(baseline))
    index = None if index is None else Path(index)
    task = read_task(qrels, measures, duplicates)
    groups, of_groups = _groups(group_by, topics, bm25, task.qrels, task.measures)
    read = given.opened()
    evaluations = [evaluate_judged(task.qrels, run, task.measures, judged_only) for run in read]
    made = provenance_of(read, qrels, task.presets, index)
    notes = [
        *task.notes,
        *made.notes,
        *of_groups,
        *([] if judged_only else uneven_note(evaluations)),
    ]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            note(f"{evaluation.run}: {warning}")
    for one in notes:
        note(one)
    if made.collection and per_query:
        note(f"collection: {made.collection}")
    return Results(_sections(evaluations, groups, place), made, notes, per_query, provenance)


def _check(group_by: NameOrPath | None, topics: NameOrPath | None, bm25: AnyPath | None) -> None:
    """Checks that arguments can be combined, before anything is read."""
    if group_by and group_by not in GROUPINGS and not Path(group_by).is_file():
        raise I3Error(f"group_by {fspath(group_by)}: expected {', '.join(GROUPINGS)} or a file")
    for grouping, option, value in (("length", "topics", topics), ("bm25", "bm25", bm25)):
        if group_by == grouping and not value:
            raise I3Error(f"group_by {grouping} requires {option}")
        if group_by != grouping and value:
            raise I3Error(f"{option} requires group_by {grouping}")


def _place(runs: "Runs", baseline: Path) -> int:
    """The position of the baseline among the runs; another file is inserted at the front."""
    place = runs.place_of(baseline)
    if place is None:
        if not baseline.exists():
            raise I3Error(f"baseline {baseline}: neither a file nor one of the runs")
        place = 0
        runs.insert_first(baseline)
    if len(runs.entries) == 1:
        raise I3Error(f"{baseline}: is the only run; add a run to compare with it")
    return place


def _sections(
    evaluations: "list[Evaluation]", groups: "Groups", place: int | None
) -> "list[Section]":
    """All queries, then the requested groups."""
    from i3_pyserini.eval.compare import LEAST_QUERIES, compare
    from i3_pyserini.eval.groups import restrict
    from i3_pyserini.eval.present import Section

    sections = []
    for name, queries in [("", None), *groups.items()]:
        runs = [restrict(one, queries) if queries else one for one in evaluations]
        differences = []
        if place is not None and (not queries or len(queries) >= LEAST_QUERIES):
            differences = compare(runs[place], [*runs[:place], *runs[place + 1 :]])
        sections.append(Section(name, runs, differences))
    return sections


def _groups(
    group_by: NameOrPath | None,
    topics: NameOrPath | None,
    bm25: AnyPath | None,
    qrels: "PolarsFrame",
    measures: "list[Measure]",
) -> "tuple[Groups, list[str]]":
    if not group_by:
        return {}, []
    from i3_pyserini.eval import groups
    from i3_pyserini.eval.task import relevance_level
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.formats.topics import read_topics

    level = relevance_level(measures)
    if group_by == "length":
        return groups.by_length(qrels, read_topics(fspath(topics or ""))), []
    if group_by == "relevants":
        return groups.by_relevants(qrels, level), []
    if group_by == "bm25":
        return groups.by_first_hit(qrels, read_run(Path(bm25 or "")), level), []
    return groups.read_groups(Path(group_by), qrels)

"""Compares the systems of one collection: runs the commands, and evaluates the runs."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from i3_pyserini.errors import I3Error, note
from i3_pyserini.eval.compare import LEAST_QUERIES, Difference
from i3_pyserini.eval.compare import compare as differences_to
from i3_pyserini.eval.evaluation import JUDGED, Evaluation, mean_evaluation
from i3_pyserini.eval.results import Results
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.experiments.compared import BACKBONE, BASELINE, Agreement, Compared
from i3_pyserini.experiments.comparison import Study
from i3_pyserini.experiments.plan import Plan
from i3_pyserini.experiments.runner import run_plan, run_quietly, timed
from i3_pyserini.experiments.stock_check import agreement
from i3_pyserini.experiments.study_report import report_study

LOG = "commands.log"


def compare_systems(study: Study, measures: list[str], quiet: bool) -> Compared:
    """Runs the commands that are not complete, and evaluates.

    Args:
        study: the collection and its systems.
        measures: measures to report.
        quiet: print one line per step; see `run_quietly`.

    Raises:
        I3Error: a command failed.
    """

    def finish(plan: Plan) -> None:
        if quiet:
            run_quietly(plan, study.folder / LOG)
        else:
            run_plan(plan, (), log=True)

    finish(study.beginning())
    rates = study.best_rates()
    if len(study.options.rates) > 1:
        for model, rate in rates.items():
            note(f"{study.name}: {study.models[model]}: learning rate {rate:g} is the best on dev")
    finish(study.rest(rates))
    checked = _stock_check(study, finish)
    with timed("evaluate, test, write the report") if quiet else nullcontext():
        return _results(study, rates, measures, checked)


def _stock_check(study: Study, finish: Callable[[Plan], None]) -> Agreement | None:
    """Compares our hits with those of stock Pyserini; None without Java, or if it fails."""
    if study.engine != "lucene":
        return None
    plan, own, stock = study.stock()
    try:
        finish(plan)
        return agreement(own, stock) if plan.steps else None
    except I3Error as error:  # what was compared stands without it
        note(f"{study.name}: not searched with stock Pyserini: {error}")
        return None


def _results(
    study: Study,
    rates: dict[str, float],
    measures: list[str],
    checked: Agreement | None,
) -> Compared:
    qrels, runs = study.queries.files["test"][1], study.runs()
    named = {
        (label if len(files) == 1 else f"{label}, seed {seed}"): (label, file)
        for label, files in runs.items()
        for seed, file in zip(study.options.seeds, files, strict=False)
    }
    files = {name: file for name, (_, file) in named.items()}
    found = evaluate(qrels, files, measures=list(dict.fromkeys([*measures, JUDGED])))
    means, differences, to_backbone, seeds = _evaluated(found, runs, measures)
    return Compared(
        study.name,
        means,
        differences,
        seeds,
        study.costs(rates),
        {study.models[model]: rate for model, rate in rates.items()},
        report_study(study, rates, measures),
        checked,
        to_backbone,
        study.limits(),
        found.made,
    )


def _evaluated(
    found: Results, runs: dict[str, list[Path]], measures: list[str]
) -> tuple[list[Evaluation], list[Difference], list[Difference], dict[str, list[Evaluation]]]:
    """Means over seeds, differences to the dual encoder and the backbone, runs by system.

    A query's value is the mean of its values over the seeds, so that tests are over queries.
    """
    each = iter(found.sections[0].evaluations)
    means, seeds = [], {}
    for label, files in runs.items():
        own = [next(each) for _ in files]
        means.append(mean_evaluation(label, own))
        if len(own) > 1:
            seeds[label] = own
    tested = [one.restricted(measures) for one in means]
    base = next(one for one in tested if one.run == BASELINE)
    if len(base.queries) < LEAST_QUERIES:
        return means, [], [], seeds
    others = [one for one in tested if one is not base]
    deciding = [one.restricted(measures[:1]) for one in means]
    backbone = next(one for one in deciding if one.run == BACKBONE)
    later = deciding[deciding.index(backbone) + 1 :]  # what training and fusion add
    return means, differences_to(base, others), differences_to(backbone, later), seeds

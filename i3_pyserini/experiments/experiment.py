"""An experiment: a plan's steps on certain files, and the scores to expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from i3_pyserini.experiments.plan import Plan, Section, choose_steps, fill, load_plan, read_form
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.shipped import find_shipped


class Score(Section):
    """One number to compare.

    Attributes:
        expected: the mean over the judged queries; null if none is published.
        tolerance: allowed absolute deviation.
        source: source of `expected`.
    """

    expected: float | None = None
    tolerance: float = 0.0
    source: str = ""


class RunScores(Section):
    """The scores of one run file.

    Attributes:
        run: the run; `{name}` in this path and the next stands for a setting.
        qrels: TREC judgements.
        measures: measures of ir-measures.
    """

    run: str
    qrels: str
    measures: dict[str, Score]


class Experiment(Section):
    """An experiment file in `recipes/experiments`.

    Attributes:
        about: description in one line.
        needs: hardware, hours and disk.
        gpu: whether it requires a GPU.
        plan: the commands: a plan's name, or a file relative to this one.
        steps: which of them, in the plan's order.
        settings: other values for the plan's settings.
        only: keeps of a step's repetitions those with these values.
        files: what must be there, by the setting that names it; the first of several candidates
            that exists. `{collections}` is the user's folder.
        get: the command that gets what is missing.
        published: published scores to print for comparison.
        scores: the expected scores.
    """

    about: str
    needs: str
    gpu: bool = False
    plan: str
    steps: list[str]
    settings: dict[str, str] = Field(default_factory=dict)
    only: dict[str, str] = Field(default_factory=dict)
    files: dict[str, list[str]] = Field(default_factory=dict)
    get: str = ""
    published: list[str] = Field(default_factory=list)
    scores: list[RunScores]


@dataclass(frozen=True)
class Prepared:
    """An experiment with its paths filled in.

    Attributes:
        plan: the commands.
        steps: which of them.
        scores: with real paths.
        missing: missing files.
        get: the command that gets them.
    """

    plan: Plan
    steps: list[str]
    scores: list[RunScores]
    missing: list[str]
    get: str


def load_experiment(name: str, folder: Path | None = None) -> Experiment:
    """Reads an experiment.

    Args:
        name: name of an included experiment, or a file.
        folder: another folder in which to look for names.

    Raises:
        I3Error: it does not exist (the message suggests similar names), or cannot be read.
    """
    path = find_shipped("experiment", name, folder)
    experiment = read_form(path, Experiment, "an experiment")
    beside = path.parent / experiment.plan
    return experiment.model_copy(update={"plan": str(beside)}) if beside.is_file() else experiment


def prepare(
    experiment: Experiment, paths: Mapping[str, str], changes: Mapping[str, str]
) -> Prepared:
    """Fills in an experiment's paths.

    Args:
        experiment: the experiment.
        paths: `collections`, `output` and the like; those that the plan has no setting for are
            left out.
        changes: other values for the plan's settings and flags, which win over the experiment's.

    Raises:
        I3Error: a path, a command or a change names an unknown setting, or a measure is invalid.
    """
    path = find_shipped("plan", experiment.plan)
    known = load_plan(path, {}).settings
    files, missing = {}, []
    for name, candidates in experiment.files.items():
        if name in changes:
            files[name] = changes[name]
            continue
        filled = [fill(text, paths, f"files.{name}") for text in candidates]
        there = [one for one in filled if Path(one).exists()]
        files[name] = (there or filled)[0]
        missing += [] if there else filled[:1]
    given = {name: value for name, value in {**files, **paths}.items() if name in known}
    changed = {name: value for name, value in changes.items() if name not in files or name in known}
    plan = load_plan(path, {**experiment.settings, **given, **changed})
    values = {**plan.settings, **files}
    scores = [
        RunScores(
            run=fill(one.run, values, "scores.run"),
            qrels=fill(one.qrels, values, "scores.qrels"),
            measures=one.measures,
        )
        for one in experiment.scores
    ]
    choose_measures([measure for one in scores for measure in one.measures])  # before hours of work
    steps = choose_steps(plan, experiment.steps)
    get = fill(experiment.get, paths, "get")
    return Prepared(_only(plan, experiment.only), steps, scores, missing, get)


def _only(plan: Plan, wanted: Mapping[str, str]) -> Plan:
    """The plan without repetitions that have other values."""
    steps = {
        name: step.model_copy(
            update={"each": [one for one in step.each if wanted.items() <= one.items()]}
        )
        if step.each
        else step
        for name, step in plan.steps.items()
    }
    return plan.model_copy(update={"steps": steps})

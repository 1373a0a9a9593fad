"""Experiments: the demo, named ones with expected scores, and plans step by step."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.paths import AnyPath, NameOrPath

if TYPE_CHECKING:
    from i3_pyserini.experiments.check import Check
    from i3_pyserini.experiments.demo.run import Demo
    from i3_pyserini.experiments.experiment import Experiment

OUTPUT = "experiment-output"


@dataclass(frozen=True)
class Experiments:
    """The experiments that come with the package.

    Attributes:
        known: the experiments by name, with requirements and published scores.
    """

    known: "Mapping[str, Experiment]"

    def __str__(self) -> str:
        lines = []
        for name, one in self.known.items():
            lines.append(f"{name}: {one.about}\n  needs: {one.needs}")
            lines += [f"  published: {line}" for line in one.published]
        return "\n".join([*lines, "", "experiment run NAME --dry-run prints the commands"])

    def to_json(self) -> str:
        """A JSON object of all experiments by name."""
        return json.dumps({name: one.model_dump() for name, one in self.known.items()})


@dataclass(frozen=True)
class ExperimentScores:
    """Observed scores beside the expected ones.

    Attributes:
        checks: all scores.
    """

    checks: "Sequence[Check]"

    @property
    def exit_code(self) -> int:
        """1 if a score is out of tolerance."""
        return int(any(check.failed for check in self.checks))

    def __str__(self) -> str:
        from i3_pyserini.experiments.check import table

        return f"\n{table(self.checks).text()}"

    def to_json(self) -> str:
        """A list of objects with run, measure, expected, tolerance, source, observed and failed.

        And with `provenance`, what made the run; null if that is unknown.
        """
        return json.dumps(
            [
                {
                    "run": check.run,
                    "measure": check.measure,
                    **check.score.model_dump(),
                    "observed": check.observed,
                    "failed": check.failed,
                    "provenance": check.metadata.to_json() if check.metadata else None,
                }
                for check in self.checks
            ]
        )


def list_experiments(*, folder: AnyPath | None = None) -> Experiments:
    """Lists the experiments and their requirements.

    Args:
        folder: another folder of experiments.

    Returns:
        A description of each.

    Raises:
        I3Error: a file cannot be read.
    """
    _require_yaml()
    from i3_pyserini.experiments.experiment import load_experiment
    from i3_pyserini.shipped import shipped

    place = None if folder is None else Path(folder)
    names = shipped("experiment", place)
    return Experiments({name: load_experiment(name, place) for name in names})


def run_experiment(
    name: NameOrPath,
    *,
    output: AnyPath | None = None,
    collections: AnyPath = "data",
    values: Sequence[str] = (),
    dry_run: bool = False,
    folder: AnyPath | None = None,
) -> ExperimentScores | None:
    """Runs an experiment and compares its scores with the expected ones.

    Completed commands are skipped, so the same call resumes.

    Args:
        name: name of an included experiment, or a file.
        output: folder for indexes and runs. Default: experiment-output.
        collections: folder with one folder per collection.
        values: override settings, as NAME=VALUE.
        dry_run: print the commands and the expected scores without running them.
        folder: another folder of experiments.

    Returns:
        The scores; on a command line, the exit code is 1 if one is out of tolerance. None with
        `dry_run`.

    Raises:
        I3Error: a file or a GPU is missing, or a command failed.
    """
    _require_yaml()
    from i3_pyserini.experiments.check import expected_scores, run_and_check, weights
    from i3_pyserini.experiments.experiment import load_experiment, prepare
    from i3_pyserini.experiments.plan import read_settings
    from i3_pyserini.experiments.runner import run_plan

    experiment = load_experiment(fspath(name), None if folder is None else Path(folder))
    paths = {"output": fspath(output or OUTPUT), "collections": fspath(collections)}
    prepared = prepare(experiment, {**paths, **weights()}, read_settings(values))
    if output and "output" not in prepared.plan.settings:
        raise I3Error(
            f"{fspath(name)} works in data/ and runs/ of the current folder: omit output, or cd "
            f"{fspath(output)}"
        )
    if not dry_run:
        scores = ExperimentScores(run_and_check(experiment, prepared))
        failed = sum(check.failed for check in scores.checks)
        if failed:
            note(
                f"{failed} of {len(scores.checks)} scores are out of tolerance; existing output "
                "was reused: choose another output to start over"
            )
        return scores
    print(f"{experiment.about}\nneeds: {experiment.needs}\n")
    run_plan(prepared.plan, prepared.steps, dry_run=True)
    print(f"\n{expected_scores(prepared).text()}")
    print("".join(f"\npublished: {line}" for line in experiment.published))
    return None


def run_plan_steps(
    plan: NameOrPath,
    steps: Sequence[str] = (),
    *,
    values: Sequence[str] = (),
    dry_run: bool = False,
) -> None:
    """Runs the steps of a plan. Completed commands are skipped, so the same command resumes.

    Args:
        plan: the name of an included plan, such as "msmarco", or a YAML file.
        steps: names of steps. Default: all.
        values: override settings, as NAME=VALUE.
        dry_run: print the commands without running them.

    Raises:
        I3Error: the plan cannot be read, or a command failed.
    """
    _require_yaml()
    from i3_pyserini.experiments.plan import load_plan, read_settings
    from i3_pyserini.experiments.runner import run_plan

    run_plan(load_plan(fspath(plan), read_settings(values)), steps, dry_run)


def run_demo(*, output: AnyPath = "demo-output", full: bool = False) -> "Demo":
    """Compares BM25, MiniLM, a dual encoder and I³ on the documentation of Python.

    This is `compare` with `quick` on a collection that every machine has. Nothing is downloaded.
    Completed steps are skipped, so the same call resumes.

    Args:
        output: the folder to write.
        full: more passages (NumPy's too), longer passages and more training steps.

    Returns:
        The table, and what it shows.

    Raises:
        I3Error: the package with weights is missing, or a command failed.
    """
    _require_yaml()
    from i3_pyserini.experiments.demo.run import FULL, QUICK, demonstrate

    return demonstrate(Path(output), FULL if full else QUICK)


def _require_yaml() -> None:
    if find_spec("pydantic") is None or find_spec("yaml") is None:
        raise I3Error("experiments need pydantic and pyyaml: pip install 'i3-pyserini[train]'")

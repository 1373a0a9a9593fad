"""The study's runs, in their order, and their records."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.study.conditions import EXPLORED, GPU, LONGER, SHARED, TESTED, Condition, Keys

HERE = Path(__file__).parent
RECORDS = HERE / "records"
STAGES = ("explore", "rates", "test", "gpu")
RATES = (2e-5, 5e-5, 1e-4)  # of encoders and heads
SEEDS = 5
MEASURE = "RR@10"
MEASURES = (MEASURE, "nDCG@10", "R@100")
ORDER = (*TESTED[:3], LONGER, *TESTED[3:])  # those that need a teacher's scores come last


@dataclass(frozen=True)
class Run:
    """One training, and its measurement.

    Attributes:
        stage: one of `STAGES`.
        collection: name of the collection.
        condition: what is trained.
        seed: of the training.
        keys: what the run changes of its condition.
    """

    stage: str
    collection: str
    condition: Condition
    seed: int
    keys: Keys = field(default_factory=dict)

    @property
    def split(self) -> str:
        """The queries that it is measured on."""
        return {"rates": "dev", "test": "test"}.get(self.stage, "explore")

    @property
    def file(self) -> Path:
        """The file of its results, in the folder of records."""
        words = [self.condition.name]
        if self.stage in {"rates", "gpu"}:
            words += [f"{self.keys['optimizer.learning_rate']:g}"]
        name = " ".join([*words, f"seed-{self.seed}"]).replace("³", "3").replace(",", "")
        return Path(self.stage, self.collection, f"{name.replace(' ', '-')}.json")

    def read(self) -> dict[str, Any]:
        """Its results.

        Raises:
            FileNotFoundError: the run is not finished.
        """
        content: dict[str, Any] = json.loads((RECORDS / self.file).read_text(encoding="utf-8"))
        return content


def runs_of(stage: str, collections: Sequence[str]) -> Iterator[Run]:
    """All runs of a stage; those of the test when all learning rates have been tried.

    Args:
        stage: one of `STAGES`.
        collections: names of collections.

    Raises:
        FileNotFoundError: a run for a learning rate is missing.
    """
    if stage == "explore":
        for condition in EXPLORED:
            yield from (Run(stage, name, condition, seed=1) for name in collections)
    elif stage == "gpu":
        for rate in RATES:
            for condition in TESTED[:3]:
                keys = {**GPU, "optimizer.learning_rate": rate}
                yield from (Run(stage, name, condition, 1, keys) for name in collections)
    elif stage == "rates":
        for condition in TESTED:
            for rate in RATES:
                yield from (rate_run(name, condition, rate) for name in collections)
    else:
        for condition in ORDER:
            for seed in seeds():
                for name in collections:
                    yield Run(stage, name, condition, seed, chosen(name, condition))


def seeds() -> list[int]:
    """The test's seeds: the first seven digits of the protocol commit's hash, and what follows."""
    commit: str = json.loads((HERE / "protocol.json").read_text(encoding="utf-8"))["commit"]
    first = int(commit[:7], 16)
    return list(range(first, first + SEEDS))


def rate_run(collection: str, condition: Condition, rate: float) -> Run:
    """A run that tries a learning rate."""
    return Run("rates", collection, condition, seeds()[0] - 1, {"optimizer.learning_rate": rate})


def chosen(collection: str, condition: Condition) -> Keys:
    """The learning rate that is best on dev; for the longer training, also its steps."""
    plain, i3, *_ = TESTED
    found = [rate_run(collection, plain if condition is LONGER else condition, r) for r in RATES]
    best = max(found, key=lambda run: fmean(run.read()["values"][MEASURE]))
    if condition is not LONGER:
        return best.keys
    own, longer = (
        min(rate_run(collection, one, rate).read()["minutes"] for rate in RATES)
        for one in (plain, i3)
    )
    return {**best.keys, "training.max_steps": round(SHARED["training.max_steps"] * longer / own)}

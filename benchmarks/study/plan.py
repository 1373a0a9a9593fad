"""The study's runs, in their order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.study.conditions import EXPLORED, Condition, Keys

RECORDS = Path(__file__).parent / "records"
STAGES = ("explore",)


@dataclass(frozen=True)
class Run:
    """One training, and its measurement.

    Attributes:
        stage: one of `STAGES`.
        collection: name of the collection.
        condition: what is trained.
        split: queries to measure on.
        seed: of the training.
        keys: what the run changes of its condition.
    """

    stage: str
    collection: str
    condition: Condition
    split: str
    seed: int
    keys: Keys = field(default_factory=dict)

    @property
    def record(self) -> Path:
        """Where its results are."""
        words = [self.condition.name, *(f"{value}" for value in self.keys.values())]
        name = "-".join("".join(c for c in word if c not in ",'") for word in words)
        file = f"{name.replace(' ', '-').replace('³', '3')}.seed-{self.seed}.json"
        return RECORDS / self.stage / self.collection / file


def runs_of(stage: str, collections: Sequence[str]) -> Iterator[Run]:
    """All runs of a stage.

    Args:
        stage: one of `STAGES`.
        collections: names of collections.
    """
    for condition in EXPLORED:
        for collection in collections:
            yield Run(stage, collection, condition, "explore", seed=1)

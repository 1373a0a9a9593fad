"""What tuning an index returns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        parameters: what was set.
        recall: share of the exact search's first k hits that were found, on average.
        milliseconds: of wall time a query, all queries at once.
    """

    parameters: Mapping[str, int]
    recall: float
    milliseconds: float


@dataclass(frozen=True)
class Tuned:
    """An index whose parameters were tuned; usable wherever its path is.

    Attributes:
        index: its directory, where the best trial's parameters are stored now.
        k: of recall@k.
        best: the cheapest trial that reached the recall.
        trials: all, in the order in which they were made.
    """

    index: Path
    k: int
    best: Trial
    trials: Sequence[Trial]

    def __fspath__(self) -> str:
        return str(self.index)

    def __str__(self) -> str:
        lines = [f"{'parameters':<32} {f'recall@{self.k}':>12} {'ms/query':>9}"]
        for trial in self.trials:
            chosen = "  <- stored" if trial is self.best else ""
            words = in_words(trial.parameters)
            lines.append(f"{words:<32} {trial.recall:>12.4f} {trial.milliseconds:>9.2f}{chosen}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The best trial, and all of them."""
        trials = [asdict(trial) for trial in self.trials]
        return json.dumps({"k": self.k, "best": asdict(self.best), "trials": trials}, indent=2)

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each trial: its parameters, recall, milliseconds, and whether it is stored."""
        import pandas as pd

        return pd.DataFrame(
            {
                **trial.parameters,
                "recall": trial.recall,
                "milliseconds": trial.milliseconds,
                "stored": trial is self.best,
            }
            for trial in self.trials
        )

    def _repr_html_(self) -> str:
        return str(self.to_pandas().to_html(index=False))


def in_words(parameters: Mapping[str, int]) -> str:
    """Such as "nprobe 64, refine 4"."""
    return ", ".join(f"{name} {value}" for name, value in parameters.items())

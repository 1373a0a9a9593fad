"""Results of tuning an index."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trial:
    """One measurement.

    Attributes:
        parameters: the parameters.
        recall: mean share of the first k exact hits that were found.
        milliseconds: wall time per query, for all queries at once.
    """

    parameters: Mapping[str, int]
    recall: float
    milliseconds: float


@dataclass(frozen=True)
class Tuned:
    """A tuned index; can be used as its path.

    Attributes:
        index: its directory, which now contains the best parameters.
        k: the k of recall@k.
        best: the fastest trial that reached the recall.
        trials: all trials in order.
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
        """The best trial and all trials."""
        trials = [asdict(trial) for trial in self.trials]
        return json.dumps({"k": self.k, "best": asdict(self.best), "trials": trials}, indent=2)

    def to_pandas(self) -> "pd.DataFrame":
        """One row per trial: parameters, recall, milliseconds, and whether it is stored."""
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

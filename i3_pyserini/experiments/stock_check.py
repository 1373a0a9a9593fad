"""Searches an index of `compare` with stock Pyserini too, and compares the hits."""

from pathlib import Path

from i3_pyserini.encode.summary import stock_commands
from i3_pyserini.experiments.compared import DEPTH, Agreement
from i3_pyserini.experiments.plan import OUT, Plan, StepPlan, planned
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.runs import read_run


def stock_plan(index: Path, topics: Path, run: Path, hits: int) -> Plan:
    """The plan to search an index with stock Pyserini; without steps if it cannot be searched so.

    Args:
        index: the index, with its manifest.
        topics: the queries.
        run: the run to write.
        hits: maximum hits per query.

    Raises:
        I3Error: the manifest cannot be read.
    """
    queries = run.with_suffix(".queries")  # where stock Pyserini cannot encode them itself
    found = stock_commands(index, read_manifest(index), str(topics), OUT, str(queries), hits)
    made = [queries, run][2 - len(found) :]
    steps = [planned(path, *words) for path, words in zip(made, found, strict=True)]
    about = "search the I³ index with stock Pyserini"
    return Plan(
        about=about, steps={"stock": StepPlan(about=about, commands=steps)} if steps else {}
    )


def agreement(own: Path, other: Path) -> Agreement:
    """Compares two runs, by rank.

    Raises:
        I3Error: a run cannot be read.
    """
    first = read_run(own)
    queries = first.queries
    second = dict(read_run(other).hits(queries, DEPTH))
    same = sum(hits == second[qid] for qid, hits in first.hits(queries, DEPTH))
    return Agreement(len(queries), same)

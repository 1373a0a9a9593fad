"""Gaps in the judgments: how many of a run's first passages are judged, and condensed lists."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from ir_measures import Judged
from ir_measures.measures import Measure

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import JUDGED, Evaluation, evaluate_run
from i3_pyserini.formats.qrels import PAIR
from i3_pyserini.formats.run_blocks import RunFile
from i3_pyserini.formats.runs import Run, rank

UNEVEN = 0.1  # difference of two shares of judged passages that causes a note


def evaluate_judged(
    qrels: pl.DataFrame,
    run: Run | RunFile,
    measures: Sequence[Measure],
    judged_only: bool = False,
) -> Evaluation:
    """Computes measures of a run, and Judged@10.

    Args:
        qrels: columns query_id, doc_id and relevance.
        run: the run.
        measures: the measures.
        judged_only: compute them from the condensed run; Judged@10 is of the whole run.

    Raises:
        I3Error: see `evaluate_run` and `condensed`.
    """
    judged = Judged @ 10
    wanted = [] if judged_only else list(measures)
    whole = evaluate_run(qrels, run, list(dict.fromkeys([*wanted, judged])))
    told, found = [], whole
    if judged_only:
        short, hits = condensed(run, qrels)
        found = evaluate_run(qrels, short, list(measures))
        left = hits - len(short.lines)
        told = [f"{left:,} of {hits:,} hits are unjudged and left out"]
    values = {str(one): found.values[str(one)] for one in measures}
    share, asked = whole.values[JUDGED], judged in measures
    return replace(
        found,
        values=values | {JUDGED: share} if asked else values,
        warnings=[*told, *found.warnings],
        judged=None if asked else share,
    )


def condensed(run: Run | RunFile, qrels: pl.DataFrame) -> tuple[Run, int]:
    """A run without its unjudged passages; those below them move up.

    Sakai, Alternatives to Bpref (SIGIR 2007), calls this a condensed list. With it, a system is not
    punished for passages that nobody judged, nor rewarded for finding the pool of others.

    Args:
        run: the run.
        qrels: columns query_id, doc_id and relevance.

    Returns:
        The short run, and the number of passages in the whole one.

    Raises:
        I3Error: none of the passages is judged.
    """

    def judged(part: Run) -> tuple[pl.DataFrame, int, bool]:
        lines = part.lines.join(qrels, on=PAIR, how="semi", maintain_order="left")
        return lines, len(part.lines), part.scored

    parts = run.each(judged)
    kept = pl.concat([lines for lines, *_ in parts])
    if kept.is_empty():
        raise I3Error(f"{run.name}: none of its passages is judged; do its ids match the qrels?")
    scored = parts[0][2]
    return Run(run.name, kept, rank(kept, scored), scored), sum(hits for _, hits, _ in parts)


def uneven_note(evaluations: Sequence[Evaluation]) -> list[str]:
    """A note if one run has far fewer judged passages at its top than another.

    Args:
        evaluations: of all runs, with Judged@10.
    """
    shares = {one.run: one.shown[JUDGED] for one in evaluations}
    fewest, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    if shares[most] - shares[fewest] <= UNEVEN:
        return []
    return [
        f"{JUDGED} is {shares[fewest]:.2f} for {fewest} and {shares[most]:.2f} for {most}: "
        "differences may come from the pool, since unjudged passages count as not relevant; see "
        "judged_only (--judged-only), or judge more (eval pool)"
    ]

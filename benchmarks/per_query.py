"""A run's values by query, as ir-measures computes them."""

from pathlib import Path

import ir_measures


def values_of(run: Path, qrels: Path, measure: str) -> list[float]:
    """The values of the queries of judgments, in their order; 0 for one that the run lacks.

    Args:
        run: a run in TREC's format.
        qrels: judgments, one for each query.
        measure: its name.
    """
    judgments = list(ir_measures.read_trec_qrels(str(qrels)))
    measured = ir_measures.iter_calc(
        [ir_measures.parse_measure(measure)], judgments, ir_measures.read_trec_run(str(run))
    )
    found = {one.query_id: one.value for one in measured}
    return [found.get(one.query_id, 0.0) for one in judgments]

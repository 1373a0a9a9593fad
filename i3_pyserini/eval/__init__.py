"""Evaluation: measures of runs, comparisons, differences and reports."""

from typing import TYPE_CHECKING

from i3_pyserini.lazy import lazy_names

if TYPE_CHECKING:
    from i3_pyserini.eval.diff import RunDiff, diff_runs
    from i3_pyserini.eval.pool import pool_qrels, pool_runs
    from i3_pyserini.eval.report.write import write_report
    from i3_pyserini.eval.results import Results
    from i3_pyserini.eval.runs import evaluate

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Results": "results",
        "RunDiff": "diff",
        "diff_runs": "diff",
        "evaluate": "runs",
        "pool_qrels": "pool",
        "pool_runs": "pool",
        "write_report": "report.write",
    },
)

__all__ = [
    "Results",
    "RunDiff",
    "diff_runs",
    "evaluate",
    "pool_qrels",
    "pool_runs",
    "write_report",
]

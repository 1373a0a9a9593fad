"""`python -m i3_pyserini.search.fuse RUN RUN…`: one run of several."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command

if TYPE_CHECKING:
    from i3_pyserini.search.fusion import Fusion

METHODS = ("rrf", "interpolation", "combmnz")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.fuse",
        description="Fuse run files of the same queries.",
        epilog="With --tune, weights (rrf: its constant) are chosen on dev queries and stored "
        "beside the output, as OUTPUT.fusion.json, which --weights reads.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--method", choices=METHODS, default="rrf")
    parser.add_argument("--k", type=float, default=60, help="constant of rrf (default 60)")
    parser.add_argument("--hits", type=int, default=1000)
    parser.add_argument("--tag", default="fused")
    parser.add_argument("--overwrite", action="store_true")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--weights", nargs="+", metavar="W", help="a number a run, or a file of stored weights"
    )
    how.add_argument("--tune", metavar="QRELS", help="judgements of the dev queries")
    parser.add_argument("--tune-runs", type=Path, nargs="+", default=[], metavar="RUN")
    parser.add_argument("--measure", default="nDCG@10", help="to tune for (default nDCG@10)")
    return parser


def main() -> None:
    """Parses the command line, fuses, and says what was written."""
    args = _parser().parse_args()
    if len(args.runs) < 2:  # noqa: PLR2004
        raise I3Error("name two runs or more")
    if args.hits < 1 or args.k < 0:
        raise I3Error("--hits must be at least 1, --k at least 0")
    if bool(args.tune) != bool(args.tune_runs) or len(args.tune_runs) not in (0, len(args.runs)):
        raise I3Error("--tune needs --tune-runs: one dev run for each run, in the same order")
    from i3_pyserini.eval.runs import read_run
    from i3_pyserini.files import new_file, refuse_existing, refuse_inputs
    from i3_pyserini.search.fusion import fuse, hits_of
    from i3_pyserini.search.run_file import write_run

    stored = args.output.with_name(f"{args.output.name}.fusion.json") if args.tune else None
    refuse_inputs([args.output, stored], [*args.runs, *args.tune_runs])
    refuse_existing(args.output, args.overwrite)
    runs = [read_run(path) for path in args.runs]
    fusion, tuned = _fusion(args)
    qids, hits, docids = hits_of(fuse(runs, fusion, args.hits))
    if stored is not None:
        with new_file(stored, args.overwrite) as file:
            file.write(tuned)
    write_run(args.output, qids, hits, docids, tag=args.tag, overwrite=args.overwrite)
    weights = " ".join(f"{weight:g}" for weight in fusion.weights)
    constant = f", k {fusion.k:g}" if fusion.method == "rrf" else ""
    print(
        f"wrote {args.output}: {len(qids):,} queries, {fusion.method}, weights {weights}{constant}"
    )


def _fusion(args: argparse.Namespace) -> "tuple[Fusion, str]":
    """The fusion, and the text to be stored of a tuned one."""
    from i3_pyserini.eval.runs import read_qrels, read_run
    from i3_pyserini.search.fusion import Fusion
    from i3_pyserini.search.fusion_tuning import as_json, read_fusion, refuse_overlap, tune

    if args.tune:
        dev = [read_run(path) for path in args.tune_runs]
        refuse_overlap(dev, [read_run(path) for path in args.runs])
        fusion, value = tune(dev, read_qrels(args.tune), args.method, args.measure, args.hits)
        print(f"dev {args.measure} {value:.4f}")
        known = {"qrels": args.tune, "runs": list(map(str, args.tune_runs))}
        return fusion, as_json(fusion, {**known, "measure": args.measure, "value": value})
    given = args.weights or ["1"] * len(args.runs)
    if len(given) == 1 and Path(given[0]).is_file():
        return read_fusion(Path(given[0])), ""
    try:
        weights = tuple(map(float, given))
    except ValueError as error:
        raise I3Error(f"--weights {' '.join(given)}: neither numbers nor a file") from error
    return Fusion(args.method, weights, args.k), ""


if __name__ == "__main__":
    run_command(main)

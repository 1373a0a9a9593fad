"""`python -m i3_pyserini.search.fuse RUN RUN…`: one run of several."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, note, run_command

if TYPE_CHECKING:
    from i3_pyserini.formats.runs import Run
    from i3_pyserini.search.fusion_file import Stored


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.fuse",
        description="Fuse run files of the same queries.",
        epilog="How the runs were fused is stored beside the output, as OUTPUT.fusion.json, which "
        "--weights reads.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="run")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--method", choices=("rrf", "interpolation", "combmnz"), default="rrf")
    parser.add_argument("--k", type=float, default=60, help="constant of rrf (default 60)")
    parser.add_argument(
        "--normalization",
        choices=("min-max", "z-score", "none"),
        default="min-max",
        help="of scores, for all methods but rrf (default min-max)",
    )
    parser.add_argument("--hits", type=int, default=1000)
    parser.add_argument("--tag", default="fused")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument(
        "--weights", nargs="+", metavar="W", help="a number a run, or a file of stored weights"
    )
    tuning = parser.add_argument_group("weights, and rrf's constant, that are best on dev queries")
    tuning.add_argument("--tune", metavar="QRELS", help="judgements of the dev queries")
    tuning.add_argument(
        "--tune-runs", type=Path, nargs="+", default=[], metavar="RUN", help="in the runs' order"
    )
    tuning.add_argument("--measure", default="nDCG@10", help="to tune for (default nDCG@10)")
    tuning.add_argument("--step", type=float, help="of weights (default 0.05; 0.1 for 3 or more)")
    return parser


def main() -> None:
    """Parses the command line, fuses, and says what was written."""
    args = _parser().parse_args()
    _check(args)
    from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.search.fusion import fuse, hits_of
    from i3_pyserini.search.fusion_file import as_json
    from i3_pyserini.search.fusion_tuning import refuse_overlap

    stored_in = args.output.with_name(f"{args.output.name}.fusion.json")
    refuse_inputs([args.output, stored_in], [*args.runs, *args.tune_runs])
    for path in (args.output, stored_in):
        refuse_existing(path, args.overwrite)
    runs = [read_run(path) for path in args.runs]
    stored = _stored(args, runs)
    refuse_overlap(stored.queries, runs)
    qids, hits, docids = hits_of(fuse(runs, stored.fusion, args.hits))
    _note_missing(runs, len(qids))
    with new_file(stored_in, args.overwrite) as file:
        file.write(as_json(stored, args.runs))
    write_run(args.output, qids, hits, docids, tag=args.tag, overwrite=args.overwrite)
    if stored.tuned:
        value, count = stored.tuned["value"], len(stored.queries)
        print(f"tuned on {count:,} dev queries: {stored.tuned['measure']} {value:.4f}")
    for path, weight in zip(args.runs, stored.fusion.weights, strict=True):
        print(f"  {weight:<5g} {path}")
    constant = f", k {stored.fusion.k:g}" if stored.fusion.method == "rrf" else ""
    print(f"wrote {args.output}: {len(qids):,} queries, {stored.fusion.method}{constant}")


def _check(args: argparse.Namespace) -> None:
    if len(args.runs) < 2:  # noqa: PLR2004
        raise I3Error("name two runs or more")
    for paths in (args.runs, args.tune_runs):
        for path in paths:
            if sum(path.resolve() == other.resolve() for other in paths) > 1:
                raise I3Error(f"{path}: is named twice")
    if args.hits < 1 or not args.k >= 0 or args.k == float("inf"):
        raise I3Error("--hits must be at least 1, --k a number from 0 on")
    if args.step is not None and not 0 < args.step <= 1:
        raise I3Error(f"--step {args.step:g}: must be above 0, and at most 1")
    if args.tune and args.weights:
        raise I3Error("--tune finds the weights: leave --weights out")
    if bool(args.tune) != bool(args.tune_runs) or len(args.tune_runs) not in (0, len(args.runs)):
        raise I3Error("--tune needs --tune-runs: one dev run for each run, in the same order")
    if not args.tag or args.tag != "".join(args.tag.split()):
        raise I3Error(f"--tag {args.tag!r} is empty or has white space in it")


def _stored(args: argparse.Namespace, runs: "list[Run]") -> "Stored":
    """The fusion that is asked for: tuned, read, or named."""
    from i3_pyserini.formats.qrels import read_qrels
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.search.fusion import Fusion
    from i3_pyserini.search.fusion_file import Stored, of_tuned, read_fusion
    from i3_pyserini.search.fusion_tuning import refuse_overlap, tune

    if args.weights and len(args.weights) == 1 and Path(args.weights[0]).is_file():
        return read_fusion(Path(args.weights[0]))
    given = args.weights or ["1"] * len(runs)
    try:
        weights = tuple(map(float, given))
    except ValueError as error:
        raise I3Error(f"--weights {' '.join(given)}: neither numbers nor a file") from error
    fusion = Fusion(args.method, weights, args.k, args.normalization)
    if not args.tune:
        return Stored(fusion)
    dev = [read_run(path) for path in args.tune_runs]
    queries = {qid for run in dev for qid in run.queries}
    refuse_overlap(sorted(queries), runs)  # before the work
    tuned = tune(dev, read_qrels(args.tune), fusion, args.measure, args.hits, args.step)
    return of_tuned(tuned, args.tune, args.tune_runs)


def _note_missing(runs: "list[Run]", queries: int) -> None:
    for run in runs:
        missing = queries - len(run.queries)
        if missing:
            note(f"{run.name}: {missing:,} of {queries:,} queries missing")


if __name__ == "__main__":
    run_command(main)

"""`python -m tests.worlds.soak`: many worlds through all routes, and how to replay failures."""

import argparse
import io
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path

from tests.worlds.routes import ALWAYS, OTHERS, SELDOM, SLOW, Route, check_world, routes_of
from tests.worlds.world import random_world

FIRST = 1000  # seeds below are those of CI


def replay(seed: int, error: Exception | None = None) -> str:
    """The command that checks one world again, through the route that failed, or all."""
    notes = getattr(error, "__notes__", [])
    names = [note.removeprefix("route ") for note in notes if note.startswith("route ")]
    routes = f" --routes {' '.join(names)}" if names else " --all"
    return f"python -m tests.worlds.soak --seed {seed} --worlds 1 --trace{routes}"


def try_seed(seed: int, routes: Sequence[Route] | None = None) -> Exception | None:
    """Checks the world of a seed in a folder of its own; what went wrong, or None."""
    folder = Path(tempfile.mkdtemp(prefix="world-"))
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            check_world(random_world(seed), folder, routes)
    except Exception as error:  # whatever it is, the seed is what matters
        return error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def _save(worlds: int, taken: Counter[str], failed: int, minutes: float) -> None:
    from benchmarks.record import RESULTS, measured_now, save, single  # not where it is copied to

    figures = [
        single("worlds", worlds, "worlds", 0),
        single("routes", len(taken), "routes", 0),
        single("comparisons", taken.total(), "comparisons", 0),
        single("minutes", minutes, "minutes", 0),
        single("failed", failed, "worlds", 0),
    ]
    about = "random collections through routes that should agree"
    save(RESULTS / "worlds.json", measured_now(about, "random worlds", "once", {}, figures))


def main() -> None:
    """Checks worlds until their number or the time is up; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.soak", description=__doc__)
    parser.add_argument("--worlds", type=int, help="stop after so many (default 1000, or minutes)")
    parser.add_argument("--seed", type=int, default=FIRST, help="of the first world")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--others", type=int, default=4, help="routes besides the first, in turn")
    parser.add_argument(
        "--slow", action="store_true", help=f"every {SELDOM}th world goes through a slow route, too"
    )
    parser.add_argument("--all", action="store_true", help="all routes for every world")
    parser.add_argument("--routes", nargs="+", metavar="ROUTE", help="only these")
    parser.add_argument("--trace", action="store_true", help="print tracebacks")
    parser.add_argument("--record", action="store_true", help="see `benchmarks.record`")
    args = parser.parse_args()
    if args.record and args.routes:
        parser.error("--record is for all routes")
    every = [*ALWAYS, *OTHERS, *SLOW]
    if unknown := {*(args.routes or ())} - {route.__name__ for route in every}:
        parser.error(f"no routes {', '.join(sorted(unknown))}")
    start = time.monotonic()
    end = start + 60 * args.minutes if args.minutes else None
    taken: Counter[str] = Counter()
    failed = []
    for seed in count(args.seed):
        done = seed - args.seed
        if done == (args.worlds or (None if end else 1000)) or (end and time.monotonic() > end):
            break
        routes = routes_of(seed, args.others, args.slow and seed % SELDOM == 0)
        if args.all or args.routes:
            routes = [one for one in every if not args.routes or one.__name__ in args.routes]
        taken.update(route.__name__ for route in routes)
        error = try_seed(seed, routes)
        if error is not None:
            failed.append(seed)
            print(
                f"world {seed}: {type(error).__name__}: {str(error)[:500]}\n  "
                f"{replay(seed, error)}",
                flush=True,
            )
            if args.trace:
                traceback.print_exception(error)
    print(", ".join(f"{name} {times}" for name, times in taken.items()))
    print(f"{done} worlds, {len(failed)} failed{': ' if failed else ''}{failed or ''}")
    if args.record:
        _save(done, taken, len(failed), (time.monotonic() - start) / 60)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()

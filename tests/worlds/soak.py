"""`python -m tests.worlds.soak`: many worlds through all routes, and how to replay failures."""

import argparse
import shutil
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.worlds.routes import ALWAYS, OTHERS, SLOW, Route, check_world
from tests.worlds.world import random_world

FIRST = 1000  # seeds below are those of CI


def replay(seed: int) -> str:
    """The command that checks one world again."""
    return f"python -m tests.worlds.soak --seed {seed} --worlds 1 --trace"


def try_seed(seed: int, routes: Sequence[Route] | None = None) -> Exception | None:
    """Checks the world of a seed in a folder of its own; what went wrong, or None."""
    folder = Path(tempfile.mkdtemp(prefix="world-"))
    try:
        check_world(random_world(seed), folder, routes)
    except Exception as error:  # whatever it is, the seed is what matters
        return error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return None


def main() -> None:
    """Checks worlds until their number or the time is up; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.soak", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=FIRST, help="of the first world")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--slow", action="store_true", help="devices, OpenVINO, Milvus, Ray, too")
    parser.add_argument("--routes", nargs="+", metavar="ROUTE", help="only these")
    parser.add_argument("--trace", action="store_true", help="print tracebacks")
    args = parser.parse_args()
    routes = [*ALWAYS, *OTHERS, *(SLOW if args.slow else ())]
    if args.routes:
        routes = [one for one in [*ALWAYS, *OTHERS, *SLOW] if one.__name__ in args.routes]
    end = time.monotonic() + 60 * args.minutes if args.minutes else None
    done, failed = 0, []
    for seed in range(args.seed, args.seed + args.worlds):
        if end and time.monotonic() > end:
            break
        error = try_seed(seed, routes)
        done += 1
        if error is not None:
            failed.append(seed)
            print(
                f"world {seed}: {type(error).__name__}: {str(error)[:500]}\n  {replay(seed)}",
                flush=True,
            )
            if args.trace:
                traceback.print_exception(error)
    print(f"{done} worlds, {len(failed)} failed{': ' if failed else ''}{failed or ''}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()

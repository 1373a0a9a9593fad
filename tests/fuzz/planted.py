"""`python -m tests.fuzz.planted`: plants mistakes in readers, and counts those that are found.

Each is planted by itself in a copy of the package, whose reader is fuzzed from the seeds alone, by
as many inputs as `--runs` says, until the first failure. Needs atheris.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

import atheris
from tabulate import tabulate

from tests.fuzz.mistakes import MISTAKES, Mistake

ROOT = Path(__file__).parents[2]
PACKAGE = "i3_pyserini"
# What takes seconds to import, for all children; nothing of the package, which differs in each.
HEAVY = (
    *("torch", "transformers", "polars", "pandas", "faiss", "yaml", "pydantic", "tqdm", "jinja2"),
    *("starlette.applications", "safetensors.torch", "tokenizers", "scipy.stats", "hypothesis"),
)
SEED = 1  # of random numbers
FOUND, NOT_STARTED = 7, 1  # exit codes of a worker that stopped at a failure, or before it began


def plant(mistake: Mistake, tree: Path) -> None:
    """Makes the edit of a mistake in a copy of the package.

    Raises:
        ValueError: what it replaces is not there, or several times.
    """
    path = tree / PACKAGE / mistake.file
    text = path.read_text(encoding="utf-8")
    if text.count(mistake.old) != 1:
        raise ValueError(f"{mistake.file}: {text.count(mistake.old)} times {mistake.old!r}")
    path.write_text(text.replace(mistake.old, mistake.new), encoding="utf-8")


def found(mistake: Mistake, runs: int) -> tuple[str, float | None]:
    """What finds a mistake, and after how many seconds of the processor.

    Returns:
        "missed" and None if nothing does.
    """
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        tree, folder = Path(name), Path(name) / "fuzz"
        shutil.copytree(ROOT / PACKAGE, tree / PACKAGE, ignore=shutil.ignore_patterns("*.pyc"))
        plant(mistake, tree)
        folder.mkdir()
        child = os.fork()
        if not child:
            _fuzz(mistake, tree, folder, runs)
        _, status = os.waitpid(child, 0)
        known, code = folder / "failures.json", os.waitstatus_to_exitcode(status)
        if code == FOUND:
            content = json.loads(known.read_text(encoding="utf-8"))
            return next(iter(content["failures"])), content["seconds"]
        if not code:
            return "missed", None
        output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
        if code == NOT_STARTED:
            raise SystemExit(f"{mistake.target}: nothing was tried: {output.strip()[-600:]}")
        return f"stopped: {output.strip().splitlines()[-1:]}", None


def _fuzz(mistake: Mistake, tree: Path, folder: Path, runs: int) -> None:
    """Fuzzes a planted package in this process, which ends with it."""
    try:
        with (folder / "output.txt").open("w", encoding="utf-8") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        sys.path.insert(0, str(tree))
        with atheris.instrument_imports(include=[PACKAGE], enable_loader_override=False):
            from tests.fuzz.targets import targets_of

            target = targets_of(mistake.family)[mistake.target]
        place = str(importlib.import_module(PACKAGE).__file__)
        assert Path(place).is_relative_to(tree), f"{place} is not the planted package"
        from tests.fuzz.worker import Limits, fuzz

        fuzz(target, folder, Limits(runs, seed=SEED, first=True))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(NOT_STARTED)


def _save(planted: int, caught: int, runs: int) -> None:
    from benchmarks.record import RESULTS, measured_now, save, single  # imports the package

    figures = [single("planted", planted, "mistakes", 0), single("found", caught, "mistakes", 0)]
    about = "mistakes that were planted in readers, and found by fuzzing"
    record = measured_now(about, "seeds alone", "once", {"inputs, at most": runs}, figures)
    save(RESULTS / "planted.json", record)


def main() -> None:
    """Plants each mistake, prints a line for it, and a table at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.planted", description=__doc__)
    parser.add_argument("--runs", type=int, default=3000, help="inputs for each mistake")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="mistakes by number")
    parser.add_argument("--record", action="store_true", help="see `benchmarks.record`")
    args = parser.parse_args()
    if args.record and args.only:
        parser.error("--record is for all mistakes")
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets have other orders otherwise
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606  (this program again)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in HEAVY:
        importlib.import_module(name)
    assert PACKAGE not in sys.modules, "the package is imported already"
    rows: list[tuple[int, str, str, str, str]] = []
    for number in args.only or range(len(MISTAKES)):
        mistake = MISTAKES[number]
        by, seconds = found(mistake, args.runs)
        taken = "" if seconds is None else f"{seconds:.1f}"
        rows.append((number, mistake.kind, mistake.target, by, taken))
        print(*rows[-1], sep="\t", flush=True)
    caught = sum(by != "missed" for *_, by, _ in rows)
    print(tabulate(rows, ["", "mistake", "target", "found as", "seconds"], "github"))
    print(f"\n{caught} of {len(rows)} found")
    if args.record:
        _save(len(rows), caught, args.runs)


if __name__ == "__main__":
    main()

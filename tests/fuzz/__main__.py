"""`python -m tests.fuzz --minutes 10`: fuzzes all readers, guided by coverage; needs atheris.

Each target has an equal share of the time, in a process with bounded time and memory for an input.
Inputs that reached new code are kept in FOLDER and tried first by the next run. A failure is kept
once for each place that it comes from; its input is in FOLDER/TARGET/found.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tabulate import tabulate

from tests.fuzz.targets import TARGETS

EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
START = 15  # seconds that a process may take to import and instrument the package
LEAST = 3  # seconds that are worth a start


@dataclass
class Outcome:
    """What came of a target.

    Attributes:
        name: of the target.
        inputs: number of inputs that were tried.
        kept: number of inputs in the corpus.
        failures: how often each kind of failure came; a stop of the process, as for a timeout or
            too much memory, is one of them.
    """

    name: str
    inputs: int = 0
    kept: int = 0
    failures: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Fuzzes, prints a table, and exits with 1 if something was found."""
    parser = argparse.ArgumentParser(description="Fuzz all readers.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--targets", default="", help="pattern of their names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"))
    args = parser.parse_args()
    names = [name for name in TARGETS if re.search(args.targets, name)]
    seconds = max(LEAST, int(60 * args.minutes * args.jobs / len(names)))
    start = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        outcomes = list(pool.map(lambda name: fuzz(name, args.folder / name, seconds), names))
    rows = [(one.name, one.inputs, one.kept, sum(one.failures.values())) for one in outcomes]
    print(tabulate(rows, ["target", "inputs", "kept", "failures"], "github", intfmt=","))
    inputs, kinds = sum(one.inputs for one in outcomes), sum(len(one.failures) for one in outcomes)
    minutes = (time.monotonic() - start) / 60
    print(f"\n{inputs:,} inputs, {minutes:.1f} minutes, {kinds} kinds of failures")
    for one in outcomes:
        for kind, count in one.failures.items():
            print(f"{one.name}: {kind} ({count:,} times)")
    sys.exit(1 if kinds else 0)


def fuzz(name: str, folder: Path, seconds: int) -> Outcome:
    """Fuzzes a target; a process that stops early is followed by another one."""
    outcome, end = Outcome(name), time.monotonic() + seconds
    shutil.rmtree(folder / "found", ignore_errors=True)
    while (left := int(end - time.monotonic())) >= LEAST or not outcome.inputs:
        (folder / "failures.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.fuzz.worker", name, str(folder)]
        done = subprocess.run(
            [*command, str(max(LEAST, left))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=left + 60 + START,
            check=False,
        )
        found = EXECUTED.findall(done.stderr)
        outcome.inputs += int(found[-1]) if found else 0
        failures = folder / "failures.json"
        if failures.exists():
            for kind, count in json.loads(failures.read_text(encoding="utf-8")).items():
                outcome.failures[kind] = outcome.failures.get(kind, 0) + count
        if done.returncode:
            stop = _reason(done.stderr)
            outcome.failures[stop] = outcome.failures.get(stop, 0) + 1
            if not found:  # it did not even start
                break
    outcome.kept = len(list((folder / "corpus").iterdir()))
    return outcome


def _reason(said: str) -> str:
    """Why a process stopped: libFuzzer's line, or the last one."""
    lines = said.strip().splitlines() or ["no output"]
    return next((line for line in lines if "ERROR: libFuzzer" in line), lines[-1])[:200]


if __name__ == "__main__":
    main()

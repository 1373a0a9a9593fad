"""`python -m tests.fuzz --minutes 10`: fuzzes all readers, guided by coverage; needs atheris.

Each target has an equal share of the time, in a process with bounded time and memory for an input.
Inputs that reached new code are kept in FOLDER and tried first by the next run. A failure is kept
once for each place that it comes from; its input is in FOLDER/TARGET/found.

`--runs N` instead tries N inputs for each target, from the seeds alone and with the same random
numbers: the same inputs every time, but for targets with threads, so that what fails was most
likely broken by a change.
"""

import argparse
import io
import json
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import deque
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import atheris
from tabulate import tabulate

if TYPE_CHECKING:
    from tests.fuzz.target import Target
    from tests.fuzz.worker import Limits

EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
LEAST = 3  # seconds that are worth a start
SEED = 1  # of random numbers where all is to be the same


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
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz all readers.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, help="inputs for each target, from the seeds")
    parser.add_argument("--targets", default="", help="pattern of their names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"))
    parser.add_argument("--record", action="store_true", help="see `benchmarks.record`")
    args = parser.parse_args()
    if args.record and args.targets:
        parser.error("--record is for all targets")
    if args.runs and os.environ.get("PYTHONHASHSEED") != "0":  # sets have other orders otherwise
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606  (this program again)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as scratch:
        folder = Path(scratch) if args.runs else args.folder
        outcomes = fuzz_all(folder, args.targets, args.minutes, args.runs, args.jobs)
        if args.runs and any(one.failures for one in outcomes):
            shutil.copytree(folder, args.folder, dirs_exist_ok=True)
    rows = [(one.name, one.inputs, one.kept, sum(one.failures.values())) for one in outcomes]
    print(tabulate(rows, ["target", "inputs", "kept", "failures"], "github", intfmt=","))
    inputs, kinds = sum(one.inputs for one in outcomes), sum(len(one.failures) for one in outcomes)
    minutes = (time.monotonic() - start) / 60
    print(f"\n{inputs:,} inputs, {minutes:.1f} minutes, {kinds} kinds of failures")
    if args.record:
        _save(outcomes, minutes, args.jobs)
    for one in outcomes:
        for kind, count in one.failures.items():
            print(f"{one.name}: {kind} ({count:,} times); see {args.folder / one.name}/found")
    sys.exit(1 if kinds else 0)


def _save(outcomes: list[Outcome], minutes: float, jobs: int) -> None:
    from benchmarks.record import RESULTS, measured_now, save, single  # imports the package

    figures = [
        single("inputs", sum(one.inputs for one in outcomes), "inputs", 0),
        single("targets", len(outcomes), "targets", 0),
        single("kept", sum(one.kept for one in outcomes), "inputs", 0),
        single("minutes", minutes, "minutes", 0),
        single("failures", sum(len(one.failures) for one in outcomes), "kinds", 0),
    ]
    about = "inputs that readers got, and failures that they had"
    data = "seeds, and inputs that were kept"
    record = measured_now(about, data, "once", {"processes": jobs}, figures)
    save(RESULTS / "fuzzing.json", record)


def fuzz_all(
    folder: Path, pattern: str, minutes: float, runs: int | None, jobs: int
) -> list[Outcome]:
    """Fuzzes the targets of a pattern of names, each in a child of this process."""
    instrumented = atheris.instrument_imports(["i3_pyserini"], enable_loader_override=False)
    with redirect_stderr(io.StringIO()), instrumented:  # which names each module
        from tests.fuzz.targets import all_targets

        targets = [one for name, one in all_targets().items() if re.search(pattern, name)]
    from tests.fuzz.worker import Limits

    seconds = 0 if runs else max(LEAST, int(60 * minutes * jobs / len(targets)))
    waiting = deque((one, Outcome(one.name), seconds) for one in targets)
    outcomes = [outcome for _, outcome, _ in waiting]
    running: dict[int, tuple[Target, Outcome, float]] = {}
    for target in targets:
        shutil.rmtree(folder / target.name / "found", ignore_errors=True)
    while waiting or running:
        while waiting and len(running) < jobs:
            target, outcome, left = waiting.popleft()
            limits = Limits(runs, seed=SEED) if runs else Limits(seconds=left)
            pid = start(target, folder / target.name, limits)
            running[pid] = target, outcome, time.monotonic() + left
        pid, status = os.wait()
        target, outcome, end = running.pop(pid)
        took_part = note_results(outcome, folder / target.name, status)
        left = int(end - time.monotonic())
        if status and took_part and left >= LEAST:  # it was stopped; another one goes on
            waiting.appendleft((target, outcome, left))
    return outcomes


def start(target: "Target", folder: Path, limits: "Limits") -> int:
    """Fuzzes in a child of this process, which has imported and instrumented all there is."""
    from tests.fuzz.worker import fuzz

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failures.json").unlink(missing_ok=True)
    if pid := os.fork():
        return pid
    try:
        with (folder / "output.txt").open("w", encoding="utf-8") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        fuzz(target, folder, limits)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # it has not even started


def note_results(outcome: Outcome, folder: Path, status: int) -> bool:
    """Adds what came of a process; whether it has tried anything."""
    said = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    found = EXECUTED.findall(said)
    outcome.inputs += int(found[-1]) if found else 0
    known = folder / "failures.json"
    if known.exists():
        for kind, count in json.loads(known.read_text(encoding="utf-8"))["failures"].items():
            outcome.failures[kind] = outcome.failures.get(kind, 0) + count
    if status:
        lines = said.strip().splitlines() or ["no output"]
        reason = next((line for line in lines if "ERROR: libFuzzer" in line), lines[-1])[:200]
        outcome.failures[reason] = outcome.failures.get(reason, 0) + 1
    corpus = folder / "corpus"
    outcome.kept = len(list(corpus.iterdir())) if corpus.is_dir() else 0
    return bool(found)


if __name__ == "__main__":
    main()

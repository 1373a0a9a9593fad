"""`python -m tests.faults`: every command that writes, disturbed at every moment of its writing.

After each fault, the same command has to end with the bytes of an undisturbed run, and until then
nothing that can be seen may differ from them. Prints a table, and what did not hold.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tabulate import tabulate

from tests.faults.cases import CASES, OUT, Case, make_inputs, words_of
from tests.faults.child import FAULTS, PHASES, End, forked
from tests.faults.outputs import contents, wrong

MOST = 40  # moments of a command that are tried; more are spread evenly


class Trials:
    """The trials of a command.

    Args:
        case: the command.
        folder: with the inputs; the command's working directory.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder, self.output = case, folder, folder / OUT
        self.words = words_of(case)
        self.tried: Counter[tuple[str, str]] = Counter()
        self.failed: list[str] = []
        self._clear()
        start = time.monotonic()
        self.first = forked(self.words, folder, self.output)
        self.seconds = time.monotonic() - start
        if self.first.code:
            raise SystemExit(f"{case.name}: {self.first.log}")
        self.expected = contents(self.output)

    def at_moments(self, fault: str, most: int) -> None:
        """A fault at each moment, or at `most` of them."""
        number = self.first.moments
        chosen = sorted({1 + round(n * (number - 1) / max(1, most - 1)) for n in range(most)})
        for moment in chosen if number > most else range(1, number + 1):
            self._clear()
            end = forked(self.words, self.folder, self.output, fault, moment)
            self._check(f"{fault} before moment {moment}", fault, end)

    def at_random(self, count: int, seed: int) -> None:
        """Killed after random times."""
        generator = random.Random(seed)  # noqa: S311  (sampling, not secrecy)
        for _ in range(count):
            self._clear()
            after = generator.uniform(0, self.seconds)
            end = forked(self.words, self.folder, self.output, seconds=after)
            self._check(f"SIGKILL after {after:.3f} s", "SIGKILL", end)

    def _clear(self) -> None:
        shutil.rmtree(self.output, ignore_errors=True)
        self.output.mkdir()

    def _check(self, what: str, fault: str, end: End) -> None:
        self.tried[fault, end.phase] += 1
        found = wrong(self.case, fault, end, self.output, self.expected)
        if found is None:
            again = forked(self.words, self.folder, self.output)
            found = wrong(self.case, None, again, self.output, self.expected)
        if found is not None:
            self.failed.append(f"{self.case.name}, {what} ({end.phase}): {found}")


def main() -> None:
    """Tries everything, prints the table, and exits with 1 if something did not hold."""
    parser = argparse.ArgumentParser(description="Disturb every command that writes.")
    parser.add_argument("--commands", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--moments", type=int, default=MOST, help="of a command, at most")
    parser.add_argument("--random", type=int, default=20, help="kills at random times, of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write the counts to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        forked_inputs(folder)
        done = []
        for case in CASES:
            if args.commands and case.name not in args.commands:
                continue
            trials = Trials(case, folder)
            for fault in args.faults:
                trials.at_moments(fault, args.moments)
            trials.at_random(args.random, args.seed)
            done.append(trials)
            print(f"{case.name}: {sum(trials.tried.values())} trials", *trials.failed, sep="\n  ")
    report(done, args.json)


def forked_inputs(folder: Path) -> None:
    """Makes the inputs in another process, so that this one stays able to fork."""
    process = os.fork()
    if not process:
        os.chdir(folder)
        with Path(os.devnull).open("w", encoding="utf-8") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        make_inputs(folder)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the inputs could not be made")


def report(done: list[Trials], target: Path | None) -> None:
    """Prints the table and what did not hold."""
    rows = [
        [
            one.case.name,
            *(sum(n for (_, at), n in one.tried.items() if at == phase) for phase in PHASES),
        ]
        for one in done
    ]
    print(tabulate(rows, ["command", *PHASES], "github"))
    faults: Counter[str] = Counter()
    for one in done:
        for (fault, _), count in one.tried.items():
            faults[fault] += count
    failed = [line for one in done for line in one.failed]
    shown = ", ".join(f"{fault} {count:,}" for fault, count in faults.items())
    print(f"\n{sum(faults.values()):,} trials ({shown}), {len(failed)} in which not all held")
    print("\n".join(failed))
    if target is not None:
        target.write_text(json.dumps({"trials": faults, "failed": failed}), encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

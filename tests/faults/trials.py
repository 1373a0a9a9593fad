"""The trials of a command: a fault, and then the same command again."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tests.faults.cases import OUT, SEEN, Case
from tests.faults.child import Child, End, import_what
from tests.faults.outputs import Contents, contents, half, incomplete, said_wrongly
from tests.faults.watch import MOVED, Fault

Item = TypeVar("Item")


class UnusableError(Exception):
    """An undisturbed run fails, or two of them differ."""


class Trials:
    """The trials of a command, which is run twice first, undisturbed.

    Args:
        case: the command.
        folder: with the inputs; the command's working directory.

    Attributes:
        moments: the phase of each moment of an undisturbed run.
        expected: what it leaves.
        seconds: that it takes, as fresh process and forked.
        tried: number of trials by fault and phase.
        failed: what did not hold.
        skipped: faults that could not be tried, and why.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder, self.output = case, folder, folder / OUT
        self.tried: Counter[tuple[str, str]] = Counter()
        self.failed: list[str] = []
        self.skipped: list[str] = []
        self.moments: list[str] = []
        self.expected: Contents = {}
        fresh = self._undisturbed()
        import_what(folder)
        first = self.expected
        self.seconds = (fresh, self._undisturbed())
        if found := incomplete(first, self.expected, case.random, ""):
            raise UnusableError(f"{case.name}: two undisturbed runs differ: {found}")

    def at(self, fault: str, moment: int) -> None:
        """A fault at a moment, from 1 on."""
        self.clear()
        self.check(f"{fault} before moment {moment}", fault, self.run(Fault(fault, moment)))

    def at_random(self, fault: str, count: int, fresh: bool) -> None:
        """Kills forked or fresh processes after random times."""
        generator = random.Random(f"{self.case.name}{fault}")
        for _ in range(count):
            self.clear()
            after = generator.uniform(0, self.seconds[not fresh])
            end = Child(self.case.words.split(), self.folder, self.output, fresh=fresh).end(after)
            self.check(f"{fault}, after {after:.3f} s", fault, end)

    def chosen(self, most: int) -> list[int]:
        """Moments, from 1 on: at least one of each phase, and each phase's spread evenly."""
        of: dict[str, list[int]] = {}
        for number, phase in enumerate(self.moments, start=1):
            of.setdefault(phase, []).append(number)
        found: list[int] = []
        for done, own in enumerate(sorted(of.values(), key=len)):
            found += spread(own, max(1, (most - len(found)) // (len(of) - done)))
        return sorted(found)

    def run(self, fault: Fault | None = None) -> End:
        """Runs the command."""
        return Child(self.case.words.split(), self.folder, self.output, fault).end()

    def clear(self) -> None:
        """Makes the output folder as it is before the command."""
        for folder in (self.output, self.folder / MOVED, self.folder / SEEN):
            shutil.rmtree(folder, ignore_errors=True)
        self.output.mkdir()
        self.lay()

    def lay(self) -> None:
        """Puts what the command changes in place into the output folder."""
        for name in self.case.before:
            source, target = self.folder / name, self.output / Path(name).name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)

    def check(self, what: str, fault: str, end: End) -> None:
        """Counts a trial, and sees what holds after it and after the same command again."""
        self.tried[fault, end.phase] += 1
        found = said_wrongly(end) or self.half(self.output) or self.unlike(end) or self.again()
        if found is not None:
            self.fail(what, end.phase, found)

    def unlike(self, end: End) -> str | None:
        """What is missing though the command ended well."""
        if end.code:
            return None
        missing = sorted(self.expected.keys() - self._visible().keys())
        return f"ended well, but missing: {', '.join(missing)}" if missing else None

    def half(self, folder: Path) -> str | None:
        """What can be seen in an output folder and is not what it should be."""
        case = self.case
        if case.shown:
            return None
        before = [Path(name).name for name in case.before]
        growing = [*case.growing, *before, *(f"{name}/*" for name in before)]
        return half(contents(folder), self.expected, case.random, growing)

    def again(self) -> str | None:
        """What is wrong after the same command, undisturbed."""
        end = self.run()
        left = self._visible()
        return said_wrongly(end) or incomplete(left, self.expected, self.case.random, end.log)

    def fail(self, what: str, phase: str, found: str) -> None:
        """Something does not hold."""
        self.failed.append(f"{self.case.name}, {what} ({phase}): {found}")
        print(f"  {self.failed[-1]}", flush=True)

    def skip(self, fault: str, why: str) -> None:
        """A fault cannot be tried here."""
        self.skipped.append(f"{self.case.name}, {fault}: {why}")

    def _undisturbed(self) -> float:
        self.clear()
        start = time.monotonic()
        end = self.run()
        seconds = time.monotonic() - start
        self.moments = end.moments
        if end.code:
            raise UnusableError(f"{self.case.name}: exit code {end.code}: {end.log}")
        self.expected = self._visible()
        return seconds

    def _visible(self) -> Contents:
        """What the output is judged by: its files, or what another command makes of them."""
        if not self.case.shown:
            return contents(self.output)
        shutil.rmtree(self.folder / SEEN, ignore_errors=True)
        end = Child(self.case.shown.split(), self.folder, self.folder / SEEN).end()
        return contents(self.folder / SEEN) if not end.code else {"error": end.log.encode()}


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """All items, or so many of them, spread evenly."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / max(1, most - 1)
    return [items[round(number * step)] for number in range(most)]

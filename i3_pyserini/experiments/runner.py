"""Runs the commands of a plan in order, skips completed ones, and stops at the first failure."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TextIO

from i3_pyserini.errors import I3Error
from i3_pyserini.experiments.plan import Command, Plan, choose_steps, commands
from i3_pyserini.processes import Worker, run_or_fail
from i3_pyserini.stock import offline
from i3_pyserini.stock.java import java_environment
from i3_pyserini.system import WINDOWS

STDERR = 2  # the file, also where sys.stderr is none, as in a notebook
# The environment's own, whether or not it is activated.
PROGRAMS = {
    "python": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
    "i3-pyserini": [sys.executable, "-m", "i3_pyserini"],
}
OWN = (("python", "-m", "i3_pyserini"), ("i3-pyserini",))
WIDTH, LAST_LINES = 60, 30


def run_plan(plan: Plan, steps: Sequence[str], dry_run: bool = False, *, log: bool = False) -> None:
    """Runs steps of a plan.

    Args:
        plan: the plan.
        steps: names; all if empty.
        dry_run: only print the commands, and which are complete.
        log: print everything to standard error, for functions that return a result.

    Raises:
        I3Error: a command failed.
    """
    say = partial(print, file=sys.stderr if log else None, flush=True)
    with _Runner(STDERR if log else None) as runner:
        for name, found in _filled(plan, steps).items():
            step = plan.steps[name]
            needs = f" ({step.needs})" if step.needs else ""
            say(f"# {name}: {step.about}{needs}")
            for command in found:
                say(f"$ {command}")
                if command.done:
                    say(f"  done: {command.makes}")
                elif not dry_run:
                    started = time.monotonic()
                    runner.run(command, name)
                    say(f"  {time.monotonic() - started:,.0f} s")


def run_quietly(plan: Plan, log: Path) -> None:
    """Runs all steps of a plan, with one line to standard error for each.

    Args:
        plan: the plan.
        log: file to which the commands and what they print are appended.

    Raises:
        I3Error: a command failed; the end of its output is printed first.
    """
    with (
        log.open("a", encoding="utf-8", newline="\n") as file,
        _Runner(file.fileno(), file.fileno()) as runner,
    ):
        for name, found in _filled(plan, ()).items():
            todo = [command for command in found if not command.done]
            with timed(plan.steps[name].about) if todo else nullcontext():
                for command in todo:
                    _run_logged(runner, file, command, name)


@contextmanager
def timed(about: str) -> Iterator[None]:
    """Prints to standard error what is being done, and on the same line how long it took."""
    print(f"{f'{about} ':.<{WIDTH}} ", end="", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(file=sys.stderr)
        raise
    print(f"{time.monotonic() - started:4,.0f} s", file=sys.stderr, flush=True)


def _filled(plan: Plan, steps: Sequence[str]) -> dict[str, list[Command]]:
    """The commands by step, all filled in before the first one runs, which detects errors early."""
    return {name: list(commands(plan, name)) for name in choose_steps(plan, steps)}


def _run_logged(runner: "_Runner", file: TextIO, command: Command, step: str) -> None:
    """Runs a command whose output goes to a file; shows the end of it if the command fails."""
    file.write(f"$ {command}\n")
    file.flush()
    began = os.fstat(file.fileno()).st_size
    try:
        runner.run(command, step)
    except I3Error:
        with Path(file.name).open("rb") as written:
            written.seek(began)
            lines = written.read().decode(errors="replace").splitlines()[-LAST_LINES:]
        print("", f"$ {command}", *lines, sep="\n", file=sys.stderr)
        raise


class _Runner:
    """Runs the commands of a plan, those of ours in one process.

    Args:
        stdout: file descriptor for what they print. Default: that of this process.
        stderr: likewise.
    """

    def __init__(self, stdout: int | None, stderr: int | None = None) -> None:
        self._stdout, self._stderr = stdout, stderr
        self._worker: Worker | None = None

    def __enter__(self) -> "_Runner":
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.close()

    def run(self, command: Command, step: str) -> None:
        """Runs a command.

        Raises:
            I3Error: it failed, or did not create what it should.
        """
        for path in (command.makes, command.writes):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
        failed = f"step {step}: the command above failed"
        advice = "fix its cause; the same command then resumes there"
        program, *arguments = command.words
        own = next((start for start in OWN if command.words[: len(start)] == start), None)
        if own is not None and not WINDOWS:
            self._worker = self._worker or Worker(self._stdout, self._stderr)
            if code := self._worker.run(command.words[len(own) :]):
                raise I3Error(f"{failed} (exit code {code}); {advice}")
        else:
            variables = {}
            if any(word.startswith("pyserini.") for word in arguments):
                variables = java_environment()
                if arguments[0] == "-m":
                    arguments.insert(1, offline.MODULE)  # which runs the same
            words = [*PROGRAMS.get(program, [program]), *arguments]
            run_or_fail(words, failed, advice, variables, stdout=self._stdout, stderr=self._stderr)
        if command.writes is not None and command.makes is not None:
            command.writes.replace(command.makes)
        if command.makes is not None and not command.makes.exists():
            raise I3Error(f"step {step}: the command above did not create {command.makes}")

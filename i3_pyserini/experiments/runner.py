"""Running a plan's commands: in order, skipping what is done, stopping at the first failure."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

from i3_pyserini.errors import I3Error, StoppedError
from i3_pyserini.experiments.plan import Command, Plan, choose_steps, commands
from i3_pyserini.stock.java import java_environment

STDERR = 2  # the file, also where sys.stderr is none, as in a notebook
# The environment's own, whether or not it is activated.
PROGRAMS = {
    "python": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
}


def run_plan(plan: Plan, steps: Sequence[str], dry_run: bool = False, *, log: bool = False) -> None:
    """Runs steps of a plan.

    Args:
        plan: the plan.
        steps: names; all if empty.
        dry_run: print the commands only, with what is done already.
        log: print everything to the standard error, as for a function that returns a result.

    Raises:
        I3Error: a command failed.
    """
    say = partial(print, file=sys.stderr if log else None, flush=True)
    chosen = choose_steps(plan, steps)
    filled = {name: list(commands(plan, name)) for name in chosen}  # mistakes show at once
    for name in chosen:
        step = plan.steps[name]
        needs = f" ({step.needs})" if step.needs else ""
        say(f"# {name}: {step.about}{needs}")
        for command in filled[name]:
            say(f"$ {command}")
            if command.done:
                say(f"  done: {command.makes}")
            elif not dry_run:
                started = time.monotonic()
                _run(command, name, STDERR if log else None)
                say(f"  {time.monotonic() - started:,.0f} s")


def execute(words: list[str], environment: Mapping[str, str], stdout: int | None) -> int:
    """Runs a command to its end; returns its exit code."""
    process = subprocess.Popen(words, env=environment, stdout=stdout)  # noqa: S603  (the plan's own)
    with process, passing_on_sigterm(process):
        return process.wait()


@contextmanager
def passing_on_sigterm(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends a command together with this process, so that none goes on without it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        process.terminate()  # and is waited for where its `with` ends
        raise StoppedError(number, "the same command resumes")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(command: Command, step: str, stdout: int | None) -> None:
    program, *arguments = command.words
    words = [*PROGRAMS.get(program, [program]), *arguments]
    for path in (command.makes, command.writes):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    is_stock = any(word.startswith("pyserini.") for word in arguments)
    environment = os.environ | (java_environment() if is_stock else {})
    try:
        code = execute(words, environment, stdout)
    except OSError as error:
        raise I3Error(f"step {step}: {program} cannot be run ({error.strerror})") from error
    if code:
        raise I3Error(
            f"step {step}: the command above failed (exit code {code}); the same "
            "command resumes there when its cause is fixed"
        )
    if command.writes is not None and command.makes is not None:
        command.writes.replace(command.makes)
    if command.makes is not None and not command.makes.exists():
        raise I3Error(f"step {step}: the command above did not make {command.makes}")

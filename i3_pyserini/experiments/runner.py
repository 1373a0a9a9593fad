"""Runs the commands of a plan in order, skips completed ones, and stops at the first failure."""

import sys
import time
from collections.abc import Sequence
from functools import partial

from i3_pyserini.errors import I3Error
from i3_pyserini.experiments.plan import Command, Plan, choose_steps, commands
from i3_pyserini.processes import run_or_fail
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
        dry_run: only print the commands, and which are complete.
        log: print everything to standard error, for functions that return a result.

    Raises:
        I3Error: a command failed.
    """
    say = partial(print, file=sys.stderr if log else None, flush=True)
    chosen = choose_steps(plan, steps)
    filled = {name: list(commands(plan, name)) for name in chosen}  # detects errors early
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


def _run(command: Command, step: str, stdout: int | None) -> None:
    program, *arguments = command.words
    words = [*PROGRAMS.get(program, [program]), *arguments]
    for path in (command.makes, command.writes):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    is_stock = any(word.startswith("pyserini.") for word in arguments)
    run_or_fail(
        words,
        f"step {step}: the command above failed",
        "fix its cause; the same command then resumes there",
        java_environment() if is_stock else {},
        stdout=stdout,
    )
    if command.writes is not None and command.makes is not None:
        command.writes.replace(command.makes)
    if command.makes is not None and not command.makes.exists():
        raise I3Error(f"step {step}: the command above did not create {command.makes}")

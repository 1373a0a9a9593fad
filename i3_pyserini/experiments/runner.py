"""Running a plan's commands: in order, skipping what is done, stopping at the first failure."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from i3_pyserini.errors import I3Error
from i3_pyserini.experiments.plan import Command, Plan, choose_steps, commands
from i3_pyserini.java import java_environment

# The environment's own, whether or not it is activated.
PROGRAMS = {
    "python": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run"],
}


def run_plan(plan: Plan, steps: Sequence[str], dry_run: bool = False) -> None:
    """Runs steps of a plan.

    Args:
        plan: the plan.
        steps: names; all if empty.
        dry_run: print the commands only, with what is done already.

    Raises:
        I3Error: a command failed.
    """
    chosen = choose_steps(plan, steps)
    filled = {name: list(commands(plan, name)) for name in chosen}  # mistakes show at once
    for name in chosen:
        step = plan.steps[name]
        needs = f" ({step.needs})" if step.needs else ""
        print(f"# {name}: {step.about}{needs}", flush=True)
        for command in filled[name]:
            print(f"$ {command}", flush=True)
            if command.done:
                print(f"  done: {command.makes}", flush=True)
            elif not dry_run:
                _run(command, name)


def _run(command: Command, step: str) -> None:
    started = time.monotonic()
    program, *arguments = command.words
    words = [*PROGRAMS.get(program, [program]), *arguments]
    for path in (command.makes, command.writes):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    is_stock = any(word.startswith("pyserini.") for word in arguments)
    environment = os.environ | (java_environment() if is_stock else {})
    try:
        done = subprocess.run(words, env=environment, check=False)  # noqa: S603  (the plan's own)
    except OSError as error:
        raise I3Error(f"step {step}: {program} cannot be run ({error.strerror})") from error
    if done.returncode:
        raise I3Error(
            f"step {step}: the command above failed (exit code {done.returncode}); the same "
            "command resumes there when its cause is fixed"
        )
    if command.writes is not None and command.makes is not None:
        command.writes.replace(command.makes)
    if command.makes is not None and not command.makes.exists():
        raise I3Error(f"step {step}: the command above did not make {command.makes}")
    print(f"  {time.monotonic() - started:,.0f} s", flush=True)

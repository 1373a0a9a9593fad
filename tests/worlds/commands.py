"""The package's commands in this process: argv in, exit code and output out."""

import contextlib
import io
import os
import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


class CommandError(AssertionError):
    """A command failed that should not have."""


def attempt(module: str, *words: object) -> Done:
    """Runs `python -m MODULE WORDS…` here; whatever it raises but SystemExit goes through."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code: object = 0
    with (
        patch.object(sys, "argv", [module, *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _same_environment(),
    ):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=False)
        except SystemExit as end:
            code = end.code
    for stream in (out, err):
        stream.flush()
    texts = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]
    return Done(code if isinstance(code, int) else 0 if code is None else 1, *texts)


def command(module: str, *words: object) -> Done:
    """The same for one that has to succeed.

    Raises:
        CommandError: it did not.
    """
    done = attempt(module, *words)
    if done.code:
        shown = " ".join(map(str, words))
        raise CommandError(f"{module} {shown}: exit code {done.code}: {done.err[-500:].strip()}")
    return done


@contextlib.contextmanager
def _same_environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

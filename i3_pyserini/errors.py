"""The one exception for user mistakes, checks that raise it, and how a command line prints it."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn


class I3Error(ValueError):
    """A mistake in the input: its message says what is wrong, where, and what to do.

    Command lines print it as one line and exit with code 2. Anything else that is raised
    is a defect of the program and keeps its traceback.
    """


class StoppedError(Exception):
    """Work was left before its end because a signal asked for it; it can be taken up again.

    Args:
        signal: the signal's number; the command's exit code is 128 more, as in a shell.
        message: what is done, and how to go on.
    """

    def __init__(self, signal: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal


def note(message: str) -> None:
    """Prints `note: MESSAGE` on stderr, one line, without breaking a progress bar.

    Of several processes that torchrun started, only the first says it.

    Args:
        message: something that a user should know about the result, such as what was left out.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    from tqdm import tqdm  # noqa: PLC0415  (slow to import, and not needed by most commands)

    tqdm.write(f"note: {' '.join(message.split())}", file=sys.stderr)


def run_command(main: Callable[[], None]) -> NoReturn:
    """Runs a command line's `main`; exits with 0, 2 (`I3Error`) or 128 + the signal's number.

    Args:
        main: parses `sys.argv`, does the work, prints the result.
    """
    try:
        main()
        sys.stdout.flush()
    except I3Error as error:
        message = " ".join(str(error).split())
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
    except StoppedError as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        sys.exit(128 + stopped.signal)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)


def at_least_1(**values: int | None) -> None:
    """Raises for a number below 1.

    Args:
        values: by the parameter's name; None is not looked at.

    Raises:
        I3Error: names the parameter.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise I3Error(f"{name} is {value}, must be at least 1")


def check_tag(tag: str | None) -> None:
    """Raises for a tag that cannot be a column of a run; None is not looked at.

    Raises:
        I3Error: it is empty or has white space in it.
    """
    if tag is not None and tag.split() != [tag]:
        raise I3Error(f"tag {tag!r} is empty or has white space in it")

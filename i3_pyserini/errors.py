"""The exception for user errors, checks that raise it, and how commands print it."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from i3_pyserini.system import utf8_output
from i3_pyserini.terminal import one_line

LONGEST = 1600  # characters of a message


class I3Error(ValueError):
    """A user error. Its message says what is wrong, where, and how to fix it.

    Commands print it as one line and exit with code 2. Any other exception is a bug and keeps its
    traceback.

    Args:
        message: the message; what is in the middle of a very long one is left out, since names and
            values of damaged files may have any length.
    """

    def __init__(self, message: str) -> None:
        if len(message) > LONGEST:
            message = f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"
        super().__init__(message)


class StoppedError(Exception):
    """A signal stopped the work, which can be resumed.

    Args:
        signal: the signal's number; the command's exit code is 128 more, as in a shell.
        message: what has been done, and how to resume.
    """

    def __init__(self, signal: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal


def note(message: str) -> None:
    """Prints `note: MESSAGE` on stderr, one line, without breaking a progress bar.

    Of several processes started by torchrun, only the first prints it.

    Args:
        message: information about the result, such as what was skipped.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    from tqdm import tqdm  # noqa: PLC0415  (slow to import, and not needed by most commands)

    tqdm.write(f"note: {one_line(message)}", file=sys.stderr)


def run_command(main: Callable[[], None]) -> NoReturn:
    """Runs a command line's `main`; exits with 0, 2 (`I3Error`) or 128 + the signal's number.

    Args:
        main: parses `sys.argv`, does the work, prints the result.
    """
    utf8_output()
    try:
        main()
        sys.stdout.flush()
    except I3Error as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(2)
    except StoppedError as stopped:
        print(f"stopped: {one_line(str(stopped))}", file=sys.stderr)
        sys.exit(128 + stopped.signal)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output (`| head`) has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)


def at_least_1(**values: int | None) -> None:
    """Raises for a number below 1.

    Args:
        values: values by parameter name; None is not checked.

    Raises:
        I3Error: names the parameter.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise I3Error(f"{name} is {value}, must be at least 1")


def check_tag(tag: str | None) -> None:
    """Raises for a tag that cannot be a column of a run; None is not checked.

    Raises:
        I3Error: it is empty or contains white space.
    """
    if tag is not None and tag.split() != [tag]:
        raise I3Error(f"tag {tag!r} is empty or contains white space")

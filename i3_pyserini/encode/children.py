"""Processes that `multiprocessing` starts, from here and from any script."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import ModuleType


def end_with_parent() -> None:
    """Ends this process as soon as its parent has ended, even if that is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def without_main() -> Iterator[None]:
    """Processes started meanwhile do not import the program, and so do not run a script again.

    A script then needs no `if __name__ == "__main__"` to start them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

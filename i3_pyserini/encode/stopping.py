"""Stopping between two parts when the system or the user asks for it."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from i3_pyserini.errors import StoppedError


class StopRequest:
    """Takes the first SIGTERM or Ctrl-C as a wish; a second one acts at once.

    A context manager. Outside the main thread it only ever says no, since signals go there.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def asked(self) -> bool:
        """Whether to stop after the part in work."""
        return self._signal is not None

    def raise_if_asked(self, message: str) -> None:
        """Raises if the work was left before its end.

        Raises:
            StoppedError: it was.
        """
        if self._signal is not None:
            raise StoppedError(self._signal, message)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        self._restore()
        print("\nfinishing the part in work; once more stops at once", file=sys.stderr, flush=True)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

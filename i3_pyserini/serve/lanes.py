"""The one thread that computes, in batches of what is waiting.

A search alone is computed at once. Meanwhile others arrive and wait, and are computed together:
nobody waits for a batch to fill. Kinds of work take turns, so that a search waits for one batch of
passages to encode and not for all of them.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Generic, TypeVar

from i3_pyserini.serve.disconnects import GONE
from i3_pyserini.serve.failures import busy, gone

Item = TypeVar("Item")
Result = TypeVar("Result")
SECONDS = 60.0  # that a request waits for its results


class _Request:
    """The items of a request, and their results."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items, self.left = items, len(items)
        self.results: list[Any] = [None] * len(items)
        self.future: Future[list[Any]] = Future()

    def put(self, row: int, outcome: Any) -> None:
        """Takes the result of an item; an exception is that of the request."""
        self.results[row], self.left = outcome, self.left - 1
        with suppress(InvalidStateError):  # nobody waits any more, or another item has failed
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            elif not self.left:
                self.future.set_result(self.results)


class Lane(Generic[Item, Result]):
    """Work of one kind; made by `Lanes.lane`.

    Args:
        run: computes a batch: a result for each item.
        batch: most items of a batch.
        limit: most items that wait. A request with more is taken when nothing else waits.
        wake: has the thread look for work.
        lock: of all lanes.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Sequence[Result]],
        batch: int,
        limit: int,
        wake: Callable[[], None],
        lock: threading.Lock,
    ) -> None:
        self._run, self._batch, self._limit = run, batch, limit
        self._wake, self._lock = wake, lock
        self._waiting: deque[tuple[_Request, int]] = deque()

    def __call__(self, items: Sequence[Item], seconds: float = SECONDS) -> list[Result]:
        """The results of items, in their order; waits for them.

        In a request whose client goes away, what is not computed yet is given up.

        Args:
            items: at least one.
            seconds: to wait at most.

        Raises:
            Refused: too many are waiting (429), this has waited too long (503), or the client has
                gone.
            Exception: what `run` raised for one of the items.
        """
        request = _Request(items)
        with self._lock:
            self._make_room(len(items))
            self._waiting.extend((request, row) for row in range(len(items)))
        if (client := GONE.get()) is not None:
            client.add_done_callback(lambda _: request.future.cancel())
        self._wake()
        try:
            return request.future.result(seconds)
        except CancelledError as error:
            raise gone() from error
        except TimeoutError as error:
            if request.future.cancel():
                raise busy(f"No answer within {seconds:g} seconds. Try again.", 503) from error
            return request.future.result(0)  # it came meanwhile

    def _make_room(self, count: int) -> None:
        """Raises if too many are waiting; its caller has the lock."""
        if len(self._waiting) + count > self._limit:
            self._waiting = deque(one for one in self._waiting if not one[0].future.done())
        waiting = len(self._waiting)
        if waiting and waiting + count > self._limit:
            raise busy(f"The server is busy: {waiting:,} texts are waiting. Try again.")

    def take(self) -> list[tuple[_Request, int]]:
        """The next batch, without what nobody waits for any more; its caller has the lock."""
        taken: list[tuple[_Request, int]] = []
        while self._waiting and len(taken) < self._batch:
            request, row = self._waiting.popleft()
            if not request.future.done():
                taken.append((request, row))
        return taken

    def run(self, taken: list[tuple[_Request, int]]) -> None:
        """Computes a batch. If it fails, each item is computed alone: only the bad one fails."""
        items = [request.items[row] for request, row in taken]
        try:
            outcomes: list[Any] = list(self._run(items))
        except Exception as error:  # handed to those who wait
            outcomes = [error] if len(items) == 1 else [self._alone(item) for item in items]
        for (request, row), outcome in zip(taken, outcomes, strict=True):
            request.put(row, outcome)

    def _alone(self, item: Item) -> Any:
        try:
            return self._run([item])[0]
        except Exception as error:  # handed to the one who waits
            return error


class Lanes:
    """Computes batches of its lanes, one at a time, in one thread."""

    def __init__(self) -> None:
        # Libraries have threads of their own for each thread that calls them.
        self._thread = ThreadPoolExecutor(1, "compute")
        self._lanes: deque[Lane[Any, Any]] = deque()
        self._lock = threading.Lock()
        self._woken = False  # whether the thread will look for work

    def lane(
        self, run: Callable[[list[Item]], Sequence[Result]], batch: int, limit: int
    ) -> Lane[Item, Result]:
        """A new kind of work; see `Lane`."""
        made: Lane[Item, Result] = Lane(run, batch, limit, self._wake, self._lock)
        self._lanes.append(made)
        return made

    def _wake(self) -> None:
        with self._lock:
            if self._woken:  # one look is enough for all that wait; more would add up under load
                return
            self._woken = True
        self._thread.submit(self._next)

    def _next(self) -> None:
        """Computes a batch of the next lane that has one; another follows while there is one."""
        with self._lock:
            self._woken = False
            for _ in range(len(self._lanes)):
                self._lanes.rotate(-1)
                lane = self._lanes[0]
                if taken := lane.take():
                    break
            else:
                return
        lane.run(taken)
        self._wake()

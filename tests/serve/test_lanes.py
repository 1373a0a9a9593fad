"""Batches of concurrent work."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from i3_pyserini.serve.failures import Refused
from i3_pyserini.serve.lanes import Lane, Lanes


class Work:
    """Squares numbers; waits while `free` is cleared, and notes batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free, self.begun = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.begun.set()
        assert self.free.wait(30)
        if 13 in items:
            raise ValueError("unlucky")
        return [item * item for item in items]

    @contextmanager
    def held(self, lane: Lane[int, int], pool: ThreadPoolExecutor) -> Iterator[None]:
        """While the first item, 0, is being computed."""
        self.free.clear()
        first = pool.submit(lane, [0])
        assert self.begun.wait(30)
        yield
        self.free.set()
        assert first.result(30) == [0]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def waiting(lane: Lane[int, int], count: int) -> None:
    """Until so many items wait."""
    while len(lane._waiting) < count:
        threading.Event().wait(0.001)


def test_what_waits_is_computed_together(pool: ThreadPoolExecutor) -> None:
    work = Work()
    lane = Lanes().lane(work, 8, 100)
    with work.held(lane, pool):
        found = {number: pool.submit(lane, [number, -number]) for number in range(1, 11)}
        waiting(lane, 20)
    for number, future in found.items():
        assert future.result(30) == [number**2, number**2]
    assert [len(batch) for batch in work.batches] == [1, 8, 8, 4]


def test_one_alone_does_not_wait() -> None:
    work = Work()
    assert Lanes().lane(work, 8, 100)([3]) == [9]
    assert work.batches == [[3]]


def test_a_bad_item_fails_alone(pool: ThreadPoolExecutor) -> None:
    work = Work()
    lane = Lanes().lane(work, 8, 100)
    with work.held(lane, pool):
        bad, good = pool.submit(lane, [13, 2]), pool.submit(lane, [4])
        waiting(lane, 3)
    with pytest.raises(ValueError, match="unlucky"):
        bad.result(30)
    assert good.result(30) == [16]


def test_a_full_lane_refuses(pool: ThreadPoolExecutor) -> None:
    work = Work()
    lane = Lanes().lane(work, 2, 3)
    with work.held(lane, pool):
        large = pool.submit(lane, list(range(5)))  # nothing else waits
        waiting(lane, 5)
        with pytest.raises(Refused) as refused:
            lane([1])
        assert refused.value.status == 429 and refused.value.headers["Retry-After"] == "1"
    assert large.result(30) == [0, 1, 4, 9, 16]
    assert lane([1]) == [1]


def test_who_has_waited_too_long_is_not_computed(pool: ThreadPoolExecutor) -> None:
    work = Work()
    lane = Lanes().lane(work, 8, 100)
    with work.held(lane, pool), pytest.raises(Refused) as refused:
        lane([7], seconds=0.05)
    assert refused.value.status == 503 and "Retry-After" in refused.value.headers
    assert lane([2]) == [4]
    assert work.batches == [[0], [2]]


def test_lanes_take_turns(pool: ThreadPoolExecutor) -> None:
    lanes, order = Lanes(), list[str]()
    work = Work()
    first = lanes.lane(work, 1, 100)

    def noting(name: str) -> Lane[int, int]:
        def run(items: list[int]) -> list[int]:
            order.append(name)
            return items

        return lanes.lane(run, 2, 100)

    many, few = noting("many"), noting("few")
    with work.held(first, pool):
        pending = [pool.submit(many, list(range(8)))]
        waiting(many, 8)
        pending.append(pool.submit(few, [1]))
        waiting(few, 1)
    for future in pending:
        future.result(30)
    assert order[:2] in (["many", "few"], ["few", "many"]) and len(order) == 5


def test_nothing_adds_up_while_requests_come(pool: ThreadPoolExecutor) -> None:
    work, lanes = Work(), Lanes()
    lane = lanes.lane(work, 8, 100)
    with (
        patch.object(lanes._thread, "submit", wraps=lanes._thread.submit) as looks,
        work.held(lane, pool),
    ):
        found = [pool.submit(lane, [number]) for number in range(12)]
        waiting(lane, 12)
    assert [one.result(30) for one in found] == [[number**2] for number in range(12)]
    assert len(work.batches) == 3
    assert looks.call_count <= 1 + 1 + 2 * 3  # and not one for each request

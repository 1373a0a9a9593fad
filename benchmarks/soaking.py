"""What the soaks watch of a process: its memory and descriptors, and how they grow in an hour.

A slope is that of a straight line through the second half of a run, when caches are full. Memory of
one second is much like that of the second before, which a line through all of them would take for
knowledge; so it is drawn through the means of `BLOCKS` equally long parts, and its 95% interval is
that of these.
"""

import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import scipy.stats

from benchmarks.record import Figure, single

MB = 1e6
BLOCKS = 20
LEAST = 3  # points of a line with an interval
# Judged only after so many seconds: caches and pools of threads take minutes to fill.
JUDGED = 540.0
ALLOWED = {"memory": 10.0, "descriptors": 1.0}  # the lower end of an interval, in an hour


@dataclass
class Watched:
    """What was seen of a process.

    Attributes:
        seconds: when, since the first time.
        memory: resident bytes.
        descriptors: open ones.
    """

    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)


@contextmanager
def watching(pid: int | None = None, every: float = 1.0) -> Iterator[Watched]:
    """Watches a process in a thread, this one by default; it has to last.

    Args:
        pid: the process.
        every: seconds from one look to the next.

    Yields:
        What is seen, which grows.
    """
    watched, done = Watched(), threading.Event()
    started, own = time.monotonic(), Path(f"/proc/{os.getpid() if pid is None else pid}")

    def look() -> None:
        while True:
            status = (own / "status").read_text(encoding="utf-8")
            watched.memory.append(int(status.partition("VmRSS:")[2].split()[0]) * 1024)
            watched.descriptors.append(len(list((own / "fd").iterdir())))
            watched.seconds.append(time.monotonic() - started)
            if done.wait(every):
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watched
    finally:
        done.set()
        thread.join()


@contextmanager
def without_notes() -> Iterator[None]:
    """What a command would say a thousand times is dropped, not kept: memory is watched."""
    with Path(os.devnull).open("w", encoding="utf-8") as nothing, redirect_stderr(nothing):
        yield


def figures_of(watched: Watched) -> list[Figure]:
    """Slopes of memory and descriptors, and the most of each."""
    memory = [value / MB for value in watched.memory]
    return [
        slope("memory", watched.seconds, memory, "MB an hour"),
        slope("descriptors", watched.seconds, watched.descriptors, "an hour"),
        single("most memory", max(memory), "MB", 0),
        single("most descriptors", max(watched.descriptors), "", 0),
    ]


def slope(name: str, seconds: Sequence[float], values: Sequence[float], per: str) -> Figure:
    """How values grow in an hour, in the second half, with the 95% interval; see the module."""
    half = len(values) // 2
    hours, rest = np.array(seconds[half:]) / 3600, np.array(values[half:], dtype=float)
    parts = np.array_split(np.arange(len(rest)), min(BLOCKS, len(rest)))
    x, y = (np.array([own[part].mean() for part in parts]) for own in (hours, rest))
    if len(parts) < LEAST:
        return Figure(name=name, value=0.0, unit=per, digits=1, low=-math.inf, high=math.inf)
    if np.ptp(y) == 0:  # which linregress has no interval for
        return Figure(name=name, value=0.0, unit=per, digits=1, low=0.0, high=0.0)
    line = scipy.stats.linregress(x, y)
    around = scipy.stats.t.ppf(0.975, len(parts) - 2) * line.stderr
    low, high = float(line.slope - around), float(line.slope + around)
    return Figure(name=name, value=float(line.slope), unit=per, digits=1, low=low, high=high)


def growing(watched: Watched) -> list[str]:
    """What grows for certain, in words; nothing of a run that was too short to tell."""
    if not watched.seconds or watched.seconds[-1] < JUDGED:
        return []
    return [
        f"{figure.name}: grows by at least {figure.low:,.1f} {figure.unit}"
        for figure in figures_of(watched)
        if figure.low is not None and figure.low > ALLOWED.get(figure.name, math.inf)
    ]


def finish(watched: Watched, wrong: bool) -> NoReturn:
    """Says what grows, and exits: with 1 if something does, or if something was wrong."""
    found = growing(watched)
    for line in found:
        print(line)
    sys.exit(1 if found or wrong else 0)


def show(figures: Sequence[Figure]) -> None:
    """Prints figures, a line each."""
    for figure in figures:
        print(f"{figure.name}: {figure} {figure.unit}".rstrip())

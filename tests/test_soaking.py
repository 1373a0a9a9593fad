"""Growth is seen, noise is not taken for growth, and a process is watched."""

import os
import random
import time
from pathlib import Path

import pytest

from benchmarks.soaking import JUDGED, Watched, figures_of, growing, slope, watching

HOUR = 3600
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")


def watched(bytes_an_hour: float = 0.0, descriptors_an_hour: float = 0.0) -> Watched:
    """An hour of a process whose memory goes up and down for minutes at a time."""
    draw, found, level = random.Random(1), Watched(), 0.0
    for second in range(HOUR):
        level = 0.99 * level + draw.gauss(0, 2e5)
        found.seconds.append(float(second))
        found.memory.append(round(1e9 + level + bytes_an_hour * second / HOUR))
        found.descriptors.append(20 + int(descriptors_an_hour * second / HOUR))
    return found


def test_the_slope_of_a_line_is_found() -> None:
    figure = slope("memory", [float(n) for n in range(HOUR)], [n / 100 for n in range(HOUR)], "")
    assert figure.value == pytest.approx(36.0)
    assert figure.low == pytest.approx(36.0) and figure.high == pytest.approx(36.0)


def test_noise_is_no_growth() -> None:
    memory, descriptors, *most = figures_of(watched())
    assert memory.low is not None and memory.high is not None
    assert memory.low < 0 < memory.high
    assert (descriptors.low, descriptors.high) == (0.0, 0.0)
    assert [one.name for one in most] == ["most memory", "most descriptors"]
    assert growing(watched()) == []


def test_growth_is_named() -> None:
    (line,) = growing(watched(bytes_an_hour=4e7))
    assert line.startswith("memory: grows")
    (line,) = growing(watched(descriptors_an_hour=30))
    assert line.startswith("descriptors: grows")


def test_a_short_run_is_not_judged() -> None:
    found = watched(bytes_an_hour=1e12)
    few = int(JUDGED) - 1
    assert not growing(Watched(found.seconds[:few], found.memory[:few], found.descriptors[:few]))
    assert growing(found)


def test_this_process_is_watched() -> None:
    with watching(every=0.01) as found:
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]
        time.sleep(0.2)
        for file in files:
            os.close(file)
        time.sleep(0.2)
    assert max(found.descriptors) - found.descriptors[-1] >= 7
    assert min(found.memory) > 1e7 and found.seconds == sorted(found.seconds)
    assert len(figures_of(found)) == 4

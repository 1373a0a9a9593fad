"""What benchmarks say that a command takes."""

import resource
import sys

import pytest

from benchmarks.command import take

LARGE = 120_000_000  # bytes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_memory_is_the_commands_own() -> None:
    held = bytearray(b"x" * LARGE)  # of this process, with which a child begins
    small = take(python("import time; time.sleep(0.5); print('said')"))
    assert small.output == "said\n"
    assert small.wall > 0 and small.cpu > 0
    assert 0 < small.own < small.peak < len(held) / 1e6
    large = take(python(f"import time; x = b'x' * {LARGE}; time.sleep(0.5)"))
    assert large.own - small.own == pytest.approx(LARGE / 1e6, rel=0.1)
    assert large.peak - small.peak == pytest.approx(LARGE / 1e6, rel=0.1)


def test_a_command_that_fails() -> None:
    with pytest.raises(SystemExit, match=r"(?s)failed: .*the reason"):
        take(python("raise SystemExit('the reason')"))


def test_limits_and_variables() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (37, 37))

    code = "import os, resource; print(os.environ['A'], resource.getrlimit(7)[0])"
    assert take(python(code), {"A": "b"}, limit).output == "b 37\n"

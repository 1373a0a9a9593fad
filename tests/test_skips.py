"""Skipped tests are counted, and the page of compatibility has the counts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import skips
from tests.compatibility import END, PAGE, START, table
from tests.skips import CONDITIONS, HERE, entries, wrong

ROOT = HERE.parent


def test_entries_name_tests_that_exist() -> None:
    for entry in entries():
        assert entry.when in CONDITIONS
        for test in entry.tests:
            path, *names = test.partition("[")[0].split("::")
            text = (ROOT / path).read_text(encoding="utf-8")
            assert all(re.search(rf"^def {one}\(", text, re.MULTILINE) for one in names), test


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A list of one entry, for machines of this kind."""
    path = tmp_path / "skips.toml"
    path.write_text(
        '[[skipped]]\nreason = "cold"\nwhen = "here"\ntests = ["tests/a.py"]\n', encoding="utf-8"
    )
    monkeypatch.setattr(skips, "LIST", path)
    monkeypatch.setitem(CONDITIONS, "here", lambda: True)
    entries.cache_clear()
    yield
    entries.cache_clear()


def test_skips_that_are_listed(listed: None) -> None:
    assert wrong({"tests/a.py::test_one[x]": "cold", "tests/a.py": "cold"}, set()) == []


def test_skips_that_are_not_listed(listed: None) -> None:
    assert len(wrong({"tests/a.py::test_one": "warm", "tests/ab.py::test_two": "cold"}, set())) == 2


def test_a_condition_that_does_not_hold(listed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONDITIONS, "here", lambda: False)
    assert "'here'" in wrong({"tests/a.py::test_one": "cold"}, set())[0]
    assert wrong({}, {"tests/a.py::test_one"}) == []


def test_tests_that_ran_although_they_are_listed(listed: None) -> None:
    assert "cold" in wrong({}, {"tests/a.py::test_one"})[0]


CONFTEST = """
from pathlib import Path
from tests.skips import Skips

def pytest_configure(config):
    config.pluginmanager.register(Skips(Path("record.json")))
"""
SKIPPING = """
import pytest

def test_one():
    pass

def test_two():
    pytest.skip("cold")
"""


def test_a_run_fails_by_a_skip(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SKIPPING, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "test_it.py::test_two" in done.stdout
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert (record["passed"], record["failed"], record["skipped"]) == (1, 0, {"cold": 1})


def test_the_page_has_the_counts() -> None:
    made = PAGE.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    assert made == table(), "python -m tests.compatibility makes it anew"

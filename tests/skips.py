"""Skipped tests are counted: those that skip here must be those that `skips.toml` explains.

A test that skips without an entry fails the run, and so does one that ran although its entry says
that it cannot run here. With `--record FILE`, the counts of a run are written for
docs/reference/compatibility.md (`python -m tests.compatibility`).
"""

import importlib.util
import json
import os
import platform
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from i3_pyserini.stock.java import find_java

HERE = Path(__file__).parent
LIST = HERE / "skips.toml"
SHARED = HERE.parents[1] / "shared"  # collections that may not be redistributed
PACKAGES = ("pyserini", "torch", "transformers", "numpy", "faiss-cpu")
SOMETIMES = "sometimes"  # the entry's tests may skip and may run
CONDITIONS: dict[str, Callable[[], bool]] = {
    SOMETIMES: lambda: True,
    "no test collections": lambda: not SHARED.is_dir(),
    "no Java": lambda: find_java()[0] is None,
    "no browser": lambda: not (shutil.which("chromium") and shutil.which("chromedriver")),
    "no engine": lambda: importlib.util.find_spec("milvus_lite") is None,
    "no qdrant": lambda: importlib.util.find_spec("qdrant_client") is None,
    "no sentence-transformers": lambda: importlib.util.find_spec("sentence_transformers") is None,
    "no openvino": lambda: importlib.util.find_spec("openvino") is None,
    "no sphinx": lambda: importlib.util.find_spec("sphinx") is None,
    "no ray": lambda: importlib.util.find_spec("ray") is None,
    "no mteb": lambda: importlib.util.find_spec("mteb") is None,
    "no pyterrier": lambda: importlib.util.find_spec("pyterrier_dr") is None,
    "no cuda": lambda: not torch.cuda.is_available(),
    "no mps": lambda: not torch.backends.mps.is_available(),
    "no fastembed": lambda: not os.environ.get("FASTEMBED_PYTHON"),
    "no onnx": lambda: importlib.util.find_spec("onnxscript") is None,
    "no peft": lambda: importlib.util.find_spec("peft") is None,
    "no mpnet": lambda: not os.environ.get("I3_PYSERINI_MPNET"),
    "no sdist": lambda: not os.environ.get("I3_PYSERINI_SDIST"),
    "no LangChain": lambda: "LANGCHAIN_PYTHON" not in os.environ,
    "no LlamaIndex": lambda: "LLAMAINDEX_PYTHON" not in os.environ,
    "no Haystack": lambda: "HAYSTACK_PYTHON" not in os.environ,
    "pyserini 1": lambda: version("pyserini").startswith("1."),
    "pyserini 2": lambda: version("pyserini").startswith("2."),
}


class Entry(NamedTuple):
    """Why tests skip.

    Attributes:
        reason: that the test gives.
        when: the condition of `CONDITIONS` under which they skip.
        tests: their ids, or the beginnings of ids.
    """

    reason: str
    when: str
    tests: tuple[str, ...]

    def has(self, test: str) -> bool:
        """Whether the entry is about a test."""
        return any(test == one or test.startswith((f"{one}::", f"{one}[")) for one in self.tests)


@cache
def entries() -> list[Entry]:
    """All entries of the list."""
    found = tomllib.loads(LIST.read_text(encoding="utf-8"))["skipped"]
    return [Entry(one["reason"], one["when"], tuple(one["tests"])) for one in found]


class Skips:
    """Plug-in of pytest, in the process that reports.

    Args:
        record: where to write the counts of the run; None for nowhere.
    """

    def __init__(self, record: Path | None) -> None:
        self._record = record
        self._outcomes: Counter[str] = Counter()
        self._skipped: dict[str, str] = {}
        self._ran: set[str] = set()
        self._wrong: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes a test."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skipped[report.nodeid] = _reason(report)
        elif report.when == "call" or report.failed:
            self._outcomes[report.outcome] += 1
            self._ran.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notes a module."""
        if report.skipped:
            self._skipped[report.nodeid] = _reason(report)
        elif report.failed:
            self._outcomes["failed"] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fails the run if other tests skipped than the list says."""
        self._wrong = wrong(self._skipped, self._ran)
        if self._wrong and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._record is not None:
            self._write(self._record)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Says which."""
        for line in self._wrong:
            terminalreporter.write_line(line, red=True)

    def _write(self, path: Path) -> None:
        found = {
            "date": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "versions": {name: version(name) for name in PACKAGES},
            "passed": self._outcomes["passed"],
            "failed": self._outcomes["failed"],
            "skipped": dict(sorted(Counter(self._skipped.values()).items())),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def wrong(skipped: dict[str, str], ran: set[str]) -> list[str]:
    """What of a run contradicts the list.

    Args:
        skipped: reasons by test.
        ran: tests that passed or failed.

    Returns:
        A line for each test.
    """
    lines = []
    for test, reason in sorted(skipped.items()):
        known = [one for one in entries() if one.has(test) and one.reason == reason]
        if not any(CONDITIONS[one.when]() for one in known):
            why = f" but {known[0].when!r} does not hold here" if known else ""
            lines.append(f"{test} skipped ({reason}){why}: not explained by {LIST.name}")
    must = [one for one in entries() if one.when != SOMETIMES and CONDITIONS[one.when]()]
    for test in sorted(ran):
        lines += [f"{test} ran, but {LIST.name} says: {e.reason}" for e in must if e.has(test)]
    return lines


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")

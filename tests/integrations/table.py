"""The table of docs/how-to/integrations.md, from the results of `make test-integrations`.

python -m tests.integrations.table RESULTS.xml …

Of several files, the last one with a test counts, such as of a test that was run again.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

from tests.skips import HERE

PAGE = HERE.parent / "docs" / "how-to" / "integrations.md"
RECORD = Path(__file__).parent / "record.json"
START, END = "<!-- made by make test-integrations -->\n", "<!-- end -->\n"
HEAD = """\
| tool | version | what is tested | same numbers | passed, failed, skipped | runs in |
| --- | --- | --- | --- | --- | --- |
"""
VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


@dataclass(frozen=True)
class Row:
    """A tool.

    Attributes:
        name: with a link to its page.
        packages: whose versions are shown.
        tests: beginnings of the names of its tests, below tests/integrations.
        tested: what is tested.
        same: which numbers are the same as ours.
        python: the environment variable that names the tool's own Python; None for that of CI.
    """

    name: str
    packages: tuple[str, ...]
    tests: tuple[str, ...]
    tested: str
    same: str
    python: str | None = None


ROWS = (
    Row(
        "[sentence-transformers](sentence-transformers.md)",
        ("sentence-transformers",),
        ("test_sentence_transformers",),
        "both sides, titles, prompts, lengths, every pooling; training with `I3Loss`",
        "vectors to 1e-5; losses of a batch",
    ),
    Row(
        "[`AutoModel`, hub](sentence-transformers.md)",
        ("transformers", "huggingface-hub"),
        ("test_auto_model", "test_hub"),
        "`AutoModel`, `AutoConfig`, older directories, revisions; a stand-in of the hub",
        "vectors to 1e-5",
    ),
    Row(
        "[ONNX](onnx.md)",
        ("onnx", "onnxruntime"),
        ("test_onnx",),
        "export of every interaction and of other encoders, fp32 and 8 bits; encode, search",
        "fp32: vectors to 1e-5, runs; 8 bits differ: see the page",
    ),
    Row(
        "[MTEB](mteb.md)",
        ("mteb",),
        ("test_mteb",),
        "models, encoded indexes and own collections in `mteb.evaluate`",
        "nDCG@10 and others of `eval` to four digits",
    ),
    Row(
        "[PyTerrier](pyterrier.md)",
        ("python-terrier", "pyterrier-dr"),
        ("test_pyterrier",),
        "retriever, encoders, reranker, indexer, artifact, FlexIndex, `pt.Experiment`",
        "hits and scores; vectors of FlexIndex bit by bit; measures of `eval`",
    ),
    Row(
        "[Milvus](engines.md)",
        ("pymilvus", "milvus-lite"),
        ("test_milvus", "test_stores.py::*milvus"),
        "loading, filters, updates, interruptions; embedded, and Milvus Lite's server",
        "hits of exact search, ties too",
    ),
    Row(
        "[Qdrant](engines.md)",
        ("qdrant-client",),
        ("test_qdrant", "test_stores.py::*qdrant"),
        "the same; in memory, in a folder, and requests over HTTP to a stand-in",
        "hits of exact search, ties too",
    ),
    Row(
        "[HTTP API](http.md)",
        ("openai", "starlette"),
        ("test_http",),
        "OpenAI's client, two servers on one index; contracts are tested in tests/serve",
        "vectors to 1e-5, hits",
    ),
    Row(
        "[LangChain](http.md)",
        ("langchain-openai",),
        ("outside/test_frameworks.py::*langchain",),
        "the page's example against our server",
        "vectors to 1e-5",
        "LANGCHAIN_PYTHON",
    ),
    Row(
        "[LlamaIndex](http.md)",
        ("llama-index-embeddings-openai-like",),
        ("outside/test_frameworks.py::*llamaindex",),
        "the page's example against our server",
        "vectors to 1e-5",
        "LLAMAINDEX_PYTHON",
    ),
    Row(
        "[Haystack](http.md)",
        ("haystack-ai",),
        ("outside/test_frameworks.py::*haystack",),
        "the page's example against our server",
        "vectors to 1e-5",
        "HAYSTACK_PYTHON",
    ),
    Row(
        "[fastembed](onnx.md)",
        ("fastembed",),
        ("outside/test_fastembed",),
        "both exported sides as custom models",
        "vectors to 1e-5, same lengths",
        "FASTEMBED_PYTHON",
    ),
)


def main() -> None:
    """Records the results, and writes the table into the page."""
    outcomes = {
        test: outcome for path in sys.argv[1:] for test, outcome in _outcomes(Path(path)).items()
    }
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "rows": {
            row.name: {
                "versions": {name: _version(name, row.python) for name in row.packages},
                **_counts(row, outcomes),
            }
            for row in ROWS
        },
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    text = before + START + table() + END + rest.split(END)[1]
    PAGE.write_text(text, encoding="utf-8", newline="\n")


def table() -> str:
    """The table, from the record."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    lines = []
    for row in ROWS:
        found = record["rows"][row.name]
        cells = (
            row.name,
            ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
            row.tested,
            row.same,
            ", ".join(str(found[kind]) for kind in ("passed", "failed", "skipped")),
            "`make test-integrations`" if row.python else "CI",
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    return f"{HEAD}{''.join(lines)}\nRun on {record['date']}.\n"


def _outcomes(results: Path) -> dict[str, str]:
    """Outcomes of the tests in a JUnit file, by `FILE::NAME` below tests/integrations."""
    found = {}
    for case in ElementTree.parse(results).iter("testcase"):  # noqa: S314  (pytest's)
        file = case.get("classname", "").removeprefix("tests.integrations.").replace(".", "/")
        kinds = {child.tag for child in case}
        failed = kinds & {"failure", "error"}
        outcome = "failed" if failed else "skipped" if "skipped" in kinds else "passed"
        found[f"{file}.py::{case.get('name')}"] = outcome
    return found


def _counts(row: Row, outcomes: dict[str, str]) -> dict[str, int]:
    counts = Counter(
        kind for test, kind in outcomes.items() if any(_is(test, w) for w in row.tests)
    )
    assert counts, f"no test of {row.name}"
    return {kind: counts[kind] for kind in ("passed", "failed", "skipped")}


def _is(test: str, wanted: str) -> bool:
    """Whether a test is wanted: by the beginning of its name, or by what follows `*` in it."""
    beginning, _, part = wanted.partition("*")
    return test.startswith(beginning) and part in test.lower()


def _version(package: str, python: str | None) -> str:
    if python is None:
        return version(package)
    command = [os.environ[python], "-c", VERSION, package]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return done.stdout.strip()


if __name__ == "__main__":
    main()

"""Three small runs and what a report is made of."""

from pathlib import Path

import numpy as np
import pytest

QUERIES, PASSAGES = 24, 40


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """qrels.txt with levels up to 2, run.a, run.<b> and run.c; run.c lacks a query."""
    folder = tmp_path_factory.mktemp("report")
    random = np.random.default_rng(11)
    judged = [
        f"q{query} 0 d{passage} {random.integers(0, 3)}\n"
        for query in range(QUERIES)
        for passage in random.choice(PASSAGES, 4, replace=False)
    ]
    (folder / "qrels.txt").write_text("".join(judged), encoding="utf-8")
    for name in ("run.a", "run.<script>alert(1)</script>".replace("/", "$"), "run.c"):
        lines = [
            f"q{query} Q0 d{passage} 1 {random.random():.6f} t\n"
            for query in range(QUERIES - (name == "run.c"))
            for passage in random.choice(PASSAGES, 25, replace=False)
        ]
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder

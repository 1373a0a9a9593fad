from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.docids import Docids
from i3_pyserini.formats.hits import Hits
from i3_pyserini.formats.run_file import strictly_descending, write_run
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.steps import best_passages, without_query


def hits(scores: list[list[float]], rows: list[list[int]]) -> Hits:
    return Hits(np.array(scores, dtype=np.float32), np.array(rows, dtype=np.int64))


def test_trec_run(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    found = hits([[2.5, 1, -np.inf], [1e-7, -3, -4]], [[1, 0, -1], [2, 1, 0]])
    write_run(path, ["q1", "q2"], found, ["a", "b", "ü"], tag="mine")
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line[:4] for line in lines] == [
        ["q1", "Q0", "b", "1"],
        ["q1", "Q0", "a", "2"],
        ["q2", "Q0", "ü", "1"],
        ["q2", "Q0", "b", "2"],
        ["q2", "Q0", "a", "3"],
    ]
    assert [float(line[4]) for line in lines] == [2.5, 1.0, 1e-7, -3.0, -4.0]
    assert {line[5] for line in lines} == {"mine"}


def test_msmarco_run(tmp_path: Path) -> None:
    path = tmp_path / "run.tsv"
    write_run(path, ["7"], hits([[2, 1]], [[1, 0]]), ["a", "b"], form="msmarco")
    assert path.read_text(encoding="utf-8") == "7\tb\t1\n7\ta\t2\n"


def test_a_run_is_not_replaced_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    path.write_text("older", encoding="utf-8")
    with pytest.raises(I3Error, match="exists"):
        write_run(path, ["7"], hits([[2]], [[0]]), ["a"])
    assert path.read_text(encoding="utf-8") == "older"
    write_run(path, ["7"], hits([[2]], [[0]]), ["a"], overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("7 Q0 a 1 2.0")


@given(
    st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False), min_size=1, max_size=30
    ).flatmap(lambda scores: st.permutations(scores + scores[:3]))
)
def test_scores_fall_strictly_in_single_precision(values: list[float]) -> None:
    scores = -np.sort(-np.array([values], dtype=np.float32), axis=1)
    falling = strictly_descending(scores)
    assert (np.diff(falling, axis=1) < 0).all()
    assert (falling <= scores).all()
    np.testing.assert_allclose(falling, scores, rtol=1e-5, atol=1e-5)


def test_equal_scores_are_no_ties_for_evaluators(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    write_run(path, ["q"], hits([[0.5] * 50], [list(range(50))]), [f"d{n}" for n in range(50)])
    run = read_run(path)
    assert run.warnings == []
    assert list(run.frame["doc_id"]) == [f"d{n}" for n in range(50)]


def test_without_query() -> None:
    docids = Docids(pl.Series(["a", "b", "c"]))
    found = without_query(
        hits([[3, 2, 1], [3, 2, -np.inf]], [[0, 1, 2], [2, 1, -1]]), ["b", "x"], docids
    )
    assert found.rows.tolist() == [[0, 2, -1], [2, 1, -1]]
    assert found.scores.tolist() == [[3, 1, -np.inf], [3, 2, -np.inf]]


def test_best_passages() -> None:
    docids = Docids(pl.Series(["x#0", "y#0", "x#1", "z#0", "y#1"]))
    found, documents = best_passages(
        hits(
            [[5, 4, 3, 2, 1], [2, 1, -np.inf, -np.inf, -np.inf]],
            [[2, 1, 0, 3, 4], [4, 1, -1, -1, -1]],
        ),
        docids,
        "#",
        2,
    )
    named = [[documents[row] for row in rows if row >= 0] for rows in found.rows.tolist()]
    assert named == [["x", "y"], ["y"]]
    assert found.scores.tolist() == [[5, 4], [2, -np.inf]]

"""Runs that are read in blocks: the same results as of the whole, whatever is in the file."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.judged import evaluate_judged
from i3_pyserini.formats import run_blocks
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import judgements_of
from i3_pyserini.formats.run_blocks import RunFile
from i3_pyserini.formats.runs import Run, read_run
from tests.formats.compressed import COMPRESS

SMALL = 300  # bytes of a block: some ten lines
MEASURES = choose_measures(["nDCG@10", "RR@10", "R@1000", "AP", "Judged@10"])[0]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_blocks, "BLOCK", SMALL)


def lines(queries: int = 20, hits: int = 15, seed: int = 1) -> list[str]:
    """Runs of different lengths, some of them unsorted, with ties."""
    made = np.random.default_rng(seed)
    found = []
    for query in range(queries):
        docids = made.permutation(50)[: made.integers(1, hits, endpoint=True)]
        scores = made.choice([1, 2, 2.5, 3, 4, 5], len(docids))
        for docid, score in zip(docids, scores, strict=True):
            found.append(f"q{query * 7} Q0 d{docid} 1 {score} t")
    return found


QRELS = judgements_of(
    [(f"q{query * 7}", f"d{docid}", docid % 3) for query in range(22) for docid in range(0, 50, 6)],
    "qrels",
    "row",
    "refuse",
).table.select("query_id", "doc_id", "relevance")


def same_as_whole(path: Path, judged_only: bool = False) -> int:
    """Compares the evaluation of blocks with that of the whole; returns the number of blocks."""
    file = RunFile(path)
    found = evaluate_judged(QRELS, file, MEASURES, judged_only)
    expected = evaluate_judged(QRELS, read_run(path), MEASURES, judged_only)
    assert found.means == expected.means
    assert found.queries == expected.queries
    assert found.per_query.equals(expected.per_query)
    assert found.warnings == expected.warnings
    assert found.run == expected.run
    return len(file.each(lambda part: part.name))


@pytest.mark.parametrize("judged_only", [False, True])
@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_blocks_give_the_values_of_the_whole(
    tmp_path: Path, compression: str, separator: str, end: str, judged_only: bool
) -> None:
    path = tmp_path / "run.txt"
    text = ("\n".join(lines()) + end).replace(" ", separator)
    path.write_bytes(COMPRESS[compression](text.encode()))
    assert same_as_whole(path, judged_only) > 5


def test_ms_marco_form(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    rows = [line.split() for line in lines()]
    path.write_text("".join(f"{row[0]}\t{row[2]}\t{n}\n" for n, row in enumerate(rows, start=1)))
    assert same_as_whole(path) > 5


ODD = {
    "a query in two places": lambda rows: [*rows, rows[0].replace(" d", " x")],
    "a blank line": lambda rows: [*rows[:90], "", *rows[90:]],
    "doubled blanks": lambda rows: [*rows[:90], rows[90].replace(" Q0", "  Q0"), *rows[91:]],
    "a header": lambda rows: ["qid Q0 docno rank score tag", *rows],
    "metadata": lambda rows: ["# ir_metadata.start", "# tag: x", "# ir_metadata.end", *rows],
}


@pytest.mark.parametrize("kind", ODD)
def test_unusual_files_are_read_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.txt"
    path.write_text("\n".join(ODD[kind](lines())))
    assert same_as_whole(path) == 1


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("q700 Q0 d1 1", "line 91: 4 columns"),
        ("q700 Q0 d1 1 nan t", "line 91: score 'nan' is not a finite number"),
        ("q700 Q0 d1 1 2 t\nq700 Q0 d1 2 1 t", "line 92: passage 'd1' is ranked a second time"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, bad: str, said: str) -> None:
    path = tmp_path / "run.txt"
    rows = lines()
    path.write_text("\n".join([*rows[:90], bad, *rows[90:]]))
    with pytest.raises(I3Error, match=said):
        evaluate_judged(QRELS, RunFile(path), MEASURES)


def test_a_compressed_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "run.gz"
    whole = COMPRESS["gzip"]("\n".join(lines(400)).encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(I3Error, match=r"run\.gz: the compressed content is damaged or truncated"):
        RunFile(path).each(lambda part: part.name)


def test_a_pipe_is_read_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_text, "\n".join(lines()))
        found = evaluate_judged(QRELS, RunFile(pipe), MEASURES)
    (tmp_path / "run").write_text("\n".join(lines()))
    assert found.means == evaluate_judged(QRELS, read_run(tmp_path / "run"), MEASURES).means


def test_a_query_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "run.txt"
    long = [f"q7 Q0 d{n} 1 {-n} t" for n in range(200)]
    path.write_text("\n".join([*long, *(line for line in lines() if not line.startswith("q7 "))]))
    assert same_as_whole(path) > 5


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["q", "q1", "q11", "1"]), st.integers(1, 40)),
        unique_by=lambda pair: pair[0],
        min_size=1,
    )
)
def test_every_line_is_in_one_block_with_its_query(queries: list[tuple[str, int]]) -> None:
    import tempfile

    rows = [(query, f"q{n}") for query, hits in queries for n in range(hits)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        path.write_text("".join(f"{query} Q0 {docid} 1 1 t\n" for query, docid in rows))
        parts = RunFile(path).each(lambda part: part.lines.rows())
    assert [row[:2] for part in parts for row in part] == rows
    whose = [{row[0] for row in part} for part in parts]
    assert sum(map(len, whose)) == len(queries)


def test_metadata_is_read_once_and_noted_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.txt"
    (tmp_path / "run.txt.ir_metadata.yaml").write_text("tag: x\n")
    path.write_text("\n".join(["q Q0 a 1 1 t", *lines(), "q Q0 b 1 1 t"]))
    file = RunFile(path, "name")
    assert len(file.each(lambda part: part)) == 1
    run: Run = file.whole()
    assert (run.name, run.metadata, file.metadata) == ("name", None, None)
    assert capfd.readouterr().err.count("ignored") == 1

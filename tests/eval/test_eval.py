import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import Evaluation, evaluate_run
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run

QRELS = "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\nq3 0 d 1\n"
RUN = "q1 Q0 b 1 3.0 t\nq1 Q0 a 2 2.0 t\nq2 Q0 c 1 9 t\nq4 Q0 a 1 1 t\n"


def scores(tmp_path: Path, run: str | bytes, *measures: str, qrels: str = QRELS) -> Evaluation:
    (tmp_path / "qrels.txt").write_text(qrels, encoding="utf-8")
    path = tmp_path / ("run.gz" if isinstance(run, bytes) else "run.txt")
    path.write_bytes(run if isinstance(run, bytes) else run.encode())
    chosen, _ = choose_measures(measures or ("RR@10", "R@1000"))
    return evaluate_run(read_qrels(str(tmp_path / "qrels.txt")), read_run(path), chosen)


def test_missing_queries_count_as_zero_and_are_reported(tmp_path: Path) -> None:
    evaluation = scores(tmp_path, RUN)
    assert evaluation.means == pytest.approx({"RR@10": 0.5, "R@1000": 2 / 3})
    assert evaluation.warnings == [
        "1 query missing, counted as zero (q3)",
        "1 query not in the qrels, ignored (q4)",
    ]
    table = evaluation.per_query.set_index(["query_id", "measure"])["value"]
    assert table["q1", "RR@10"] == 0.5
    assert table["q3", "RR@10"] == 0.0


def test_gzip_and_ms_marco_format(tmp_path: Path) -> None:
    plain = scores(tmp_path, RUN).means
    assert scores(tmp_path, gzip.compress(RUN.encode())).means == plain
    assert scores(tmp_path, "q1\tb\t1\nq1\ta\t2\nq2\tc\t1\n").means == plain


def test_ties_are_ranked_by_docid_for_every_measure(tmp_path: Path) -> None:
    """trec_eval's rule, falling docids; the relevant passage is second for each provider."""
    run = "q1 Q0 a 1 1.0 t\nq1 Q0 b 2 1.0 t\n"
    evaluation = scores(tmp_path, run, "RR@10", "RR", "P@1", qrels="q1 0 a 1\n")
    assert evaluation.means == {"RR@10": 0.5, "RR": 0.5, "P@1": 0.0}
    assert evaluation.warnings == [
        "1 passages tie with one above them: ordered by docid, descending"
    ]


def test_unsorted_lines_are_ranked_by_score(tmp_path: Path) -> None:
    run = "q1 Q0 b 1 1.0 t\nq1 Q0 a 2 2.0 t\n"
    evaluation = scores(tmp_path, run, qrels="q1 0 a 1\n")
    assert evaluation.means["RR@10"] == 1.0
    assert "not in the order of their scores" in evaluation.warnings[0]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("", "run.txt: empty; expected a run"),
        ("q1 a\n", r"line 1: 2 column\(s\): 'q1 a'; a run has 6 .* or 3"),
        ("q1 Q0 a 1 nan t\n", "line 1: score 'nan' is not a finite number"),
        ("q1 Q0 a 1 9 t\nq1 Q0 b 2 inf t\n", "line 2: score 'inf' is not a finite"),
        ("q1 Q0 a 1 9 t\nq1 Q0 a 2 8 t\n", "line 2: passage 'a' is ranked a second time"),
        (
            "q1 Q0 a 1 9 t\nq1 Q0 b 2 8 t extra\n",
            r"line 2: 7 columns: 'q1 Q0 b 2 8 t extra'; this run has 6",
        ),
        (
            "q1 Q0 a 1 9 t\nq1 Q0 b 2\n",
            r"line 2: 4 columns: 'q1 Q0 b 2'; this run has 6 \(query_id q0 doc_id",
        ),
        ("q9 Q0 a 1 9 t\n", "none of its 1 queries is among the 3 of the qrels"),
    ],
)
def test_bad_runs(tmp_path: Path, run: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        scores(tmp_path, run)


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("q1 0 a x\n", "line 1: relevance 'x' is not a finite number"),
        (
            "q1 0 a 1\nq1 0 a 0\n",
            "line 2: passage 'a' has relevance 0 .* 1 in line 1",
        ),
        ("q1 a 1\n", r"3 column\(s\).*a qrels file has 4"),
    ],
)
def test_bad_qrels(tmp_path: Path, qrels: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        scores(tmp_path, RUN, qrels=qrels)


def test_measures() -> None:
    measures, note = choose_measures(["trec-dl-2019", "nDCG@10"])
    names = ["nDCG@10", "AP(rel=2)", "RR(rel=2)", "R(rel=2)@1000"]
    assert [str(measure) for measure in measures] == names
    assert "levels of 2 and above" in note
    strange = ("R", "P", "R(foo=1)@10", "nDCG@10.0", "nDCG(gains=3)@10", 'nDCG(gains={"a":1})@10')
    for wrong in ("nonsense", "nDCG@", "__import__('os')", *strange):
        with pytest.raises(I3Error, match="neither a preset"):
            choose_measures([wrong])
    with pytest.raises(I3Error, match="a cutoff is at least 1"):
        choose_measures(["P@0"])


def test_what_other_providers_cannot_compute(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"run\.txt: ir-measures cannot compute Accuracy"):
        scores(tmp_path, "q1 Q0 a 1 1 t\n", "Accuracy", qrels="q1 0 a 1\n")


@pytest.mark.parametrize("ids", [("q1", "q2"), ("a-1", "b-1"), ("1", "x-1"), ("Q#ü", "2")])
def test_query_ids_may_be_any_words_for_every_measure(tmp_path: Path, ids: tuple[str, str]) -> None:
    """gdeval (`ERR@k`) takes numbers only, and what stands before a `-` for nothing."""

    def values(first: str, second: str) -> dict[str, float]:
        run = f"{first} Q0 a 1 1 t\n{second} Q0 b 1 2 t\n{second} Q0 c 2 1 t\n"
        qrels = f"{first} 0 a 2\n{second} 0 c 1\n{second} 0 b -1\n"
        return scores(tmp_path, run, "ERR@2", "infAP", qrels=qrels).means

    assert values(*ids) == values("7", "8")
    assert values(*ids)["ERR@2"] > 0


def test_queries_of_which_a_measure_says_nothing(tmp_path: Path) -> None:
    """Accuracy needs a relevant passage in the run; the others do not count, as in ir-measures."""
    run = "q1 Q0 a 1 2 t\nq1 Q0 b 2 1 t\nq2 Q0 x 1 1 t\nq2 Q0 y 2 0 t\n"
    evaluation = scores(tmp_path, run, "Accuracy", qrels="q1 0 a 1\nq2 0 c 1\n")
    assert evaluation.means == {"Accuracy": 1.0}


def test_runs_that_were_cut_off_are_told(tmp_path: Path) -> None:
    run = "".join(f"q{q} Q0 d{n} 1 {-n} t\n" for q in (1, 2, 3) for n in range(20))
    told = scores(tmp_path, run, "R@10", "R@20", "R@100", "AP").warnings
    assert "ends at 20 passages per query, which limits R@100" in told
    assert not any("ends at" in note for note in scores(tmp_path, run, "R@20").warnings)


def test_passages_of_another_collection_are_told(tmp_path: Path) -> None:
    told = scores(tmp_path, "q1 Q0 D1 1 1 t\n").warnings
    assert any("ranks no judged passages" in line for line in told)


def test_unknown_qrels() -> None:
    with pytest.raises(I3Error, match=r"neither a file nor|pip install ir_datasets"):
        read_qrels("no-such-qrels")
    with pytest.raises(I3Error, match="did you mean trec-dl-2019"):
        read_qrels("trec-dl-19")
    with pytest.raises(I3Error, match="beir is for several collections"):
        read_qrels("beir")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.floats(-5, 5)), min_size=1))
def test_means_are_those_of_plain_ir_measures(rows: list[tuple[int, int, float]]) -> None:
    """On a run without ties ir-measures alone gives the same."""
    import tempfile

    import ir_measures

    unique = {(query, passage): score for query, passage, score in rows}
    single = {(query, float(np.float32(score))) for (query, _), score in unique.items()}
    if len(single) < len(unique):  # ties in trec_eval; some of ir-measures' providers see none
        return
    lines = [f"q{query} Q0 d{passage} 0 {score!r} t" for (query, passage), score in unique.items()]
    qrels = [ir_measures.Qrel(f"q{query}", f"d{query}", 1) for query in range(4)]
    run = [ir_measures.ScoredDoc(f"q{q}", f"d{p}", s) for (q, p), s in unique.items()]
    measures, _ = choose_measures(["RR@10", "nDCG@10", "R@5", "AP"])
    with tempfile.TemporaryDirectory() as folder:
        ours = scores(
            Path(folder),
            "\n".join(lines),
            "RR@10",
            "nDCG@10",
            "R@5",
            "AP",
            qrels="".join(f"{q.query_id} 0 {q.doc_id} {q.relevance}\n" for q in qrels),
        )
    for measure, value in ir_measures.calc_aggregate(measures, qrels, run).items():
        assert ours.means[str(measure)] == pytest.approx(value, abs=1e-9)


def test_scores_that_single_precision_cannot_tell_apart_are_ties(tmp_path: Path) -> None:
    """As in trec_eval, where docids decide in falling order."""
    import pytrec_eval

    run = {"q": {"d0": 1.00000001, "d1": 1.0}}
    lines = "q Q0 d0 1 1.00000001 t\nq Q0 d1 2 1.0 t"
    reference = pytrec_eval.RelevanceEvaluator({"q": {"d0": 1}}, {"recip_rank"}).evaluate(run)
    assert reference["q"]["recip_rank"] == 0.5
    assert scores(tmp_path, lines, "RR", qrels="q 0 d0 1\n").means["RR"] == 0.5


def test_command(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text(QRELS, encoding="utf-8")
    (tmp_path / "run").write_text(RUN, encoding="utf-8")
    command = ("i3_pyserini.eval", tmp_path / "qrels", tmp_path / "run", "--measures", "RR@10")
    done = run_module(*command, check=True)
    assert done.stdout.split() == ["run", "RR@10", "Judged@10", "run", "0.5000", "0.6667"]
    assert "note: run: 1 query missing, counted as zero (q3)" in done.stderr
    result = json.loads(run_module(*command, "--json", "--per-query", check=True).stdout)
    assert result["queries"] == 3
    assert result["runs"][0]["measures"] == {"RR@10": 0.5}
    assert {row["query_id"] for row in result["runs"][0]["per_query"]} == {"q1", "q2", "q3"}
    rows = run_module(*command, "--csv", check=True).stdout.splitlines()
    assert rows == ["run,RR@10,Judged@10", f"run,0.5,{2 / 3}"]
    lines = run_module(*command, "--per-query", check=True).stdout.splitlines()
    assert lines[1:] == ["run\tq1\tRR@10\t0.5", "run\tq2\tRR@10\t1.0", "run\tq3\tRR@10\t0.0"]
    done = run_module("i3_pyserini.eval", tmp_path / "qrels", tmp_path / "none")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_the_table_names_the_collection_of_the_index(run_module: Any, tmp_path: Path) -> None:
    index, data = tmp_path / "index", tmp_path / "data"
    for folder, manifest in (
        (index, {"corpus": {"name": "msmarco-passage-titled", "path": "x"}, "passages": 12}),
        (data, {"dataset": "msmarco-passage", "files": {}}),
    ):
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / "qrels.txt").write_text(QRELS, encoding="utf-8")
    (tmp_path / "run.txt").write_text(RUN, encoding="utf-8")
    given = (tmp_path / "qrels.txt", tmp_path / "run.txt", "--measures", "RR@10")
    plain = run_module("i3_pyserini.eval", *given, "--index", index, check=True).stdout
    assert plain.splitlines()[0] == "collection: msmarco-passage-titled (12 passages)"
    csv = run_module("i3_pyserini.eval", *given, "--csv", "--index", index, check=True).stdout
    assert csv.splitlines() == [
        "run,RR@10,Judged@10,collection",
        f"run.txt,0.5,{2 / 3},msmarco-passage-titled (12 passages)",
    ]
    wrong = run_module("i3_pyserini.eval", *given, "--index", data)
    assert wrong.returncode == 2
    assert "not an index of this package" in wrong.stderr
    assert "Traceback" not in wrong.stderr

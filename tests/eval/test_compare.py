"""Comparison of runs: against formulas written out, and SciPy's paired functions."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.compare import Difference, compare
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.eval.groups import by_length
from i3_pyserini.eval.tables import Table

RANDOM = np.random.default_rng(5)


def evaluation(run: str, *values: float) -> Evaluation:
    queries = [f"q{number:02}" for number in range(len(values))]
    return Evaluation(run, queries, {"nDCG@10": np.array(values, dtype=float)}, [])


def test_differences() -> None:
    base, other = RANDOM.random(12), RANDOM.random(12)
    other[3] = base[3]
    (found,) = compare(evaluation("base", *base), [evaluation("other", *other)])
    differences = other - base
    assert (found.run, found.measure, found.queries) == ("other", "nDCG@10", 12)
    assert (found.mean, found.baseline_mean) == pytest.approx((other.mean(), base.mean()))
    assert found.delta == pytest.approx(differences.mean())
    assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert found.t_test == pytest.approx(stats.ttest_rel(other, base).pvalue)
    assert (found.wins, found.ties, found.losses) == (
        (differences > 0).sum(),
        1,
        (differences < 0).sum(),
    )
    # All 2^12 assignments of signs, which the test enumerates when they are so few.
    signs = np.array(list(itertools.product((1, -1), repeat=12)))
    exact = (np.abs((signs * differences).mean(axis=1)) >= abs(found.delta) - 1e-12).mean()
    assert found.randomisation == pytest.approx(exact, abs=1e-9)
    # The interval of the mean by the normal distribution is near that of the bootstrap.
    normal = stats.norm.interval(0.95, differences.mean(), stats.sem(differences))
    assert (found.low, found.high) == pytest.approx(normal, abs=0.05)


def test_holm_corrects_by_the_number_of_runs() -> None:
    base = RANDOM.random(30)
    runs = [evaluation(f"r{n}", *(base + RANDOM.normal(n / 40, 0.1, 30))) for n in range(4)]
    found = compare(evaluation("base", *base), runs)
    for raw, corrected in (("t_test", "t_test_holm"), ("randomisation", "randomisation_holm")):
        order = sorted(found, key=lambda one: float(getattr(one, raw)))
        highest = 0.0
        for place, one in enumerate(order):  # Holm (1979), step by step
            highest = max(highest, min(1.0, getattr(one, raw) * (len(order) - place)))
            assert getattr(one, corrected) == pytest.approx(highest)


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.25, 0.25)])
def test_constant_differences_have_no_t_test(shift: float, p: float) -> None:
    """Of 8 assignments of signs two have all three alike."""
    base = np.array([0.25, 0.5, 0.75])
    (found,) = compare(evaluation("base", *base), [evaluation("other", *(base + shift))])
    assert (found.low, found.delta, found.high) == pytest.approx((shift, shift, shift))
    assert (found.randomisation, found.randomisation_holm) == (p, p)
    assert np.isnan([found.t_test, found.t_test_holm, found.effect]).all()
    assert found.ties == (0 if shift else 3)


def test_queries_without_a_value_are_left_out() -> None:
    base, other = (
        evaluation("base", 0.5, np.nan, 0.25, 1.0),
        evaluation("other", 1.0, 1.0, 0.5, 0.0),
    )
    (found,) = compare(base, [other])
    assert (found.queries, found.wins, found.losses) == (3, 2, 1)
    assert found.mean == pytest.approx(0.5)
    (nothing,) = compare(evaluation("base", np.nan, np.nan, 1.0), [evaluation("other", 0, 0, 1)])
    assert np.isnan([nothing.delta, nothing.randomisation, nothing.randomisation_holm]).all()


def test_the_same_twice() -> None:
    base, other = evaluation("base", *RANDOM.random(50)), evaluation("other", *RANDOM.random(50))
    assert compare(base, [other]) == compare(base, [other])


def test_one_query_is_too_few() -> None:
    with pytest.raises(I3Error, match="1 query is too few"):
        compare(evaluation("base", 1.0), [evaluation("other", 0.0)])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Qrels of four queries and two runs; the second is better for q2 and q3."""
    (tmp_path / "qrels.txt").write_text(
        "q1 0 a 1\nq2 0 b 1\nq3 0 c 2\nq4 0 d 1\nq4 0 a 1\n", encoding="utf-8"
    )
    first = {"q1": "ab", "q2": "ab", "q3": "xc", "q4": "xa"}
    second = {"q1": "ab", "q2": "ba", "q3": "cx", "q4": "xa"}
    for name, hits in (("a_b", first), ("c", second)):
        lines = [
            f"{query} Q0 {docid} {rank} {-rank} t\n"
            for query, docids in hits.items()
            for rank, docid in enumerate(docids, start=1)
        ]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    (tmp_path / "topics.tsv").write_text(
        "q1\tone\nq2\tone two\nq3\ta b c d\nq4\ta b c d e f g\n", encoding="utf-8"
    )
    (tmp_path / "groups").write_text(
        "q1\teasy\nq2\tvery hard\nq2\tvery hard\nq3\tvery hard\nq1 both\nq2 both\n",
        encoding="utf-8",
    )
    return tmp_path


def run_eval(run_module: Any, files: Path, *arguments: str, code: int = 0) -> str:
    done = run_module(
        *("i3_pyserini.eval", files / "qrels.txt", files / "a_b", files / "c"),
        *("--measures", "RR@10", *(str(files / a[1:]) if a[0] == "@" else a for a in arguments)),
    )
    assert done.returncode == code, done.stderr
    return str(done.stderr if code else done.stdout)


@pytest.mark.slow
def test_styles(run_module: Any, files: Path) -> None:
    """Each has the means and the comparison, in its own notation."""
    baseline = ("--baseline", "@a_b")
    text = run_eval(run_module, files, *baseline)
    assert "against a_b, 4 queries" in text
    assert text.splitlines()[-1].split()[-1] == "2/2/0"
    markdown = run_eval(run_module, files, *baseline, "--markdown")
    assert "| c     |  0.8750 |" in markdown
    latex = run_eval(run_module, files, *baseline, "--latex")
    assert r"a\_b" in latex and r"$\Delta$" in latex and r"\toprule" in latex
    header, row = run_eval(run_module, files, *baseline, "--csv").splitlines()
    fields = dict(zip(header.split(","), row.split(","), strict=True))
    assert list(fields) == list(Difference.__dataclass_fields__)
    assert (fields["run"], fields["delta"], fields["wins"]) == ("c", "0.25", "2")
    found = json.loads(run_eval(run_module, files, *baseline, "--json"))
    assert found["comparison"][0]["delta"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("--group-by", "length", "--topics", "@topics.tsv"),
            {"up to 3 words": ["q1", "q2"], "4-5 words": ["q3"], "6-8 words": ["q4"]},
        ),
        (
            ("--group-by", "relevants"),
            {
                "up to 1 passages with relevance 1 or higher": ["q1", "q2", "q3"],
                "2-4 passages with relevance 1 or higher": ["q4"],
            },
        ),
        (
            ("--group-by", "bm25", "--bm25", "@a_b"),
            {"first relevant of a_b: 1-10": ["q1", "q2", "q3", "q4"]},
        ),
        (
            ("--group-by", "@groups"),
            {"easy": ["q1"], "very hard": ["q2", "q3"], "both": ["q1", "q2"]},
        ),
    ],
)
def test_groups(
    run_module: Any, files: Path, arguments: tuple[str, ...], expected: dict[str, list[str]]
) -> None:
    found = json.loads(run_eval(run_module, files, *arguments, "--json", "--per-query"))
    groups = {group["group"]: group for group in found["groups"]}
    for name, queries in expected.items():
        run = groups.pop(name)["runs"][1]
        values = {row["query_id"]: row["value"] for row in run["per_query"]}
        assert sorted(values) == queries
        assert run["measures"]["RR@10"] == pytest.approx(np.mean(list(values.values())))
    assert not groups


def test_what_a_groups_file_leaves_out(run_module: Any, files: Path) -> None:
    (files / "some").write_text("q1 a\nq9 a\nq2 b\n", encoding="utf-8")
    done = run_module(
        *("i3_pyserini.eval", files / "qrels.txt", files / "a_b", "--measures", "RR@10"),
        *("--group-by", files / "some", "--json"),
        check=True,
    )
    found = json.loads(done.stdout)
    assert [group["queries"] for group in found["groups"]] == [1, 1]
    lacks, rest = (note.split(": ")[1] for note in found["notes"][-2:])
    assert lacks == "1 queries are not in the qrels, ignored"
    assert rest == "2 of the qrels' queries are in no group"


def test_names_in_markdown() -> None:
    line = Table(["run"], [["a|b"]]).markdown().splitlines()[-1]
    assert r"a\|b" in line


def test_groups_in_a_csv(run_module: Any, files: Path) -> None:
    lines = run_eval(run_module, files, "--group-by", "@groups", "--csv").splitlines()
    assert lines[0] == "group,queries,run,RR@10,Judged@10"
    assert [line.rpartition(",")[0] for line in lines[1:]] == [
        *("all,4,a_b,0.625", "all,4,c,0.875", "easy,1,a_b,1.0", "easy,1,c,1.0"),
        *("very hard,2,a_b,0.5", "very hard,2,c,1.0", "both,2,a_b,0.75", "both,2,c,1.0"),
    ]


@pytest.mark.slow
def test_a_group_of_one_query_in_a_comparison(run_module: Any, files: Path) -> None:
    """It has no comparison, and the others keep theirs, in every style."""
    given = ("--group-by", "@groups", "--baseline", "@a_b")
    header, *rows = run_eval(run_module, files, *given, "--csv").splitlines()
    assert [row.split(",")[0] for row in rows] == ["all", "very hard", "both"]
    assert {len(row.split(",")) for row in rows} == {len(header.split(","))}
    found = json.loads(run_eval(run_module, files, *given, "--json"))
    easy, hard, _ = found["groups"]
    assert "comparison" not in easy
    assert hard["comparison"][0]["t_test"] is None  # both queries gain a half
    assert hard["comparison"][0]["randomisation"] == 0.5
    assert hard["comparison"][0]["baseline"] == "a_b"


@pytest.mark.slow
def test_the_baseline_may_be_named_in_any_way(run_module: Any, files: Path) -> None:
    (files / "sub").mkdir()
    for name in ("a_b", str(files / "sub" / ".." / "a_b"), str(files / "a_b")):
        found = json.loads(run_eval(run_module, files, "--baseline", name, "--json"))
        assert [run["run"] for run in found["runs"]] == ["a_b", "c"]
        assert len(found["comparison"]) == 1


def test_runs_of_one_name_are_called_by_their_paths(run_module: Any, files: Path) -> None:
    (files / "sub").mkdir(exist_ok=True)
    (files / "sub" / "c").write_text((files / "a_b").read_text(encoding="utf-8"), encoding="utf-8")
    done = run_module(
        *("i3_pyserini.eval", files / "qrels.txt", files / "c", files / "sub" / "c", "--csv"),
        *("--measures", "nDCG(gains={1:1,2:3})@10", "--per-query"),
        check=True,
    )
    header, *rows = csv.reader(done.stdout.splitlines())
    assert {len(row) for row in rows} == {len(header)}
    assert {row[0] for row in rows} == {str(files / "c"), str(files / "sub" / "c")}


def test_queries_without_a_topic_are_in_no_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    qrels = pl.DataFrame({"query_id": ["q1", "q2"], "doc_id": ["d", "d"], "relevance": [1, 1]})
    assert by_length(qrels, {"q1": "one two", "q3": "x"}) == {"up to 3 words": ["q1"]}
    assert "1 of 2 judged queries is not in the topics" in capsys.readouterr().err
    with pytest.raises(I3Error, match="none of the qrels' queries has a topic"):
        by_length(qrels, {"q3": "x"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--group-by", "length"), "group_by length requires topics"),
        (("--group-by", "words"), "group_by words: expected length"),
        (("--topics", "@topics.tsv"), "topics requires group_by length"),
        (("--group-by", "length", "--topics", "@one"), "no tab"),
        (("--group-by", "@one"), "one, line 1: 'q1'; expected a query id and a group"),
        (("--group-by", "bm25", "--bm25", "@strange"), "strange: has no query of the qrels"),
        (("--per-query", "--latex"), "CSV or JSON"),
        (("--group-by", "@more"), "more: has no query of the qrels"),
        (("--group-by", "@many"), "many: 60 groups; is this a file of query ids and groups?"),
        (("--measures", "ndcg@10"), "did you mean nDCG@10?"),
        (("--measures", "nDCG@10,R@100"), "separate measures by blanks"),
        (("--baseline", "@none"), "none: neither a file nor one of the runs"),
        (("--per-query", "--baseline", "@c", "--csv"), "use JSON"),
    ],
)
def test_mistakes(run_module: Any, files: Path, arguments: tuple[str, ...], said: str) -> None:
    (files / "more").write_text("q8 a\nq9 a\n", encoding="utf-8")
    (files / "many").write_text(
        "".join(f"q1 g{number}\n" for number in range(60)), encoding="utf-8"
    )
    (files / "one").write_text("q1\n", encoding="utf-8")
    (files / "strange").write_text("q8 Q0 a 1 1 t\n", encoding="utf-8")
    told = run_eval(run_module, files, *arguments, code=2).splitlines()
    assert said in told[-1]
    assert told[-1].startswith("error: ")

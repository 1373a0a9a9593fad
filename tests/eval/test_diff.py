"""Two runs, query by query and passage by passage."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import ir_measures
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.eval.diff_page import as_json, as_markdown, as_text
from i3_pyserini.eval.diff_texts import LENGTH, one_line
from i3_pyserini.eval.diffing import Choice, diff
from i3_pyserini.formats.runs import Run

RunModule = Callable[..., CompletedProcess[str]]
Ranking = dict[str, list[str]]

QRELS = "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\nq3 0 d 1\n"
RUN_A = "q1 Q0 a 1 3 t\nq1 Q0 b 2 2 t\nq1 Q0 x 3 1 t\nq2 Q0 y 1 9 t\nq2 Q0 c 2 8 t\n"
RUN_B = "q1 Q0 x 1 3 t\nq1 Q0 a 2 2 t\nq2 Q0 c 1 9 t\n"
TOPICS = "q1\thow long to boil an egg\nq3\t| *hot* water\nq9\tunasked\n"
TEXTS = {
    "a": {"title": "Eggs", "text": "boil\nin \x1b[31mwater " + "egg " * 40},
    "b": {"title": "b", "text": "cold water"},
    "c": {"title": "", "text": "a | b <b>"},
    "x": {"text": "plant"},
    "y": {"text": "light"},
}


def ranked(name: str, ranking: Ranking) -> Run:
    rows = [(query, passage) for query, passages in ranking.items() for passage in passages]
    scores = [-float(row) for row in range(len(rows))]
    frame = pd.DataFrame(rows, columns=["query_id", "doc_id"]).assign(score=scores)
    return Run.of(name, frame)


def judgements(levels: dict[tuple[str, str], int]) -> pl.DataFrame:
    rows = [(query, passage, level) for (query, passage), level in levels.items()]
    return pl.DataFrame(rows, schema=["query_id", "doc_id", "relevance"], orient="row")


def dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


QUERIES, PASSAGES = [f"q{n}" for n in range(5)], [f"d{n}" for n in range(7)]
RANKINGS = st.dictionaries(
    st.sampled_from([*QUERIES, "extra"]),
    st.lists(st.sampled_from(PASSAGES), unique=True, min_size=1),
    min_size=1,
)
LEVELS = st.dictionaries(
    st.tuples(st.sampled_from(QUERIES), st.sampled_from(PASSAGES)), st.integers(0, 3), min_size=1
)


@settings(deadline=None, max_examples=100)
@given(LEVELS, RANKINGS, RANKINGS, st.integers(1, 4), st.integers(1, 5))
def test_a_naive_computation_says_the_same(
    levels: dict[tuple[str, str], int], a: Ranking, b: Ranking, shown: int, depth: int
) -> None:
    queries = sorted({query for query, _ in levels})
    if not set(queries) & set(a) or not set(queries) & set(b):
        return  # refused, see below

    def ndcg(ranking: Ranking, query: str) -> float:
        best = sorted((level for (one, _), level in levels.items() if one == query), reverse=True)
        gains = [levels.get((query, passage), 0) for passage in ranking.get(query, [])]
        return dcg(gains[:3]) / dcg(best[:3]) if dcg(best[:3]) else 0.0

    def judged(ranking: Ranking, query: str) -> float:
        top = ranking.get(query, [])[:depth]
        return sum((query, passage) in levels for passage in top) / max(len(top), 1)

    def rank(ranking: Ranking, query: str, passage: str) -> int | None:
        passages = ranking.get(query, [])
        return passages.index(passage) + 1 if passage in passages else None

    change = {query: round(ndcg(b, query) - ndcg(a, query), 9) for query in queries}
    runs = (ranked("A", a), ranked("B", b))
    choice = Choice(ir_measures.nDCG @ 3, shown, depth)
    found = diff(judgements(levels), runs, choice, {queries[0]: "text"})
    for listed, sign in ((found.lost, -1), (found.gained, 1)):
        expected = sorted(
            (query for query in queries if change[query] * sign > 0),
            key=lambda query: (-abs(change[query]), query),
        )
        assert [one.query_id for one in listed] == expected[:shown]
        for one in listed:
            query = one.query_id
            assert one.change == pytest.approx(change[query])
            assert one.value_a == pytest.approx(ndcg(a, query))
            assert one.value_b == pytest.approx(ndcg(b, query))
            assert one.judged_a == pytest.approx(judged(a, query))
            assert one.judged_b == pytest.approx(judged(b, query))
            assert one.text == ("text" if query == queries[0] else None)
            union = {*a.get(query, [])[:depth], *b.get(query, [])[:depth]}
            assert {moved.passage for moved in one.passages} == union
            assert len(one.passages) == len(union)
            for moved in one.passages:
                assert moved.rank_a == rank(a, query, moved.passage)
                assert moved.rank_b == rank(b, query, moved.passage)
                assert moved.relevance == levels.get((query, moved.passage))
            better = [moved.better_rank for moved in one.passages]
            assert better == sorted(better)
    assert found.queries == len(queries)
    assert found.wins == sum(value > 0 for value in change.values())
    assert found.ties == sum(value == 0 for value in change.values())
    assert found.losses == sum(value < 0 for value in change.values())
    assert found.mean_change == pytest.approx(sum(change.values()) / len(queries))
    assert found.mean_b - found.mean_a == pytest.approx(found.mean_change)
    share_a, share_b = (sum(judged(run, q) for q in queries) / len(queries) for run in (a, b))
    assert (found.judged_a, found.judged_b) == pytest.approx((share_a, share_b))


def test_equal_changes_are_in_the_order_of_ids() -> None:
    """Though that of q2, from 1/6 to 1/2, is larger in floating point than from 0 to 1/3."""
    assert 1 / 2 - 1 / 6 > 1 / 3
    qrels = judgements(dict.fromkeys((("q2", "d"), ("q10", "d"), ("q1", "d")), 1))
    first = {"q1": ["x"], "q10": ["x"], "q2": [*"vwxyz", "d"]}
    second = {"q1": ["x", "y", "d"], "q10": ["x", "y", "d"], "q2": ["x", "d"]}
    runs = (ranked("A", first), ranked("B", second))
    found = diff(qrels, runs, Choice(ir_measures.RR @ 10, 2), {"q1": "text"})
    assert [one.query_id for one in found.gained] == ["q1", "q10"]
    assert found.lost == []


def test_unevenly_judged_runs_are_noted_with_figures() -> None:
    qrels = judgements({("q", "a"): 1, ("q", "b"): 0})

    def notes(second: list[str]) -> list[str]:
        runs = (ranked("A", {"q": ["a", "b"]}), ranked("B", {"q": second}))
        return diff(qrels, runs, Choice(ir_measures.RR @ 10, depth=2), {"q": "text"}).notes

    assert notes(["b", "a"]) == []
    told = (
        "of the top 2, 0.0% of A's passages and 50.0% of B's are unjudged; the measure counts "
        "these as not relevant"
    )
    assert notes(["x", "a"]) == [told]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("qrels", QRELS), ("a", RUN_A), ("b", RUN_B), ("topics.tsv", TOPICS)):
        (tmp_path / name).write_text(text)
    (tmp_path / "corpus").mkdir()
    lines = [json.dumps({"id": docid, **fields}) for docid, fields in TEXTS.items()]
    (tmp_path / "corpus" / "corpus.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def command(folder: Path, run_module: RunModule) -> Callable[..., CompletedProcess[str]]:
    """Runs it with the folder's files."""

    def run(
        *options: object,
        a: str = "a",
        b: str = "b",
        topics: str = "topics.tsv",
        check: bool = False,
    ) -> CompletedProcess[str]:
        given = (folder / "qrels", folder / a, folder / b, "--topics", folder / topics)
        return run_module("i3_pyserini.eval", "diff", *given, *options, check=check)

    return run


def test_text(command: RunModule, folder: Path) -> None:
    shown = command("--measure", "RR@10", "--corpus", folder / "corpus", check=True).stdout
    text = one_line(f"Eggs: {TEXTS['a']['text']}", LENGTH)
    assert text.startswith("Eggs: boil in [31mwater egg")
    assert shown.splitlines() == [
        "A: a, B: b",
        "RR@10, 3 queries: A 0.5000, B 0.5000, mean change +0.0000; B wins 1, ties 1, loses 1",
        "judged@10: A 0.3889, B 0.5000",
        "note: a: 1 query missing, counted as zero (q3)",
        "note: b: 1 query missing, counted as zero (q3)",
        "note: 1 of 3 queries have no text (q2)",
        "note: of the top 10, 61.1% of A's passages and 50.0% of B's are unjudged; the measure "
        "counts these as not relevant",
        "note: graded judgements, up to 2; relevant from 1 on for RR@10 (TREC Deep "
        "Learning counts from 2 on: presets trec-dl-2019 and later)",
        "",
        "lost 1: query q1: how long to boil an egg",
        "RR@10 1.0000 -> 0.5000 (-0.5000), judged@10 0.67 -> 0.50",
        "  A -> B    judged  passage",
        f"  1 -> 2         1  a          {text}",
        "  3 -> 1         ?  x          plant",
        "  2 -> -         0  b          cold water",
        "",
        "gained 1: query q2",
        "RR@10 0.5000 -> 1.0000 (+0.5000), judged@10 0.50 -> 1.00",
        "  A -> B    judged  passage",
        "  1 -> -         ?  y          light",
        "  2 -> 1         2  c          a | b <b>",
    ]
    assert "  1 -> 2         1  a\n" in command("--measure", "RR@10", check=True).stdout


def test_json_has_the_same(command: RunModule, folder: Path) -> None:
    given = ("--measure", "RR@10", "--depth", 1, "--corpus", folder / "corpus", "--json")
    found = json.loads(command(*given, check=True).stdout)
    assert [found[name] for name in ("wins", "ties", "losses", "queries")] == [1, 1, 1, 3]
    assert (found["measure"], found["depth"]) == ("RR@10", 1)
    (gained,) = found["gained"]
    assert gained["passages"] == [
        {
            "passage": "y",
            "rank_a": 1,
            "rank_b": None,
            "relevance": None,
            "shown": {"text": "light", "words": []},
        },
        {
            "passage": "c",
            "rank_a": 2,
            "rank_b": 1,
            "relevance": 2,
            "shown": {"text": "a | b <b>", "words": []},
        },
    ]
    assert [one["query_id"] for one in found["lost"]] == ["q1"]


def test_markdown_in_a_file(command: RunModule, folder: Path) -> None:
    output = folder / "new" / "diff.md"
    given = ("--corpus", folder / "corpus", "--output", output)
    done = command(*given, check=True)
    assert done.stdout == f"wrote {output}\n"
    lines = output.read_text().splitlines()
    assert "### lost 1: query q1: how long to boil an egg" in lines
    assert r"|   2 -> 1 |        2 | c         | a \| b \<b> |" in lines
    again = command(*given)
    assert again.returncode == 2
    assert "exists" in again.stderr
    command(*given, "--overwrite", check=True)


def test_topics_are_escaped_in_markdown() -> None:
    qrels = judgements({("q3", "d"): 1})
    runs = (ranked("A", {"q3": ["x"]}), ranked("B", {"q3": ["d"]}))
    found = diff(qrels, runs, Choice(ir_measures.RR @ 10), {"q3": "| *hot*\n<b> water"})
    assert r"### gained 1: query q3: \| \*hot\* \<b> water" in as_markdown(found).splitlines()
    assert "gained 1: query q3: | *hot* <b> water" in as_text(found).splitlines()
    assert json.loads(as_json(found))["gained"][0]["text"] == "| *hot*\n<b> water"


def test_runs_of_one_name_are_told_apart(command: RunModule, folder: Path) -> None:
    (folder / "new").mkdir()
    shutil.copy(folder / "b", folder / "new" / "a")
    shown = command(b="new/a", check=True).stdout
    assert shown.splitlines()[0] == f"A: {folder / 'a'}, B: {folder / 'new' / 'a'}"


def test_runs_that_do_not_differ(command: RunModule, folder: Path) -> None:
    shutil.copy(folder / "a", folder / "same")
    shown = command(b="same", check=True).stdout
    assert "mean change +0.0000; B wins 0, ties 3, loses 0" in shown
    assert "query q1" not in shown


def test_mistakes_are_told_in_one_line(command: RunModule, folder: Path) -> None:
    (folder / "linked").symlink_to(folder / "a")
    (folder / "other.tsv").write_text("q7\tanother set\n")
    (folder / "other").write_text("q7 Q0 a 1 1 t\n")
    (folder / "part.tsv").write_text("a\tEggs\tboil\nx\t\tplant\n")
    part = folder / "part.tsv"
    for options, files, said in (
        ((), {"b": "linked"}, "linked: is the same file as"),
        ((), {"b": "none"}, "none: "),
        ((), {"b": "other"}, "other: none of its 1 queries is among the 3 of the qrels"),
        ((), {"topics": "other.tsv"}, "none of the 1 topics is among the 3 queries"),
        (("--queries", 0), {}, "queries is 0, must be at least 1"),
        (("--depth", -1), {}, "depth is -1, must be at least 1"),
        (("--measure", "nonsense"), {}, "neither a preset"),
        (("--model", "m"), {}, "model is for the texts of passages: give corpus, too"),
        (("--corpus", folder / "none"), {}, "none: no such corpus"),
        (("--corpus", part), {}, "part.tsv: no passage 'b', which a run ranks"),
        (("--corpus", part, "--model", folder / "corpus"), {}, "corpus: no config.json"),
        (("--output", folder / "a"), {}, "a: is named twice"),
    ):
        done = command(*options, **files)
        assert done.returncode == 2, said
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")
        assert said in done.stderr


def test_pseudo_query_words(command: RunModule, folder: Path, tiny_bert: str) -> None:
    """Those of the passage's vector, for each passage that is shown."""
    from i3_pyserini.model.pseudo_query import explain

    model = I3Retriever.from_backbone(tiny_bert)
    model.config.reconstructor_steps = 9
    model.eval()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "model")
    given = ("--corpus", folder / "corpus", "--model", folder / "model")
    found = json.loads(command(*given, "--json", check=True).stdout)
    shown = {
        moved["passage"]: moved["shown"]["words"]
        for query in found["lost"] + found["gained"]
        for moved in query["passages"]
    }
    assert sorted(shown) == ["a", "b", "c", "x", "y"]
    for passage, words in shown.items():
        fields = TEXTS[passage]
        expected = explain(
            model, tokenizer, fields["text"], fields.get("title"), top=6, memory="vector"
        )
        assert words == [one.word for one in expected]
        assert words
    text = command(*given, check=True).stdout
    assert f"pseudo-query: {', '.join(shown['x'])}" in text
    header = next(
        line
        for line in command(*given, "--markdown", check=True).stdout.splitlines()
        if "judged |" in line
    )
    assert [name.strip() for name in header.strip("|").split("|")] == [
        *("A -> B", "judged", "passage", "text", "pseudo-query"),
    ]


def test_a_model_without_reconstructor_is_refused(
    command: RunModule, folder: Path, tiny_bert: str
) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interaction="none")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "plain")
    done = command("--corpus", folder / "corpus", "--model", folder / "plain")
    assert done.returncode == 2
    assert "plain: This model has no query reconstructor" in done.stderr


def test_a_reconstructor_that_never_learnt_is_refused(
    command: RunModule, folder: Path, tiny_bert: str
) -> None:
    model = I3Retriever.from_backbone(tiny_bert)
    save_model_directory(model, I3Tokenizer.from_pretrained(tiny_bert, model.config), folder / "m")
    done = command("--corpus", folder / "corpus", "--model", folder / "m")
    assert done.returncode == 2 and "never trained" in done.stderr


def test_texts_are_one_line_and_harmless() -> None:
    assert one_line(" a\n\tb\x00\x1b[0m\x9fc ", 20) == "a b [0m c"
    assert one_line("wörter " * 9, 12) == "wörter wört…"
    assert len(one_line("長" * 50, 10)) == 10

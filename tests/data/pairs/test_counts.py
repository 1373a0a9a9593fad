"""What is odd in rows is counted, and what is the same is once."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import chunk_corpus, import_pairs
from i3_pyserini.data.pairs.clicks import ClickRule
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.made import Made
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from tests.data.pairs.test_families import content, write_jsonl

ROWS: list[dict[str, Any]] = [
    {"anchor": "How long?", "positive": "Eight minutes.", "negative": "Fry it."},
    {"anchor": "how  LONG?", "positive": "eight minutes.", "negative": "Water."},
    {"anchor": "How long?", "positive": "Eight minutes.", "negative": "Fry it."},  # repeats
    {"anchor": "Ice?", "positive": "Frozen.", "negative": "ice?"},  # the query itself
    {"anchor": "Tea?", "positive": "tea?", "negative": "Frozen."},  # no positive left
    {"anchor": " ", "positive": "x", "negative": None},  # empty
    {"anchor": "Ice?", "positive": "Water.", "negative": "Frozen."},  # a positive above
]


def test_oddities_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    counts = import_pairs([source], output=tmp_path / "out").counts
    assert counts == {
        "rows": 7,
        "sources": 1,
        "empty": 2,
        "skipped": 1,
        "repeated": 1,
        "same_positive": 1,
        "same_negative": 1,
        "dropped": 0,
        "added": 0,
        "other_source": 0,
        "margins": 0,
        "negatives_that_are_positives": 1,
        "pairs_with_several_scores": 0,
        "queries_without_positive": 1,
        "queries": 2,
        "dev_queries": 0,
        "passages": 4,
        "positives": 3,
        "negatives": 2,
    }
    assert content(tmp_path / "out") == [
        ("How long?", ["Eight minutes."], ["Fry it.", "Water."]),
        ("Ice?", ["Frozen.", "Water."], []),
    ]
    said = capsys.readouterr().err
    for line in ("earlier ones: 1 (first: {}, line 3)", "query, dropped: 1 (first: {}, line 5)"):
        assert line.format(source) in said
    assert "'Tea?'" in said


def test_ids_are_of_the_content(tmp_path: Path) -> None:
    for name, rows in (("one", ROWS), ("other", ROWS[::-1])):
        import_pairs([write_jsonl(tmp_path / f"{name}.jsonl", rows)], output=tmp_path / name)
    one, other = (
        {passage.docid: passage.text.lower() for passage in Corpus(tmp_path / name / "corpus")}
        for name in ("one", "other")
    )
    assert one == other
    assert all(len(pid) == 16 for pid in one)


def test_the_ids_of_a_corpus(tmp_path: Path) -> None:
    corpus = [
        {"id": "d1", "title": "Eggs", "text": "Eight minutes."},
        {"id": "d2", "title": "", "text": "Fry it."},
        {"id": "d3", "title": "Ice", "text": "Unused."},
    ]
    path = write_jsonl(tmp_path / "corpus.jsonl", corpus)
    rows: list[dict[str, Any]] = [
        {"query": "a", "pos": ["eight  minutes."], "neg": ["Fry it."]},  # by the text alone
        {"query": "b", "pos": [{"title": "Eggs", "text": "Eight minutes."}], "neg": ["new"]},
    ]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.raises(I3Error, match=r"rows.jsonl, line 2: passage 'new' is not in the corpus"):
        import_pairs([source], output=tmp_path / "out", corpus=path)
    assert not (tmp_path / "out").exists()
    done = import_pairs([source], output=tmp_path / "out", corpus=path, unknown="drop")
    assert done.counts["dropped"] == 1
    assert [one.docid for one in Corpus(tmp_path / "out" / "corpus")] == ["d1", "d2", "d3"]
    assert read_qrels(tmp_path / "out" / "qrels.train.txt")["doc_id"].to_list() == ["d1", "d1"]
    done = import_pairs(
        [source], output=tmp_path / "out", corpus=path, unknown="add", overwrite=True
    )
    assert done.counts["added"] == 1
    assert content(tmp_path / "out")[1] == ("b", ["Eight minutes."], ["new"])


CLICKS = "query,docid,clicks,impressions\na,d1,60,100\na,d2,6,100\na,d3,2,2\na,d2,0,20\nb,d1,3,90\n"


def test_clicks_are_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = [{"id": f"d{number}", "text": f"text {number}"} for number in range(1, 5)]
    path = write_jsonl(tmp_path / "corpus.jsonl", corpus)
    log = tmp_path / "log.csv"
    log.write_text(CLICKS, encoding="utf-8")
    done = import_pairs([log], output=tmp_path / "out", corpus=path)
    qrels = read_qrels(tmp_path / "out" / "qrels.train.txt")
    assert qrels.select("doc_id", "relevance").rows() == [("d1", 3), ("d2", 1)]
    assert done.counts["queries_without_positive"] == 1  # 3 of 90
    assert "4 clicked pairs: level 1: 1, level 2: 0, level 3: 1; not judged: 1" in (
        capsys.readouterr().err
    )
    rule = ClickRule(min_clicks=1, click_rates=[0.01, 0.9])
    import_pairs([log], output=tmp_path / "out", corpus=path, clicks=rule, overwrite=True)
    found = read_qrels(tmp_path / "out" / "qrels.train.txt")
    assert found["relevance"].to_list() == [1, 1, 2, 1]


def test_clicks_without_impressions_are_shares(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        "query,passage,clicks\na,x,3\na,y,20\na,x,3\na,z,74\na,w,2\nb,x,7\n", encoding="utf-8"
    )
    import_pairs([log], output=tmp_path / "out")
    qrels = read_qrels(tmp_path / "out" / "qrels.train.txt")
    assert qrels["relevance"].to_list() == [1, 1, 3, 3]  # 6, 20 and 74 of 102; 7 of 7


def test_rows_without_impressions_do_not_raise_rates(tmp_path: Path) -> None:
    rows = [
        {"query": "a", "passage": "one", "clicks": 10, "impressions": 100},
        {"query": "a", "passage": "one", "clicks": 60},
    ]
    source = write_jsonl(tmp_path / "log.jsonl", rows)
    import_pairs([source], output=tmp_path / "out")
    qrels = read_qrels(tmp_path / "out" / "qrels.train.txt")
    assert qrels["relevance"].to_list() == [1]  # 10 of 100, not 70 of 100


def test_dev_queries_share_nothing(tmp_path: Path) -> None:
    rows = [
        {"query": f"number {n} {'x' * n}", "positive": f"p{n // 2}", "negative": f"n{n}"}
        for n in range(40)
    ]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    done = import_pairs([source], output=tmp_path / "out", dev=10)
    assert (done.counts["dev_queries"], done.counts["queries"]) == (10, 30)
    parts = [
        read_judged_queries(
            tmp_path / "out" / f"topics.{part}.tsv", tmp_path / f"out/qrels.{part}.txt"
        )
        for part in ("train", "dev")
    ]
    passages = [{pid for pids in positives.values() for pid in pids} for _, positives in parts]
    assert not passages[0] & passages[1]
    assert len(content(tmp_path / "out")) == 30  # negatives are of training queries alone
    import_pairs([source], output=tmp_path / "again", dev=10)
    for part in ("train", "dev"):
        name = f"topics.{part}.tsv"
        assert (tmp_path / "again" / name).read_text(encoding="utf-8") == (
            tmp_path / "out" / name
        ).read_text(encoding="utf-8")


def test_dev_queries_have_no_near_text_in_train(tmp_path: Path) -> None:
    texts = [f"a rather long question number {n} about {'xyzuvw'[n % 6] * 9}" for n in range(30)]
    rows = [{"query": text, "positive": f"p{n}"} for n, text in enumerate(texts)]
    rows += [{"query": text, "positive": f"s{text}"} for text in ("eggs", "ice", "why water")]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    done = import_pairs([source], output=tmp_path / "out", dev=16)
    topics = (tmp_path / "out" / "topics.dev.tsv").read_text(encoding="utf-8").splitlines()
    assert done.counts["dev_queries"] == len(topics)
    assert {line.split("\t")[1] for line in topics} <= {"eggs", "ice", "why water"}


def test_more_candidates_are_tried_where_many_texts_are_near(tmp_path: Path) -> None:
    near = [f"a rather long question number {n} about water and its uses" for n in range(60)]
    texts = [*near, *("eggs", "ice", "why water")]
    rows = [{"query": text, "positive": f"p {text}"} for text in texts]
    done = import_pairs([write_jsonl(tmp_path / "r.jsonl", rows)], output=tmp_path / "out", dev=3)
    topics = (tmp_path / "out" / "topics.dev.tsv").read_text(encoding="utf-8").splitlines()
    assert {line.split("\t")[1] for line in topics} == {"eggs", "ice", "why water"}
    assert done.counts["dev_queries"] == 3


def test_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my data"
    import_pairs([write_jsonl(tmp_path / "rows.jsonl", ROWS)], output=folder)
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "train with it" in line)
    words = shlex.split(said.partition("train with it: ")[2])
    assert f"--data.negatives={folder}/train_negs.tsv" in words


def test_sources_have_names(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "one.jsonl", ROWS[:1])
    other = write_jsonl(tmp_path / "other.jsonl", [ROWS[0], ROWS[3]])
    done = import_pairs([one, f"web={other}"], output=tmp_path / "out")
    lines = (tmp_path / "out" / "sources.train.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[1] for line in lines] == ["one", "web"]
    assert done.counts["other_source"] == 1
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert str(other) in manifest["files"]["sources.train.tsv"]["source"]
    import_pairs([one], output=tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "sources.train.tsv").exists()


def test_a_collection_in_our_layout_is_a_source(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    import_pairs([source], output=tmp_path / "one")
    done = import_pairs([tmp_path / "one", f"more={source}"], output=tmp_path / "two")
    assert content(tmp_path / "two") == content(tmp_path / "one")
    assert done.counts["rows"] == 9
    assert "one" in (tmp_path / "two" / "sources.train.tsv").read_text(encoding="utf-8")
    with pytest.raises(I3Error, match=r"one: no judged queries 'test'; it has train"):
        import_pairs([tmp_path / "one"], output=tmp_path / "three", split="test")
    corpus = tmp_path / "one" / "corpus"
    with pytest.raises(I3Error, match="corpus: is in the output"):
        import_pairs([source], output=tmp_path / "one", corpus=corpus, overwrite=True)


def test_what_is_not_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "a", "pos": ["b"], "neg": ["c", "d"], "neg_scores": [1, 2], "prompt": "Find:"},
        {"query": "a", "pos": ["b"], "neg": ["c"], "pos_scores": [5], "neg_scores": [3]},
        {"query": "e", "pos": ["b"], "neg": ["c"], "price": 1},
    ]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    done = import_pairs([source], output=tmp_path / "out")
    assert done.counts["pairs_with_several_scores"] == 1
    assert done.counts["scored_queries"] == 1
    (line,) = (tmp_path / "out" / "kd_train.jsonl").read_text(encoding="utf-8").splitlines()
    scored = json.loads(line)
    assert (scored["positives"]["score"], scored["negatives"]["score"]) == ([5.0], [1.0, 2.0])
    said = capsys.readouterr().err
    assert "rows: columns left out: 'price'" in said
    assert "'Find:'" in said
    assert "scores of 1 of 2 queries" in said


def test_clicks_on_unknown_passages(tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [{"id": "d1", "text": "one"}])
    log = tmp_path / "log.csv"
    log.write_text("query,docid,clicks\na,d1,5\na,d2,50\n", encoding="utf-8")
    for unknown in ("refuse", "add"):
        with pytest.raises(I3Error, match="line 3: passage 'd2' is not in the corpus"):
            import_pairs([log], output=tmp_path / "out", corpus=corpus, unknown=unknown)
    done = import_pairs([log], output=tmp_path / "out", corpus=corpus, unknown="drop")
    assert (done.counts["dropped"], done.counts["positives"]) == (1, 1)


def test_columns_beside_clicks_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"query": "a", "passage": "one", "clicks": 5, "label": 0, "negative": "two"}
    write_jsonl(tmp_path / "log.jsonl", [row])
    import_pairs([tmp_path / "log.jsonl"], output=tmp_path / "out")
    assert "columns left out: 'label', 'negative'" in capsys.readouterr().err


def test_the_manifest_keeps_what_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    rows = [{"query": "a", "positive": "one", "negative": "two", "scores": [1, 0]}]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    import_pairs([source], output=old)
    manifest = Manifest.load(old)
    manifest.language = "de"
    made = Made(source="titles")
    manifest.add("topics.train.tsv", "titles", made=made)
    manifest.save()
    capsys.readouterr()
    import_pairs([f"my-source.1={old}"], output=tmp_path / "new")
    assert "old/kd_train.jsonl: not read" in capsys.readouterr().err
    new = Manifest.load(tmp_path / "new")
    assert new.language == "de"
    assert {name for name, file in new.files.items() if file.made == made} == {
        "topics.train.tsv",
        "qrels.train.txt",
        "train_negs.tsv",
    }
    import_pairs([old, source], output=tmp_path / "both")
    assert Manifest.load(tmp_path / "both").language is None

    (tmp_path / "docs.jsonl").write_text('{"id": "d", "text": "one two"}', encoding="utf-8")
    windows = tmp_path / "windows"
    chunk_corpus(tmp_path / "docs.jsonl", output=windows, by="tokens", size=8)
    for corpus in (windows / "corpus", windows):
        row = {"query": "a", "positive": "one two"}
        write_jsonl(source, [row])
        out = tmp_path / "cut"
        import_pairs([source], output=out, corpus=corpus, overwrite=True)
        assert Manifest.load(out).chunks == Manifest.load(windows).chunks

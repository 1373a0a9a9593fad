"""What cannot be read is named with file and line, and nothing is written."""

from pathlib import Path

import pytest

from i3_pyserini.data import import_pairs
from i3_pyserini.data.pairs.clicks import ClickRule
from i3_pyserini.data.pairs.columns import PairColumns
from i3_pyserini.errors import I3Error

BAD = {
    "no query": (
        '{"a": "x", "positive": "y"}',
        r"line 1: no column of the query \(anchor.*'a', 'p",
    ),
    "no passage": ('{"query": "x", "b": "y"}', r"of the passage .*it has 'query', 'b'.*--positive"),
    "not a text": ('{"query": "x", "positive": 3}', "line 1: 'positive': expected a text, got 3"),
    "not JSON": ('{"query": "x"', "line 1: not valid JSON"),
    "surrogate": (r'{"query": "x\ud800", "positive": "y"}', "line 1: 'query': a lone surrogate"),
    "no text in it": ('{"query": "x", "pos": [{"a": "y"}]}', "'pos': a passage without field"),
    "lengths": (
        '{"query": "x", "pos": ["y"], "neg": ["z"], "neg_scores": [1, 2]}',
        "line 1: 2 in 'neg_scores' for 1 passages",
    ),
    "scores": (
        '{"query": "x", "positive": "y", "negative": "z", "scores": [1, 2, 3]}',
        "line 1: 3 scores for 2 passages",
    ),
    "no number": (
        '{"query": "x", "positive": "y", "negative": "z", "score": "high"}',
        "line 1: 'score': expected a number, got \"high\"",
    ),
    "infinite": (
        '{"query": "x", "positive": "y", "negative": "z", "score": NaN}',
        "'score': expected a number, got NaN",
    ),
    "similarity": (
        '{"sentence1": "x", "sentence2": "y", "score": 0.7}',
        "'score' is 0.7; .*--min-score",
    ),
    "three labels": ('{"sentence1": "x", "sentence2": "y", "label": 2}', "'label' is 2.*min-score"),
    "no clicks": ('{"query": "x", "passage": "y", "clicks": -1}', "'clicks': expected a count"),
    "more clicks": (
        '{"query": "x", "passage": "y", "clicks": 5, "impressions": 4}',
        "line 1: 5 clicks, but 4 impressions",
    ),
    "no corpus": ('{"query": "x", "docid": "d1", "clicks": 5}', "'d1' has no text; .*--corpus"),
    "nothing": ("", "no rows"),
    "no positive": ('{"query": "x", "positive": "X"}', "no query has a positive"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows(tmp_path: Path, case: str) -> None:
    line, said = BAD[case]
    (tmp_path / "rows.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        import_pairs([tmp_path / "rows.jsonl"], output=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("query,positive\na,b,c\n", "line 2: 3 columns, but the header has 2"),
        ("query,query\na,b\n", "two columns are named 'query'"),
        ('query,positive\na,"b\n', "line 2: a quote is not closed"),
        ("query,positive\n", "no rows"),
        ("", "no rows"),
    ],
)
def test_tables(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        import_pairs([tmp_path / "rows.csv"], output=tmp_path / "out")


def test_sources_and_options(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out"
    source.write_text("query,positive\na,b\n", encoding="utf-8")
    for words, said in (
        ([], "no sources"),
        (["nowhere"], "nowhere: no such file or folder"),
        ([source, source], "source 'rows' is given twice"),
        ([f"a={source}", f"a={source}"], "source 'a' is given twice"),
        ([f"hf:{tmp_path}/nowhere"], "hf:.*nowhere: cannot be read"),
    ):
        with pytest.raises(I3Error, match=said):
            import_pairs(words, output=out)
    with pytest.raises(I3Error, match="unknown requires corpus"):
        import_pairs([source], output=out, unknown="drop")
    with pytest.raises(I3Error, match=r"click_rates are 0.5, 0.1; expected ascending"):
        import_pairs([source], output=out, clicks=ClickRule(click_rates=[0.5, 0.1]))
    with pytest.raises(I3Error, match="dev is 5, but of 1 queries"):
        import_pairs([source], output=out, dev=5)
    source.write_text(
        "query,positive\n" + "".join(f"q{n},p{n}\n" for n in range(5)), encoding="utf-8"
    )
    with pytest.raises(I3Error, match="dev is 3 of 5 queries; use 2"):
        import_pairs([source], output=out, dev=3)
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(I3Error, match="out: exists"):
        import_pairs([source], output=out)
    with pytest.raises(I3Error):
        import_pairs([source], output=out, overwrite=True)
    assert (out / "mine.txt").exists()


def test_a_corpus_with_ids_that_negatives_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"id": "d,1", "text": "n"}\n{"id": "d2", "text": "p"}', encoding="utf-8"
    )
    (tmp_path / "rows.csv").write_text("query,positive,negative\na,p,n\n", encoding="utf-8")
    with pytest.raises(I3Error, match="'d,1' has a comma"):
        import_pairs(
            [tmp_path / "rows.csv"], output=tmp_path / "out", corpus=tmp_path / "corpus.jsonl"
        )
    (tmp_path / "corpus.jsonl").write_text(
        '{"id": "d", "text": "n"}\n{"id": "d", "text": "p"}', encoding="utf-8"
    )
    with pytest.raises(I3Error, match="'d' occurs twice"):
        import_pairs(
            [tmp_path / "rows.csv"], output=tmp_path / "out", corpus=tmp_path / "corpus.jsonl"
        )


def test_options_without_an_effect_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"query": "a", "positive": "b"}\n', encoding="utf-8")
    with pytest.raises(I3Error, match=r"rows\.jsonl has no splits"):
        import_pairs([tmp_path / "rows.jsonl"], output=tmp_path / "split", split="train")
    with pytest.raises(I3Error, match="delimiter and encoding"):
        columns = PairColumns(encoding="cp1252", delimiter=";")
        import_pairs([tmp_path / "rows.jsonl"], output=tmp_path / "split", columns=columns)
    (tmp_path / "rows.jsonl").write_text(
        '{"query": "x", "positive": "y", "negative": "z", "scores": [0.9, 0.1]}', encoding="utf-8"
    )
    (tmp_path / "log.csv").write_text("query,passage,clicks,label\nx,y,5,0\n", encoding="utf-8")
    rows, log, out = tmp_path / "rows.jsonl", tmp_path / "log.csv", tmp_path / "out"
    with pytest.raises(I3Error, match=r"min_score is 0\.95, but"):
        import_pairs([rows], output=out, min_score=0.95)
    with pytest.raises(I3Error, match=r"min_clicks .*no row has clicks"):
        import_pairs([rows], output=out, clicks=ClickRule(min_clicks=7))
    columns = PairColumns(score_column="label", clicks_column="clicks")
    with pytest.raises(I3Error, match=r"line 2: 'clicks' decides"):
        import_pairs([log], output=out, columns=columns)
    with pytest.raises(I3Error, match="no query has a positive"):  # the label, since it is named
        import_pairs([log], output=out, columns=PairColumns(score_column="label"))

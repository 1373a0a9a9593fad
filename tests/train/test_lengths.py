from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.data.candidates import JudgedQueries
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.train import lengths
from i3_pyserini.train.lengths import Cut, cut_passages, cut_queries, other_lengths
from i3_pyserini.train.trainer import train
from tests.train.conftest import MakeRecipe


@pytest.fixture(params=[{"query_prefix": "what"}, {"query_prompt": "what "}])
def tokenizer(tiny_bert: str, request: pytest.FixtureRequest) -> I3Tokenizer:
    model = I3Retriever.from_backbone(
        tiny_bert,
        query_length=5,
        passage_length=8,
        passage_template="{title} {text}",
        **request.param,
    )
    return I3Tokenizer.from_pretrained(tiny_bert, model.config)


def test_what_is_longer_than_the_model_reads(tokenizer: I3Tokenizer, tmp_path: Path) -> None:
    """Special tokens, prefix and title count."""
    queries = {"q1": "hot egg", "q2": "hot egg water", "q3": "unjudged " * 9}
    source = JudgedQueries(queries, {"q1": ["p1"], "q2": ["p1"]}, "qrels")
    assert cut_queries(tokenizer, source) == Cut("queries", 5, 1, 2, 2)
    path = tmp_path / "c.tsv"
    path.write_text(
        "p1\thot\tegg egg egg egg egg\np2\thot egg\tegg egg egg egg egg\n", encoding="utf-8"
    )
    found = cut_passages(tokenizer, open_store(path))
    assert found == Cut("passages", 8, 1, 2, 2)
    assert str(found) == "50.0% of passages are cut at 8 ids (all 2 counted)"


def test_of_many_texts_some_are_counted(
    tokenizer: I3Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lengths, "SAMPLE", 10)
    path = tmp_path / "c.tsv"
    path.write_text(
        "".join(f"p{n}\t{'egg ' * (9 if n % 3 else 1)}\n" for n in range(30)), encoding="utf-8"
    )
    found = cut_passages(tokenizer, open_store(path))
    assert (found.seen, found.longer) == (10, 0)  # every third, from the first on
    assert str(found).endswith("(10 of 30 counted)")


def test_lengths_that_a_backbone_declares(tokenizer: I3Tokenizer, minilm: str) -> None:
    assert other_lengths(minilm, tokenizer) == [
        "model.query_length is 5, declared are 256",
        "model.passage_length is 8, declared are 256",
    ]
    assert other_lengths(str(Path(minilm).parent), tokenizer) == []


def test_a_run_says_what_it_cuts(
    make_recipe: MakeRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    train(
        make_recipe(
            "model.query_length=3",
            "training.max_steps=1",
            "training.batch_size=30",
            "validation=null",
        )
    )
    said = capsys.readouterr()
    assert "71.4% of queries are cut at 3 ids (all 21 counted)" in said.out
    assert "0.0% of passages are cut at 12 ids (all 21 counted)" in said.out
    assert "training.batch_size is 30, but a device has only 21 training queries" in said.err

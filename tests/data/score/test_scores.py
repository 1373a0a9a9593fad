"""Scores are the model's own, in the order of the input."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from i3_pyserini.data.candidates import TeacherFile
from i3_pyserini.data.scoring import BLOCK, score
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.search.pair_scorer import PairScorer
from tests.data.score.conftest import (
    OPTIONS,
    QUERIES,
    READ,
    Make,
    by_hand,
    leftovers,
    many,
    scoring,
    written,
)


def test_scores_are_the_models_logits_in_the_order_of_the_input(task: Path, teacher: str) -> None:
    output = task / "kd.jsonl"
    done = score(scoring(task, teacher), output)
    assert (done.queries, done.pairs, done.resumed) == (2, 7, 0)
    lines = written(output)
    assert [(line["qid"], line["query"]) for line in lines] == [
        ("q2", "what is photosynthesis"),
        ("q1", "how long to boil an egg"),
    ]
    assert [(line["positives"]["doc_id"], line["negatives"]["doc_id"]) for line in lines] == [
        (["p3"], ["p4", "p1"]),
        (["p1", "p3"], ["p2", "p4"]),
    ]
    for line in lines:
        for part in (line["positives"], line["negatives"]):
            expected = [by_hand(teacher, line["query"], READ[pid])[0] for pid in part["doc_id"]]
            assert part["score"] == pytest.approx(expected, abs=1e-5)
    spread = [value for line in lines for value in line["negatives"]["score"]]
    assert max(spread) - min(spread) > 0.01  # else the order would not show
    assert leftovers(task) == []


def test_two_labels_give_the_log_odds(task: Path, make_teacher: Make) -> None:
    two = make_teacher(2)
    score(scoring(task, two), task / "kd.jsonl")
    first = written(task / "kd.jsonl")[0]
    no, yes = by_hand(two, QUERIES["q2"], READ["p3"])
    assert first["positives"]["score"] == pytest.approx([yes - no], abs=1e-5)


def test_a_causal_model_gives_the_log_odds_of_yes_against_no(tmp_path: Path) -> None:
    letters = ["<|endoftext|>", *sorted(ByteLevel.alphabet()), "ye", "yes", "no"]
    ids = {token: number for number, token in enumerate(letters)}
    merges: Any = [("y", "e"), ("ye", "s"), ("n", "o")]  # declared as strings, joined as pairs
    tokenizer = Qwen2Tokenizer(vocab=ids, merges=merges)
    config = Qwen2Config(
        vocab_size=len(ids),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=99,
        initializer_range=0.2,
    )
    model = Qwen2ForCausalLM(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    pairs = [("a b", "what is"), ("how", "x" * 400)]
    expected = []
    for query, passage in pairs:
        batch = tokenizer(query, passage, truncation=True, max_length=50, return_tensors="pt")
        with torch.no_grad():
            logits = model(**batch).logits[0, -1]
        expected.append(float(logits[ids["yes"]] - logits[ids["no"]]))
    options = replace(OPTIONS, max_length=50)
    teacher = PairScorer(str(tmp_path), options)
    assert teacher.score(pairs) == pytest.approx(expected, abs=1e-5)
    teacher.encoder.save_pretrained(str(tmp_path / "saved"))  # with modules, in their folders
    saved = PairScorer(str(tmp_path / "saved"), options)
    assert saved.score(pairs) == pytest.approx(expected, abs=1e-5)
    assert "model 1_LogitScore/config.json" in saved.describe()


def test_the_training_reader_reads_it(task: Path, teacher: str) -> None:
    (task / "q.tsv").write_text("q1\tnaïve \u2028 egg\nq2\twhat\n", encoding="utf-8")
    (task / "n.tsv").write_text("q1\tp2,p4\nq2\n", encoding="utf-8")
    score(scoring(task, teacher), task / "kd.jsonl")
    first, second = TeacherFile(task / "kd.jsonl")
    assert (first.query, first.positives, first.negatives) == (
        "naïve \u2028 egg",
        ["p1", "p3"],
        ["p2", "p4"],
    )
    assert first.positive_scores is not None
    assert first.negative_scores == written(task / "kd.jsonl")[0]["negatives"]["score"]
    assert (second.positives, second.negatives, second.negative_scores) == (["p3"], [], [])


@pytest.mark.slow
def test_batches_do_not_change_scores(task: Path, teacher: str) -> None:
    many(task, BLOCK + 6)
    runs = []
    for size in (1, 7, 64):
        output = task / f"{size}.jsonl"
        score(scoring(task, teacher, replace(OPTIONS, batch_size=size)), output)
        runs.append(
            [
                x
                for row in written(output)
                for k in ("positives", "negatives")
                for x in row[k]["score"]
            ]
        )
    assert len(runs[0]) == 4 * (BLOCK + 6)
    assert runs[1] == pytest.approx(runs[0], abs=1e-5)
    assert runs[2] == pytest.approx(runs[0], abs=1e-5)


def test_mined_jsonl_gives_the_same_as_tsv(task: Path, teacher: str) -> None:
    record = {"query": QUERIES["q2"], "positives": {"doc_id": ["p3"]}}
    negatives = {"doc_id": ["p4", "p1"], "rank": [2, 5]}
    second = {"qid": "q1", "query": QUERIES["q1"], "positives": {"doc_id": ["p1", "p3"]}}
    (task / "n.jsonl").write_text(
        json.dumps({"qid": "q2", **record, "negatives": negatives})
        + "\n\n"
        + json.dumps({**second, "negatives": {"doc_id": ["p2", "p4"], "rank": [1, 2]}}),
        encoding="utf-8",
    )
    score(scoring(task, teacher), task / "tsv")
    (task / "n.jsonl.gz").write_bytes(gzip.compress((task / "n.jsonl").read_bytes()))
    for name in ("n.jsonl", "n.jsonl.gz"):
        mined = scoring(task, teacher, negatives=task / name, queries=None, qrels=None)
        score(mined, task / f"of {name}")
        assert (task / f"of {name}").read_bytes() == (task / "tsv").read_bytes()


def test_only_the_first_negatives(task: Path, teacher: str) -> None:
    done = score(scoring(task, teacher, max_negatives=1), task / "kd.jsonl")
    assert [line["negatives"]["doc_id"] for line in written(task / "kd.jsonl")] == [["p4"], ["p2"]]
    assert done.pairs == 5


def test_only_the_first_positives(task: Path, teacher: str) -> None:
    score(scoring(task, teacher), task / "all.jsonl")
    assert max(len(line["positives"]["doc_id"]) for line in written(task / "all.jsonl")) > 1
    score(scoring(task, teacher, max_positives=1), task / "kd.jsonl")
    for line, whole in zip(written(task / "kd.jsonl"), written(task / "all.jsonl"), strict=True):
        assert line["positives"]["doc_id"] == whole["positives"]["doc_id"][:1]
        assert line["negatives"]["doc_id"] == whole["negatives"]["doc_id"]


def test_min_relevance(task: Path, teacher: str) -> None:
    (task / "n.tsv").write_text("q1\tp2\n", encoding="utf-8")
    score(scoring(task, teacher, min_relevance=2), task / "kd.jsonl")
    assert written(task / "kd.jsonl")[0]["positives"]["doc_id"] == ["p3"]


def test_templates(teacher: str) -> None:
    def text(template: str, title: str | None) -> str:
        return PairScorer(teacher, replace(OPTIONS, template=template)).text(
            Passage("", title, "a {b}")
        )

    assert text("{title} {text}", None) == "a {b}"
    assert text("{title} {text}", "") == "a {b}"
    assert text("{title}{sep}{text}", "t") == "t[SEP]a {b}"
    assert text("{text}", "t") == "a {b}"
    for template in ("{title}", "{text} {url}", "{text!r}", "{text", "{text:5}", "{}"):
        with pytest.raises(I3Error, match=r"template .*(must contain|malformed)"):
            text(template, "t")

"""The command `data score`, and what is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoTokenizer,
)

from i3_pyserini.data import score_pairs
from i3_pyserini.data.scoring import score
from i3_pyserini.data.unscored import Mined, UnscoredQueries
from i3_pyserini.errors import I3Error
from i3_pyserini.search.pair_scorer import PairScorer
from tests.conftest import Done, Run
from tests.data.score.conftest import OPTIONS, Make, leftovers, scoring, written


def test_an_input_is_never_the_output(task: Path, teacher: str) -> None:
    before = (task / "c.tsv").read_bytes()
    with pytest.raises(I3Error, match="is given twice"):
        score(scoring(task, teacher), task / "c.tsv", overwrite=True)
    assert (task / "c.tsv").read_bytes() == before


def test_scores_that_are_not_finite(task: Path, make_teacher: Make) -> None:
    large = make_teacher(bias=70000.0)  # more than fp16 can hold
    half = scoring(task, large, replace(OPTIONS, dtype="fp16"))
    said = r"n.tsv, line 1: .* query q2 and passage p3 is inf; use dtype bf16 or fp32"
    with pytest.raises(I3Error, match=said):
        score(half, task / "kd.jsonl")
    assert leftovers(task) == []
    score(replace(half, options=OPTIONS), task / "kd.jsonl")
    values = written(task / "kd.jsonl")[0]["positives"]["score"]
    assert values == pytest.approx([70000.0], abs=10)
    broken = make_teacher(bias=math.nan)
    with pytest.raises(I3Error, match=r"q2 and passage p3 is nan$"):
        score(scoring(task, broken), task / "other")


def test_too_little_memory(task: Path, teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = PairScorer(teacher, OPTIONS)
    monkeypatch.setattr(model.encoder, "predict", full)
    with pytest.raises(I3Error, match=r"not enough memory for batch_size 3; repeat .* smaller"):
        model.score([("a", "b")])


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("n.tsv", "", r"n\.tsv: empty"),
        ("n.tsv", "q1\tp2\n\nq2\tp2,p9\n", r"n\.tsv, line 3: negative p9 is not in the collection"),
        ("r.txt", "q1 0 p9 1\nq2 0 p1 1\n", r"n\.tsv, line 2: positive p9 is not in the collect"),
        ("n.tsv", "q1\tp2\nq7\tp2\n", r"n\.tsv, line 2: query q7 has no text"),
        ("r.txt", "q1 0 p1 1\n", r"n\.tsv, line 1: query q2 has no positive"),
        ("q.tsv", "q1\t\n", r"q\.tsv, line 1: the query is empty"),
        ("c.tsv", "p1\n", r"c\.tsv, line 1: 1 fields; expected pid"),
    ],
)
def test_bad_files(task: Path, teacher: str, file: str, content: str, said: str) -> None:
    (task / file).write_text(content, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        score(scoring(task, teacher), task / "kd.jsonl")
    assert leftovers(task) == []
    assert not (task / "kd.jsonl").exists()


GOOD = {"qid": 7, "query": "a", "positives": {"doc_id": [1]}, "negatives": {"doc_id": []}}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({**GOOD, "query": " "}, "no field 'query' with a text"),
        ({**GOOD, "qid": None}, "no field 'qid'"),
        ({**GOOD, "qid": True}, "no field 'qid'"),
        ({**GOOD, "positives": {"doc_id": []}}, "the query has no positive"),
        ({**GOOD, "positives": ["p1"]}, "no field 'positives' with a list 'doc_id' of ids"),
        ({**GOOD, "negatives": {"doc_id": "p1"}}, "no field 'negatives' with a list"),
        ({**GOOD, "negatives": {"doc_id": [None]}}, "no field 'negatives' with a list"),
        ({**GOOD, "query": "\ud800"}, "a lone surrogate"),
        ({**GOOD, "negatives": {"doc_id": ["\ud800"]}}, "a lone surrogate"),
    ],
)
def test_bad_jsonl(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(record)}\n", encoding="utf-8")
    queries = UnscoredQueries(Mined(path))
    first = next(iter(queries))
    assert (first.qid, first.positives, first.negatives) == ("7", ["1"], [])
    with pytest.raises(I3Error, match=rf"n\.jsonl, line 2: {said}"):
        list(queries)


def test_files_that_do_not_belong_together(task: Path) -> None:
    with pytest.raises(I3Error, match=r"n\.tsv: has ids only, so that topics and qrels are n"):
        UnscoredQueries(Mined(task / "n.tsv", task / "q.tsv"))
    (task / "n.jsonl").write_text(json.dumps(GOOD), encoding="utf-8")
    with pytest.raises(I3Error, match=r"n\.jsonl: has queries and .* leave out topics"):
        UnscoredQueries(Mined(task / "n.jsonl", task / "q.tsv", task / "r.txt"))
    (task / "n.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"n\.jsonl: empty"):
        UnscoredQueries(Mined(task / "n.jsonl"))
    with pytest.raises(I3Error, match=r"none\.tsv: no such file"):
        UnscoredQueries(Mined(task / "none.tsv", task / "q.tsv", task / "r.txt"))


def test_no_classification_head(
    task: Path, tiny_bert: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = r"weights are missing \(classifier.bias, classifier.weight\).*not a bi-encoder"
    with pytest.raises(I3Error, match=said):
        score(scoring(task, tiny_bert), task / "kd.jsonl")
    bi_encoder = tmp_path / "bi"  # as sentence-transformers saves one
    bi_encoder.mkdir()
    for file in Path(tiny_bert).iterdir():
        (bi_encoder / file.name).write_bytes(file.read_bytes())
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    (bi_encoder / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        PairScorer(str(bi_encoder), OPTIONS)
    assert caplog.messages == []  # one line is all that a user sees


def test_teachers_that_cannot_be(make_teacher: Make, tmp_path: Path, teacher: str) -> None:
    for name, said in (
        (make_teacher(3), "has 3 labels"),
        (str(tmp_path), "no tokenizer"),
        (str(tmp_path / "nowhere"), "no such directory"),
        ("tiny-teacher", "no such directory"),
    ):
        with pytest.raises(I3Error, match=said):
            PairScorer(name, OPTIONS)
    with pytest.raises(I3Error, match=r"max_length is 161, but .* has only 160 positions"):
        PairScorer(teacher, replace(OPTIONS, max_length=161))
    with pytest.raises(I3Error, match="--device cuda:99 is not usable"):
        PairScorer(teacher, replace(OPTIONS, device="cuda:99"))
    broken = Path(make_teacher())
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(I3Error, match="model cannot be read"):
        PairScorer(str(broken), OPTIONS)
    larger = Path(make_teacher())
    tokenizer = AutoTokenizer.from_pretrained(larger)
    tokenizer.add_tokens([f"a{number}" for number in range(99)] + ["h", "g"])
    tokenizer.save_pretrained(larger)
    with pytest.raises(I3Error, match="cannot score a pair of texts: index out of range"):
        PairScorer(str(larger), OPTIONS)


def test_the_command(run_module: Run, task: Path, teacher: str, tiny_bert: str) -> None:
    def command(*flags: object, model: str = teacher) -> Done:
        files = ["--negatives", task / "n.tsv", "--corpus", task / "c.tsv"]
        own = ["--output", task / "kd.jsonl", "--teacher", model, "--max-length", 24]
        return run_module("i3_pyserini", "data", "score", *files, *own, *flags)

    judged = ("--topics", task / "q.tsv", "--qrels", task / "r.txt")
    good = command(*judged)
    assert (good.returncode, good.stdout) == (
        0,
        f"wrote {task}/kd.jsonl: 2 queries, 7 scores\n",
    )
    score(scoring(task, teacher, replace(OPTIONS, batch_size=64)), task / "same")
    assert (task / "same").read_bytes() == (task / "kd.jsonl").read_bytes()
    (task / "kd.jsonl").unlink()
    headless = command(*judged, model=tiny_bert)
    assert headless.returncode == 2
    assert headless.stderr.startswith(f"error: model {tiny_bert}: weights are missing")
    assert headless.stderr.count("\n") == 1
    offline = command(*judged, model="nobody/nothing")
    assert offline.returncode == 2
    assert offline.stderr.startswith("error: cross-encoder nobody/nothing: no such directory, and ")
    assert offline.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["batch_size", "max_length", "max_negatives"])
def test_numbers_out_of_range(name: str) -> None:
    numbers: dict[str, Any] = {name: 0}
    with pytest.raises(I3Error, match=f"{name} is 0, must be at least 1"):
        score_pairs("n.tsv", "c.tsv", teacher="t", output="o", **numbers)


def test_sentence_transformers_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.data.score.find_spec", lambda _: None)
    with pytest.raises(I3Error, match=r"pip install 'i3-pyserini\[score\]'"):
        score_pairs("n.tsv", "c.tsv", teacher="t", output="o")

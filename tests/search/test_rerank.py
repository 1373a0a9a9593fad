"""A run's first hits, scored again by a tiny cross-encoder or a tiny encoder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast

from i3_pyserini.encode.encoder import load
from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search import rerank_run, reranking, search_topics
from i3_pyserini.search.pair_scorer import PairOptions, PairScorer
from tests.conftest import WORDS, tiny_bert_config

Scores = dict[str, list[tuple[str, float]]]
PASSAGES, HITS, QUERIES = 30, 8, 6
SHORT = EncoderOptions(max_length=40)
TEXTS = {f"p{n:02}": " ".join(WORDS[n % 9 : n % 9 + 2 + n % 7]) for n in range(PASSAGES)}
TOPICS = {f"q{n}": " ".join(WORDS[n : n + 4]) for n in range(QUERIES)}


def write_run(folder: Path, topics: dict[str, str]) -> None:
    lines = "".join(f"{qid}\t{text}\n" for qid, text in topics.items())
    (folder / "topics.tsv").write_text(lines, encoding="utf-8")
    hits = [
        f"{qid} Q0 p{(7 * number + 3 * rank) % PASSAGES:02} {rank} {100 - rank} t\n"
        for number, qid in enumerate(topics)
        for rank in range(1, HITS + 1)
    ]
    (folder / "run.txt").write_text("".join(hits), encoding="utf-8")


@pytest.fixture(scope="session")
def make_cross_encoder(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: PreTrainedTokenizerFast
) -> Callable[..., str]:
    """Writes a random cross-encoder whose tokenizer joins pairs as BERT's does."""
    core = Tokenizer.from_str(tiny_tokenizer.backend_tokenizer.to_str())
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {f"{one}_token": f"[{one.upper()}]" for one in ("pad", "unk", "cls", "sep")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **special)

    def make(bias: float = 0.0) -> str:
        torch.manual_seed(5)
        config = tiny_bert_config()
        config.num_labels = 1
        model = BertForSequenceClassification(config)
        torch.nn.init.constant_(model.classifier.bias, bias)
        directory = tmp_path_factory.mktemp("cross-encoder")
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        return str(directory)

    return make


@pytest.fixture(scope="session")
def cross_encoder(make_cross_encoder: Callable[..., str]) -> str:
    return make_cross_encoder()


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """`corpus.jsonl`, `topics.tsv` and `run.txt`, with eight hits of each query."""
    lines = [json.dumps({"id": docid, "title": "", "text": text}) for docid, text in TEXTS.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_run(tmp_path, TOPICS)
    return tmp_path


def rerank(task: Path, model: str, name: str = "new.txt", **options: Any) -> Scores:
    named = {"encoder": SHORT, "device": "cpu", **options}
    output = task / name
    written = rerank_run(
        task / "run.txt",
        task / "topics.tsv",
        task / "corpus.jsonl",
        model=model,
        output=output,
        **named,
    )
    assert (written.path, written.queries) == (output, QUERIES)
    return hits_of(output)


def hits_of(path: Path) -> Scores:
    found: Scores = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        qid, _, docid, rank, score, _ = line.split()
        found.setdefault(qid, []).append((docid, float(score)))
        assert int(rank) == len(found[qid])
    return found


def leftovers(task: Path) -> list[str]:
    return [path.name for path in task.glob(".*")]


def test_first_hits_are_in_the_order_of_the_cross_encoder(task: Path, cross_encoder: str) -> None:
    new, old = rerank(task, cross_encoder, depth=5), hits_of(task / "run.txt")
    scorer = PairScorer(cross_encoder, PairOptions(max_length=40, device="cpu"))
    assert list(new) == list(old)
    changed = False
    for qid, hits in new.items():
        first = [docid for docid, _ in old[qid][:5]]
        values = scorer.score([(TOPICS[qid], TEXTS[docid]) for docid in first])
        expected = sorted(zip(values, first, strict=True), reverse=True)
        assert [docid for docid, _ in hits[:5]] == [docid for _, docid in expected]
        scores = [score for _, score in hits]
        assert scores[:5] == pytest.approx([value for value, _ in expected], abs=1e-4)
        assert [docid for docid, _ in hits[5:]] == [docid for docid, _ in old[qid][5:]]
        assert scores[5:] == pytest.approx([scores[4] - 1, scores[4] - 2, scores[4] - 3])
        assert all(np.diff(np.array(scores, dtype=np.float32)) < 0)
        changed |= first != [docid for docid, _ in hits[:5]]
    assert changed and leftovers(task) == []
    assert not read_run(task / "new.txt").warnings
    again = rerank(task, cross_encoder, "all.txt", batch_size=3)  # all hits are among the first
    assert all(len(hits) == HITS for hits in again.values())


def test_exact_scores_are_those_of_the_vectors(task: Path, tiny_bert: str) -> None:
    options = EncoderOptions(pooling="mean", l2_norm=True)
    new = rerank(task, tiny_bert, exact=True, encoder=options, depth=6)
    encoder = load(tiny_bert, device="cpu", encoder=options)
    for qid, hits in new.items():
        first = [docid for docid, _ in hits[:6]]
        (query,) = encoder.encode_queries([TOPICS[qid]])
        scores = encoder.encode_passages([TEXTS[docid] for docid in first]) @ query
        np.testing.assert_allclose([score for _, score in hits[:6]], scores, atol=1e-4)
        assert all(np.diff(scores) <= 1e-5)


def test_exact_scores_of_the_index_s_own_model_change_nothing(place: Path, tmp_path: Path) -> None:
    topics, runs = place / "topics.tsv", [tmp_path / "searched.txt", tmp_path / "exact.txt"]
    searched = search_topics(place / "index", topics, output=runs[0], hits=20)
    rerank_run(
        searched,
        topics,
        place / "corpus.jsonl",
        model=place / "model",
        exact=True,
        depth=15,
        device="cpu",
        cache=tmp_path,
        output=runs[1],
    )
    before, after = map(hits_of, runs)
    for qid, hits in before.items():
        np.testing.assert_allclose(
            [score for _, score in after[qid][:15]], [score for _, score in hits[:15]], atol=1e-4
        )
        assert after[qid][15][1] < after[qid][14][1]
        assert [docid for docid, _ in after[qid][15:]] == [docid for docid, _ in hits[15:]]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reranking, "PAIRS", HITS)


class StoppedHereError(Exception):
    pass


def stop_after(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    """Lets scoring end after some blocks."""
    score, left = reranking.CrossScorer.score, iter(range(blocks))

    def scored(self: Any, pairs: Any) -> list[float]:
        if next(left, None) is None:
            raise StoppedHereError
        return score(self, pairs)

    monkeypatch.setattr(reranking.CrossScorer, "score", scored)


@pytest.mark.usefixtures("small_blocks")
def test_an_interrupted_call_resumes(
    task: Path, cross_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rerank(task, cross_encoder, "whole.txt")
    partial = task / ".new.txt.partial"
    for torn in (b"", b'{"qids": ["q4"], "sc', b'{"qids": ["q5"], "scores": [[1.0]]}\n'):
        with monkeypatch.context() as patch:
            stop_after(patch, 4)
            with pytest.raises(StoppedHereError):
                rerank(task, cross_encoder)
        assert not (task / "new.txt").exists()
        assert partial.read_bytes().count(b"\n") == 4
        with partial.open("ab") as file:
            file.write(torn)
        with monkeypatch.context() as patch:
            stop_after(patch, QUERIES - 4)  # what is done is not scored again
            assert rerank(task, cross_encoder) == whole
        assert leftovers(task) == []
        (task / "new.txt").unlink()


@pytest.mark.usefixtures("small_blocks")
def test_other_settings_do_not_resume(
    task: Path, make_cross_encoder: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_cross_encoder()
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(StoppedHereError):
            rerank(task, model)
    others: list[tuple[dict[str, Any], str]] = [
        ({"depth": 3}, "depth: 100 -> 3"),
        ({"template": "{text}"}, "template"),
        ({"encoder": EncoderOptions(max_length=30)}, "max length: 40 -> 30"),
        ({"model": make_cross_encoder(bias=0.5)}, "model.safetensors"),
    ]
    for other, said in others:
        with pytest.raises(I3Error, match="begun with other settings") as refused:
            rerank(task, **{"model": model, **other})
        assert said in str(refused.value)
    (task / "topics.tsv").write_text(
        (task / "topics.tsv").read_text(encoding="utf-8").replace("\t", "\thot "), encoding="utf-8"
    )
    with pytest.raises(I3Error, match="queries and hits: "):
        rerank(task, model)
    assert len(rerank(task, model, overwrite=True)) == QUERIES


@pytest.mark.slow
def test_a_killed_command_resumes(
    task: Path, cross_encoder: str, run_module: Callable[..., Any]
) -> None:
    """Of blocks of 1,600 pairs: 700 queries of 8 hits are four."""
    topics = {f"q{n}": f"{' '.join(WORDS[n % 20 : n % 20 + 4])}" for n in range(700)}
    write_run(task, topics)
    inputs = ("rerank", task / "run.txt", task / "topics.tsv", task / "corpus.jsonl")
    words = (*inputs, "--model", cross_encoder, "--max-length", 40, "--device", "cpu")
    killed, whole = ("--output", task / "killed.txt"), ("--output", task / "whole.txt")
    partial = task / ".killed.txt.partial"
    command = [sys.executable, "-m", "i3_pyserini", *map(str, (*words, *killed))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while not (partial.exists() and partial.stat().st_size):
            assert process.poll() is None
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and not (task / "killed.txt").exists()
    done = run_module("i3_pyserini", *words, *killed)
    assert done.returncode == 0, done.stderr
    assert "were scored before), 5,600 pairs scored by" in done.stdout
    assert run_module("i3_pyserini", *words, *whole).returncode == 0
    assert (task / "killed.txt").read_bytes() == (task / "whole.txt").read_bytes()
    assert leftovers(task) == []


def test_mistakes(task: Path, cross_encoder: str, make_cross_encoder: Callable[..., str]) -> None:
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"depth": 0}, "depth is 0, must be at least 1"),
        ({"tag": "a b"}, "contains white space"),
        ({"encoder": EncoderOptions(pooling="mean")}, "pooling: not an option of a cross-encoder"),
        ({"encoder": EncoderOptions(max_length=161)}, "has only 160 positions"),
        ({"template": "{body}"}, "must contain {text}"),
        ({"model": str(task / "absent")}, "absent"),
        ({"model": make_cross_encoder(bias=float("nan"))}, "is nan"),
        ({"name": "run.txt"}, "exists"),
        ({"name": "run.txt", "overwrite": True}, "is given twice"),
        ({"name": "topics.tsv", "overwrite": True}, "is given twice"),
    ]
    for options, said in mistakes:
        with pytest.raises(I3Error) as refused:
            rerank(task, **{"model": cross_encoder, **options})
        assert said in str(refused.value)
    run = (task / "run.txt").read_text(encoding="utf-8")
    for more, said in (
        ("q9 Q0 p01 1 1 t\n", "query 'q9' not in "),
        ("q0 Q0 p99 9 1 t\n", "passage 'p99' of query 'q0' is not in "),
    ):
        (task / "run.txt").write_text(run + more, encoding="utf-8")
        with pytest.raises(I3Error, match=said):
            rerank(task, cross_encoder)
    assert not (task / "new.txt").exists() and leftovers(task) == []


def test_queries_without_hits_are_noted(
    task: Path, cross_encoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (task / "topics.tsv").open("a", encoding="utf-8") as file:
        file.write("q9\thot eggs\n")
    rerank(task, cross_encoder, tag="mine")
    assert "note: " in capsys.readouterr().err
    assert {
        line.split()[5] for line in (task / "new.txt").read_text(encoding="utf-8").splitlines()
    } == {"mine"}

"""The command lines as a user meets them: what they print, and how they end."""

import json
from pathlib import Path

import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.model.original import save_original
from tests.conftest import Done, Run


@pytest.fixture
def checkpoint(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> Path:
    save_original(tiny_model[0], tmp_path / "III.p")
    return tmp_path / "III.p"


@pytest.fixture
def directory(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> Path:
    save_model_directory(*tiny_model, tmp_path / "model")
    return tmp_path / "model"


def refused(done: Done) -> str:
    """The one line that a refused command prints."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_convert_there_and_back(
    run_module: Run, checkpoint: Path, tiny_bert: str, tmp_path: Path
) -> None:
    model, back = tmp_path / "converted", tmp_path / "back.p"
    there = (
        "i3_pyserini",
        "model",
        "convert",
        checkpoint,
        "--backbone",
        tiny_bert,
        "--output",
        model,
    )
    done = run_module(*there)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"wrote {model}: I³ model" in done.stdout
    assert f"--encoder {model}/query_encoder --encoder-class auto" in done.stdout
    assert "exists and is not empty" in refused(run_module(*there))
    run_module("i3_pyserini", "model", "convert", model, "--reverse", "--output", back, check=True)
    original, again = (torch.load(file, weights_only=True) for file in (checkpoint, back))
    assert original.keys() == again.keys()
    assert all(torch.equal(original[name], again[name]) for name in original)


def test_convert_refuses(run_module: Run, checkpoint: Path, tiny_bert: str, tmp_path: Path) -> None:
    output = ("--output", tmp_path / "converted")
    command = ("i3_pyserini", "model", "convert")
    assert "backbone is required" in refused(run_module(*command, checkpoint, *output))
    wrong = refused(run_module(*command, checkpoint, "--backbone", tmp_path / "no", *output))
    assert "no such directory" in wrong
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    cut = refused(run_module(*command, checkpoint, "--backbone", tiny_bert, *output))
    assert cut.startswith(f"error: {checkpoint}: truncated")
    assert not (tmp_path / "converted").exists()


def test_explain(run_module: Run, directory: Path, tmp_path: Path) -> None:
    command = ("i3_pyserini", "model", "explain", directory)
    done = run_module(*command, "--text", "eggs", "--title", "boil", "--top", 3, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["rank", "word", "weight", "positions"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "7", "title": "boil", "contents": "eggs"}\n', encoding="utf-8")
    done = run_module(*command, "--corpus", corpus, "--docid", 7, "--json", "--top", 3, check=True)
    answer = json.loads(done.stdout)
    assert answer["trained"] is False and "never trained" in done.stderr
    assert (answer["docid"], answer["title"], answer["text"]) == ("7", "boil", "eggs")
    assert [word["word"] for word in answer["words"]] == [line.split()[1] for line in lines[1:]]


def test_explain_refuses(run_module: Run, directory: Path, tmp_path: Path) -> None:
    command = ("i3_pyserini", "model", "explain", directory)
    assert "either as text" in refused(run_module(*command))
    assert "either as text" in refused(run_module(*command, "--text", "a", "--docid", "1"))
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(b'{"id": "1", "text": "\xfe"}\n')
    message = refused(run_module(*command, "--corpus", corpus, "--docid", "1"))
    assert f"{corpus}, line 1: not valid UTF-8" in message
    missing = refused(run_module("i3_pyserini", "model", "explain", tmp_path / "no", "--text", "a"))
    assert "no such directory" in missing
    assert "top is 0" in refused(run_module(*command, "--text", "a", "--top", 0))


def test_explain_refuses_a_plain_dual_encoder(
    run_module: Run, tiny_bert: str, tmp_path: Path
) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interaction="none")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "plain")
    done = run_module("i3_pyserini", "model", "explain", tmp_path / "plain", "--text", "a")
    assert "has no query reconstructor" in refused(done)


def test_usage_errors_and_help(run_module: Run) -> None:
    for command in ("convert", "explain"):
        assert run_module("i3_pyserini", "model", command, "--help").returncode == 0
        assert run_module("i3_pyserini", "model", command).returncode == 2

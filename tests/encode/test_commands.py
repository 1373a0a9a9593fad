import json
from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.__main__ import split_sections
from i3_pyserini.errors import I3Error
from tests.conftest import Done, Run


def test_sections() -> None:
    sections = split_sections(
        "input --corpus input --fields a b output --embeddings output --to-faiss "
        "encoder --encoder encoder --fp16".split()
    )
    assert sections == {
        "input": ["--corpus", "input", "--fields", "a", "b"],
        "output": ["--embeddings", "output", "--to-faiss"],
        "encoder": ["--encoder", "encoder", "--fp16"],
    }
    for wrong, said in (
        ("--corpus a", "expected one of input, output, encoder first"),
        ("input --corpus a output --embeddings b", "needs 'encoder' too"),
        ("input output encoder input", "'input' is given twice"),
    ):
        with pytest.raises(I3Error, match=said):
            split_sections(wrong.split())


def test_encode_and_what_it_refuses(
    run_module: Run, tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    save_model_directory(*tiny_model, tmp_path / "model")
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        '{"id": "1", "title": "eggs", "text": "boil"}\n{"id": "2", "text": "fry"}\n',
        encoding="utf-8",
    )

    def encode(output: str, *more: str) -> Done:
        return run_module(
            "i3_pyserini.encode",
            *("input", "--corpus", corpus),
            *("output", "--embeddings", tmp_path / output, "--to-faiss"),
            *("encoder", "--encoder", tmp_path / "model", *more),
        )

    done = encode("index")
    assert done.returncode == 0, done.stderr
    assert "2 passages of 32 dimensions" in done.stdout
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model"]["class"] == "i3"
    assert manifest["titles"] is True

    corpus.write_text('{"id": "1", "text": "boil"}\n{"id": "1", "text": "fry"}\n', encoding="utf-8")
    for output, flags, said in (
        ("other", ("--dtype", "fp16", "--device", "cpu"), "fp16 is for GPUs; on a CPU use"),
        ("other", ("--devices", "cpu,cuda:9"), "--device cuda:9 is not usable"),
        ("other", ("--batch-tokens", "0"), "batch_tokens is 0"),
        ("index", (), "exists and is not empty"),
        ("other", (), f"{corpus}, line 2: id '1' occurs a second time"),
        ("other", ("--device", "cuda:9"), "--device cuda:9 is not usable"),
        ("other", ("--batch-size", "0"), "batch_size is 0"),
    ):
        done = encode(output, *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".*"))


def test_estimate_says_what_the_whole_will_cost(
    run_module: Run, tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    save_model_directory(*tiny_model, tmp_path / "model")
    corpus = tmp_path / "corpus.jsonl"
    lines = [f'{{"id": "{number:05}", "text": "boil an egg in water"}}\n' for number in range(9000)]
    corpus.write_text("".join(lines), encoding="utf-8")
    done = run_module(
        "i3_pyserini.encode",
        *("input", "--corpus", corpus, "output", "--embeddings", tmp_path / "index", "--to-faiss"),
        *("encoder", "--encoder", tmp_path / "model", "--device", "cpu", "--estimate"),
    )
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["sample", "collection", "time", "disk", "memory"]
    assert "about 9,000 passages in" in done.stdout
    # 9,000 vectors of 32 numbers, twice, with 16 bytes an id: 2.592 MB.
    assert "2.59MB until" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("i")] == []


def test_help_needs_no_model(run_module: Run) -> None:
    assert "--to-faiss" in run_module("i3_pyserini.encode", "--help").stdout
    assert run_module("i3_pyserini", "encode-topics", "--help").returncode == 0

"""Corpora of unusual forms, through commands as a user calls them."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.formats.forms import PASSAGES, Form

TABLE = ("--encoding", "cp1252", "--column-delimiter", ";")


@pytest.fixture
def faq(tmp_path: Path) -> Path:
    corpus = tmp_path / "faq [1].csv"
    corpus.write_bytes('sku;name;body\n7;Über;hot egg\nb;;"water; plant"\n'.encode("cp1252"))
    return corpus


def encode(run: Run, model: str, corpus: Path, index: Path, *options: str) -> str:
    done = run(
        "i3_pyserini.encode",
        *("input", "--corpus", corpus, *options),
        *("output", "--embeddings", index, "--to-faiss"),
        *("encoder", "--encoder", model, "--encoder-class", "auto"),
        check=True,
    )
    return str(done.stderr)


def test_an_unusual_table(run_module: Run, tiny_bert: str, faq: Path, tmp_path: Path) -> None:
    index = tmp_path / "index [1]"
    fields = ("--docid-field", "sku", "--fields", "name", "body")
    encode(run_module, tiny_bert, faq, index, *TABLE, *fields)
    assert (index / "docid").read_text(encoding="utf-8") == "7\nb\n"
    known = json.loads((index / "manifest.json").read_text(encoding="utf-8"))["corpus"]
    assert known["table"] == {"delimiter": ";", "encoding": "cp1252"}
    verified = run_module("i3_pyserini", "index", "verify", index, "--corpus", faq, check=True)
    assert "the same 2 ids in the same order" in verified.stdout
    done = run_module("i3_pyserini", "data", "import", faq, "--output", tmp_path / "no")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "line 2: not valid UTF-8 at byte 3" in done.stderr and "--encoding" in done.stderr


def test_import_of_an_unusual_table(run_module: Run, faq: Path, tmp_path: Path) -> None:
    names = ("--docid-field", "sku", "--title-field", "name", "--text-field", "body")
    words = ("data", "import", faq, "--output", tmp_path / "ours")
    table = ("--encoding", "cp1252", "--delimiter", ";")
    run_module("i3_pyserini", *words, *table, *names, check=True)
    lines = (tmp_path / "ours" / "corpus" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["hot egg", "water; plant"]


@pytest.mark.slow
def test_several_devices_read_a_compressed_table(
    run_module: Run, tiny_bert: str, tmp_path: Path
) -> None:
    found = []
    for number, form in enumerate([Form(".jsonl"), Form(".parquet", compression="gzip")]):
        index = tmp_path / str(number)
        done = run_module(
            "i3_pyserini.encode",
            *("input", "--corpus", form.write(tmp_path)),
            *("output", "--embeddings", index, "--to-npy"),
            *("encoder", "--encoder", tiny_bert, "--devices", "cpu,cpu"),
            check=True,
        )
        assert f"{len(PASSAGES)} passages" in done.stdout
        found.append((index / "embeddings.npy").read_bytes())
    assert found[0] == found[1]


def test_a_beir_folder_and_a_dangling_link(run_module: Run, tiny_bert: str, tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        '{"_id": "a", "title": "", "text": "egg"}\n', encoding="utf-8"
    )
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "egg"}\n', encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq\ta\t1\n", encoding="utf-8"
    )
    said = encode(run_module, tiny_bert, folder, tmp_path / "index")
    assert (tmp_path / "index" / "docid").read_text(encoding="utf-8") == "a\n"
    assert f"note: {folder}: not read: qrels/, queries.jsonl" in said
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl").symlink_to(tmp_path / "gone")
    refused = run_module(
        "i3_pyserini", "model", "explain", tiny_bert, "--corpus", folder, "--docid", "a"
    )
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: {folder / 'corpus.jsonl'}: cannot be read (No such file or directory)\n"
    )

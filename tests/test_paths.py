"""A path is a path: no command reads another file than the one that is named, whatever its name.

Beside each folder lies another whose name the first one's matches where it is taken for a pattern.
"""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.runs import read_run
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.model.export import load_model_directory, save_model_directory
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.bm25 import SqliteBm25

WORDS = ("water", "egg", "plant light", "photosynthesis", "how long to boil")
# Names, and for each one that it stands for as a pattern, or after its escapes are taken away.
NAMES = {
    "ix[1]": "ix1",
    "ix*?": "ix23",
    "a b  c": "a",
    "#h%20?x=1": "#h x=1",
    "é中 ü": "e中 ü",
    "{a,b}$HOME~": "a",
}
Command = Callable[..., str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process and returns what it printed."""

    def run(module: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        capsys.readouterr()
        try:
            importlib.import_module(module).main()
        except SystemExit as end:
            assert not end.code
        return capsys.readouterr().out

    return run


def fill(folder: Path, model: str, ids: str) -> None:
    """A model, a corpus, topics and judgements; passage N of the corpus is topic N."""
    (folder / "corpus").mkdir(parents=True)
    shutil.copytree(model, folder / "model")
    passages = [
        json.dumps({"id": f"{ids}{number}", "title": "", "text": text})
        for number, text in enumerate(WORDS)
    ]
    (folder / "corpus" / "c.jsonl").write_text("\n".join(passages) + "\n", encoding="utf-8")
    topics = [f"q{number}\t{text}" for number, text in enumerate(WORDS)]
    (folder / "topics.tsv").write_text("\n".join(topics) + "\n", encoding="utf-8")
    judged = [f"q{number} 0 {ids}{number} 1" for number in range(len(WORDS))]
    (folder / "qrels.txt").write_text("\n".join(judged) + "\n", encoding="utf-8")


def encode(command: Command, folder: Path, target: Path, *flags: object) -> None:
    command(
        "i3_pyserini.encode.__main__",
        *("input", "--corpus", folder / "corpus"),
        *flags,
        *("output", "--embeddings", target, "--to-faiss"),
        *("encoder", "--encoder", folder / "model", "--encoder-class", "auto", "--device", "cpu"),
    )


def ids_of(run: Path) -> set[str]:
    return {docid[0] for docid in read_run(run).frame["doc_id"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_step_in_a_folder_of_an_odd_name(
    tmp_path: Path, tiny_bert: str, name: str, command: Command
) -> None:
    folder, other = tmp_path / name, tmp_path / NAMES[name]
    fill(folder, tiny_bert, "d")
    fill(other, tiny_bert, "x")
    index = folder / name
    encode(command, folder, index)
    encode(command, other, other / NAMES[name])
    assert list(Searcher(index).docids) == [f"d{number}" for number in range(len(WORDS))]
    assert IndexDirectory.open(index).manifest.corpus.path == str(folder / "corpus")
    assert "none twice" in command("i3_pyserini.__main__", "index", "verify", index)

    for shard in range(2):
        flags = ("--shard-id", shard, "--shard-num", 2)
        encode(command, folder, folder / f"{name}-{shard}", *flags)
    shards = [folder / f"{name}-{shard}" for shard in range(2)]
    command("i3_pyserini.__main__", "index", "merge", *shards, "--output", folder / "merged")
    for file in ("index", "docid"):
        assert (folder / "merged" / file).read_bytes() == (index / file).read_bytes()

    topics, qrels = folder / "topics.tsv", folder / "qrels.txt"
    runs = [folder / f"{name}.run", folder / "second.run", folder / "fused.run"]
    queries = folder / f"queries {name}"
    named = ("--topics", topics, "--index", index, "--output", queries)
    command("i3_pyserini.__main__", "encode-topics", *named)
    search = ("i3_pyserini.search.__main__", "--index", index, "--topics", topics, "--output")
    command(*search, runs[0])
    command(*search, runs[1], "--encoded-queries", queries)
    assert runs[0].read_bytes() == runs[1].read_bytes()
    command("i3_pyserini.__main__", "fuse", *runs[:2], "--output", runs[2])
    for run in runs:
        assert ids_of(run) == {"d"}
        assert "1.0000" in command("i3_pyserini.eval.__main__", qrels, run, "--measures", "R@5")

    command(
        "i3_pyserini.__main__",
        *("index", "build", index, "--output", folder / f"{name}.sq8", "--type", "sq8"),
    )
    command(*search[:1], "--index", folder / f"{name}.sq8", *search[3:], folder / "sq8.run")
    assert ids_of(folder / "sq8.run") == {"d"}
    assert not [path.name for path in folder.rglob(".*")]  # nothing is left half-written


@pytest.mark.parametrize("name", NAMES)
def test_collections_in_a_folder_of_an_odd_name(
    tmp_path: Path, tiny_bert: str, name: str, command: Command
) -> None:
    folder, other = tmp_path / name, tmp_path / NAMES[name]
    fill(folder, tiny_bert, "d")
    fill(other, tiny_bert, "x")
    encode(command, folder, folder / name)
    topics, qrels, corpus = folder / "topics.tsv", folder / "qrels.txt", folder / "corpus"
    mined = folder / f"{name}.tsv"
    command(
        "i3_pyserini.__main__",
        *("data", "mine", "--index", folder / name, "--topics", topics, "--qrels", qrels),
        *("--corpus", corpus, "--output", mined, "--depth", "1-3", "--device", "cpu"),
    )
    assert "d" in mined.read_text(encoding="utf-8") and "x" not in mined.read_text(encoding="utf-8")
    run = folder / f"{name}.run"
    command(
        "i3_pyserini.search.__main__",
        *("--index", folder / name, "--topics", topics, "--output", run),
    )
    (other / "run").write_text("q0 Q0 d1 1 2.0 t\n", encoding="utf-8")
    shown = command(
        "i3_pyserini.__main__",
        *("diff", qrels, run, other / "run", "--topics", topics, "--corpus", corpus),
    )
    assert shown
    command(
        "i3_pyserini.__main__",
        *("data", "import", corpus / "c.jsonl", "--topics", f"dev={topics}"),
        *("--qrels", f"dev={qrels}", "--output", folder / f"new {name}"),
    )
    command("i3_pyserini.__main__", "data", "check", folder / f"new {name}")
    imported = (folder / f"new {name}" / "corpus" / "corpus.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["id"][0] for line in imported.splitlines()] == ["d"] * len(WORDS)


@pytest.mark.parametrize("name", NAMES)
def test_models_and_stores_in_a_folder_of_an_odd_name(
    tmp_path: Path, tiny_model: tuple[I3Retriever, I3Tokenizer], tiny_bert: str, name: str
) -> None:
    folder, other = tmp_path / name, tmp_path / NAMES[name]
    fill(folder, tiny_bert, "d")
    fill(other, tiny_bert, "x")
    for file in (folder / name, other / NAMES[name]):
        save_model_directory(*tiny_model, file, overwrite=True)
    model, _ = load_model_directory(folder / name)
    assert model.config.hidden_size == load_query_encoder(str(folder / name)).dimension
    store = open_store(folder / "corpus" / "c.jsonl")
    assert [docid for docid, _ in SqliteBm25(store).search("water", 3)] == ["d0"]

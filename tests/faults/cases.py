"""The commands that write, each with tiny inputs that it needs seconds for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModel

from i3_pyserini.cli import run
from tests.conftest import make_tokenizer, tiny_bert_config
from tests.letters import write_collection

OUT = "out"  # what a command may write into; its inputs are beside it
RECIPE = {
    "output": f"{OUT}/model",
    "model": {"init": "model"},
    "data": {
        "collection": "data/corpus",
        "queries": "data/topics.train.tsv",
        "qrels": "data/qrels.train.txt",
        "cache": OUT,
    },
    "reconstruction": {"targets": "query", "passages": "positives"},
    "training": {
        "max_steps": 6,
        "batch_size": 4,
        "passages_per_query": 1,
        "checkpoint_steps": 2,
        "logging_steps": 1,
        "workers": 0,
    },
}


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        name: of its row.
        words: what follows `i3-pyserini`.
        random: patterns of files whose bytes differ from run to run, as they have times in them.
        growing: files that are visible before they are complete.
    """

    name: str
    words: Sequence[str]
    random: Sequence[str] = ()
    growing: Sequence[str] = ()


ENCODE = ("encode", "data/corpus", "--model", "model", "--devices", "cpu")
MINE = ("data", "mine", "data/topics.train.tsv", "data/qrels.train.txt", "data/corpus")
MADE = ("*.ir_metadata.yaml",)
CASES = (
    Case("encode", (*ENCODE, "--output", f"{OUT}/index")),
    Case("encode, npy", (*ENCODE, "--kind", "npy", "--output", f"{OUT}/index")),
    Case("encode, jsonl", (*ENCODE, "--kind", "jsonl", "--output", f"{OUT}/index")),
    Case(
        "encode, update",
        (*ENCODE[:1], "more.jsonl", *ENCODE[2:], "--update", "index", "--output", f"{OUT}/index"),
    ),
    Case("encode-topics", ("encode-topics", "data/topics.test.tsv", "--model", "model")),
    Case("search", ("search", "index", "data/topics.test.tsv", "--output", f"{OUT}/run"), MADE),
    Case(
        "bm25",
        (
            *("bm25", "data/corpus", "data/topics.test.tsv", "--engine", "sqlite"),
            *("--index", f"{OUT}/bm25", "--output", f"{OUT}/run"),
        ),
        MADE,
    ),
    Case("fuse", ("fuse", "run", "bm25.run", "--output", f"{OUT}/run"), MADE),
    Case(
        "report", ("report", "data/qrels.test.txt", "run", "bm25.run", "--output", f"{OUT}/a.html")
    ),
    Case("train", ("train", "recipe.json"), ("log.jsonl", "state.pt", "events*", "README.md")),
    Case("model create", ("model", "create", "backbone", "--output", f"{OUT}/model")),
    Case("model export", ("model", "export", "model", "--output", f"{OUT}/onnx")),
    Case("index import", ("index", "import", "index", "--output", f"{OUT}/index")),
    Case("index export", ("index", "export", "index", "--to", "parquet", "--output", f"{OUT}/a")),
    Case("index merge", ("index", "merge", "shard-0", "shard-1", "--output", f"{OUT}/index")),
    Case("index build", ("index", "build", "index", "--type", "sq8", "--output", f"{OUT}/index")),
    Case("data chunk", ("data", "chunk", "data/corpus", "--by", "tokens", "--size", "8")),
    Case("data import", ("data", "import", "more.jsonl", "--output", f"{OUT}/data")),
    Case("data queries", ("data", "queries", "data/corpus", "--source", "first-sentences")),
    Case("data mine", (*MINE, "--run", "bm25.train.run", "--cache", OUT)),
    Case("data mine, index", (*MINE, "--index", "index", "--cache", OUT)),
)


def words_of(case: Case) -> list[str]:
    """The command line; what names no output has the usual one."""
    if OUT in " ".join(case.words).replace("--cache out", "") or case.name == "train":
        return list(case.words)
    return [*case.words, "--output", f"{OUT}/made"]


def make_inputs(folder: Path) -> None:
    """Writes what the commands read, in the working directory that they will have."""
    torch.manual_seed(1)
    AutoModel.from_config(tiny_bert_config()).save_pretrained(folder / "backbone")
    names = ("pad", "unk", "cls", "sep", "mask")
    special = {name: f"[{name.upper()}]" for name in names}
    make_tokenizer("[CLS] $A [SEP]", special).save_pretrained(folder / "backbone")
    run(["model", "create", "backbone", "--output", "model"])
    write_collection(folder / "data")
    lines = (folder / "data/corpus/corpus.jsonl").read_text(encoding="utf-8")
    more = json.dumps({"id": "new", "title": "na", "text": "a new one"})
    (folder / "more.jsonl").write_text(f"{lines}{more}\n", encoding="utf-8")
    (folder / "recipe.json").write_text(json.dumps(RECIPE), encoding="utf-8")
    run([*ENCODE, "--output", "index"])
    for shard in "01":
        run([*ENCODE, "--output", f"shard-{shard}", "--shard-id", shard, "--shard-num", "2"])
    run(["search", "index", "data/topics.test.tsv", "--output", "run"])
    for part, name in (("test", "bm25.run"), ("train", "bm25.train.run")):
        words = ["bm25", "data/corpus", f"data/topics.{part}.tsv", "--engine", "sqlite"]
        run([*words, "--index", "words", "--output", name])

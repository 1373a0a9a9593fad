"""What the commands read, all of it tiny: made once, in another process."""

import csv
import gzip
import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.get.conftest import OFFICIAL, QRELS, QUERIES, TITLED, catalog
from tests.data.server import Site, serving
from tests.faults.cases import ENCODE, MAKE, RECIPE
from tests.letters import write_collection

WORDS = list(enumerate(["red", "green", "blue", "white", "black", "grey", "brown", "pink"]))


@contextmanager
def making_inputs(kept: Path | None = None) -> Iterator[Path]:
    """A folder with the inputs, and a server of data, while the block lasts.

    Both are made by another process, so that this one has no threads and stays able to fork.

    Args:
        kept: a folder to keep the inputs in, or that has them already.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name) if kept is None else kept.resolve()
        folder.mkdir(exist_ok=True)
        ready, stop = os.pipe(), os.pipe()
        process = os.fork()
        if not process:
            _work(folder, ready[1], stop)
        os.close(ready[1])
        os.close(stop[0])
        try:
            if os.read(ready[0], 1) != b"1":
                said = (folder / "log").read_text(encoding="utf-8")
                raise SystemExit(f"the inputs could not be made: {said}")
            yield folder
        finally:
            os.close(stop[1])
            os.waitpid(process, 0)


def _work(folder: Path, ready: int, stop: tuple[int, int]) -> None:
    """The other process; does not return."""
    os.close(stop[1])
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        if not (folder / "catalog.json").exists():
            make_inputs(folder)
        site = Site(
            {
                "/official.tar.gz": OFFICIAL,
                "/titled.tar.gz": TITLED,
                "/queries.tsv.gz": gzip.compress(QUERIES.encode(), mtime=0),
                "/qrels.txt": QRELS.encode(),
            }
        )
        with serving(site) as running:
            text = json.dumps(catalog(running))
            (folder / "catalog.json").write_text(text, encoding="utf-8")
            os.write(ready, b"1")
            os.read(stop[0], 1)  # until the other process is done with them
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def make_inputs(folder: Path) -> None:
    """Writes what the commands read, in the working directory that they will have."""
    from i3_pyserini.cli import run
    from i3_pyserini.model.original import save_original
    from i3_pyserini.model.retriever import I3Retriever

    _write_models(folder)
    _write_texts(folder)
    run(["model", "create", "backbone", "--output", "model"])
    save_original(I3Retriever.from_backbone("backbone", interactor_init="original"), Path("I3.p"))
    run(["model", "convert", "I3.p", "--backbone", "backbone", "--output", "original"])
    run([*ENCODE.split(), "--output", "index"])
    for shard in "01":
        run(
            [*ENCODE.split(), "--output", f"shard-{shard}", "--shard-id", shard, "--shard-num", "2"]
        )
    run(["index", "build", "index", "--type", "hnsw", "--output", "graph"])
    run(["encode-topics", "data/topics.test.tsv", "--model", "model", "--output", "queries"])
    run(["search", "index", "data/topics.test.tsv", "--output", "run"])
    for part, name in (("test", "bm25.run"), ("train", "bm25.train.run")):
        words = ["bm25", "data/corpus", f"data/topics.{part}.tsv", "--engine", "sqlite"]
        run([*words, "--index", "words", "--output", name])
    run([*MAKE.split(), "--output", "made"])
    mine = ["data", "mine", "data/topics.train.tsv", "data/qrels.train.txt", "data/corpus"]
    run([*mine, "--run", "bm25.train.run", "--output", "negatives.tsv"])
    pool = ["eval", "pool", "run", "bm25.run", "--topics", "data/topics.test.tsv"]
    run([*pool, "--corpus", "data/corpus", "--output", "empty.csv"])
    _judge(folder)


def _write_models(folder: Path) -> None:
    """A backbone, and a cross-encoder with the same tokenizer."""
    import torch
    from transformers import AutoModel, BertForSequenceClassification

    from tests.conftest import make_tokenizer, tiny_bert_config

    torch.manual_seed(1)
    names = ("pad", "unk", "cls", "sep", "mask")
    special = {name: f"[{name.upper()}]" for name in names}
    config = tiny_bert_config()
    AutoModel.from_config(config).save_pretrained(folder / "backbone")
    make_tokenizer("[CLS] $A [SEP]", special).save_pretrained(folder / "backbone")
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(folder / "teacher")
    make_tokenizer("[CLS] $A [SEP]", special).save_pretrained(folder / "teacher")


def _write_texts(folder: Path) -> None:
    write_collection(folder / "data")
    shutil.copytree(folder / "data", folder / "splits")
    lines = (folder / "data/corpus/corpus.jsonl").read_text(encoding="utf-8").splitlines()
    other = json.dumps({"id": "new", "title": "na", "text": "a new one"})
    for name, own in (("more", [*lines, other]), ("fewer", [*lines[:5], *lines[7:], other])):
        (folder / f"{name}.jsonl").write_text("\n".join(own) + "\n", encoding="utf-8")
    (folder / "recipe.json").write_text(json.dumps(RECIPE), encoding="utf-8")
    texts = [f"The word number {word} is here. The {word} one has {n}." for n, word in WORDS]
    passages = [json.dumps({"id": f"s{n}", "title": "na", "text": t}) for n, t in enumerate(texts)]
    (folder / "sentences.jsonl").write_text("\n".join(passages) + "\n", encoding="utf-8")
    np.save(folder / "own.npy", np.random.default_rng(1).normal(size=(30, 8)).astype(np.float32))
    (folder / "own.txt").write_text("".join(f"d{n}\n" for n in range(30)), encoding="utf-8")
    hits = [f"q{q} Q0 d{n % 5}#{n} {n + 1} {9 - n} x\n" for q in range(3) for n in range(8)]
    (folder / "windows.run").write_text("".join(hits), encoding="utf-8")
    pairs = [{"query": f"query {n}", "positive": f"a passage of number {n}"} for n in range(9)]
    text = "".join(json.dumps(pair) + "\n" for pair in pairs)
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")


def _judge(folder: Path) -> None:
    """Fills in the table that a person would."""
    with (folder / "empty.csv").open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    with (folder / "pool.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "relevance": number % 2} for number, row in enumerate(rows))

"""The real stock commands, in subprocesses, on an index and a model of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.faiss_library import faiss
from i3_pyserini.stock.java import find_java, java_environment
from tests.conftest import Done, Run
from tests.model.st_models import st_model
from tests.stock.small import fill

pytestmark = pytest.mark.skipif(
    find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
)
HITS = 10


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """A model, a corpus of 40 passages and five topics."""
    folder = tmp_path_factory.mktemp("stock")
    fill(folder, tiny_bert, longest="eggs " * 60)
    return folder


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    def run(module: str, *args: object) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, args)],
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=place,
            env={**os.environ, **java_environment(), "HF_HUB_OFFLINE": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done

    return run


def encode(run: Run, module: str, encoder: list[str], embeddings: str, *flags: str) -> None:
    run(
        *module.split(),
        *("input", "--corpus", "corpus.jsonl", "--fields", "title", "text"),
        *("output", "--embeddings", embeddings, *flags),
        *("encoder", *encoder, "--fields", "title", "text", "--device", "cpu"),
    )


@pytest.fixture(scope="module")
def index(place: Path, run: Run) -> Path:
    encode(run, "i3_pyserini.encode", ["--encoder", "model"], "index", "--to-faiss")
    return place / "index"


def search(run: Run, module: str, output: str, *encoder: str) -> None:
    run(
        *module.split(),
        *("--index", "index", "--topics", "topics.tsv", *encoder),
        *("--output", output, "--hits", HITS),
    )


def ranking(path: Path) -> list[tuple[str, str]]:
    return [
        (line.split()[0], line.split()[2]) for line in path.read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.slow
def test_three_ways_give_the_same_ranking(place: Path, run: Run, index: Path) -> None:
    stock = "pyserini.search.faiss"
    search(run, stock, "plain.txt", "--encoder", "model/query_encoder", "--encoder-class", "auto")
    run(
        "i3_pyserini",
        "encode-topics",
        *("--topics", "topics.tsv", "--model", "model", "--output", "queries", "--index", index),
    )
    search(run, stock, "encoded.txt", "--encoded-queries", "queries")
    plugin = f"i3_pyserini.plugin {stock}"
    search(run, plugin, "plugin.txt", "--encoder", "model", "--encoder-class", "i3")
    plain = ranking(place / "plain.txt")
    assert len(plain) == 5 * HITS
    assert ranking(place / "encoded.txt") == plain
    assert ranking(place / "plugin.txt") == plain


@pytest.mark.slow
def test_stock_encoding_through_the_plugin(place: Path, run: Run, index: Path) -> None:
    plugin = "i3_pyserini.plugin pyserini.encode"
    encoder = ["--encoder", "model", "--encoder-class", "i3", "--dimension", "32"]
    encode(run, plugin, encoder, "plugin-index", "--to-faiss")
    ours, theirs = (
        faiss.read_index(str(place / name / "index")).reconstruct_n(0, 40)
        for name in ("index", "plugin-index")
    )
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert (place / "plugin-index" / "docid").read_text(encoding="utf-8") == (
        index / "docid"
    ).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--pooling", "mean", "--l2-norm", "--prefix", "what"]])
def test_our_auto_class_is_pyserini_s(
    place: Path, run: Run, tiny_bert: str, options: list[str]
) -> None:
    vectors = []
    for module in ("pyserini.encode", "i3_pyserini.encode"):
        name = f"{module}-{len(options)}"
        encode(run, module, ["--encoder", tiny_bert, "--encoder-class", "auto", *options], name)
        lines = (place / name / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
        vectors.append([json.loads(line) for line in lines])
    for stock, ours in zip(*vectors, strict=True):
        assert (ours["id"], ours["contents"]) == (stock["id"], stock["contents"])
        np.testing.assert_allclose(ours["vector"], stock["vector"], atol=1e-5)


@pytest.mark.slow
def test_pyserini_s_searcher_takes_our_encoder(run: Run, index: Path) -> None:
    code = (
        "from i3_pyserini.stock.java import set_java; set_java()\n"
        "from pyserini.search.faiss import FaissSearcher\n"
        "from i3_pyserini.encode.encoders import I3QueryEncoder\n"
        "searcher = FaissSearcher('index', I3QueryEncoder('model', device='cpu'))\n"
        "one = [hit.docid for hit in searcher.search('boil an egg', 5)]\n"
        "many = searcher.batch_search(['boil an egg', 'hot water'], ['a', 'b'], 5)\n"
        "assert [hit.docid for hit in many['a']] == one and len(many['b']) == 5\n"
    )
    place = index.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, cwd=place
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_plugin_refuses_another_model_s_index(
    place: Path, index: Path, tiny_bert: str, run_module: Run
) -> None:
    torch.manual_seed(99)  # other weights than the first model's, whatever ran before
    model = I3Retriever.from_backbone(tiny_bert)
    other = place / "other-model"
    save_model_directory(model, I3Tokenizer.from_pretrained(tiny_bert, model.config), other)
    command = ("i3_pyserini.plugin", "pyserini.search.faiss", "--index", index)
    query = (
        "--topics",
        place / "topics.tsv",
        "--encoder-class",
        "i3",
        "--output",
        place / "no.txt",
    )
    done = run_module(*command, "--encoder", other, *query)
    assert done.returncode == 2
    assert "encoded by another model (model)" in done.stderr
    done = run_module("i3_pyserini.plugin", "pyserini.search.hybrid")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pooling", "way"), [("mean", "--pooling mean --l2-norm"), ("max", "--encoded-queries")]
)
def test_the_command_that_encode_prints_ranks_as_we_do(
    place: Path, run_module: Run, tiny_bert: str, tmp_path: Path, pooling: str, way: str
) -> None:
    length = {"max_seq_length": 64}  # the tokenizer's own, at which stock search cuts queries
    prompts = {"query": "what : "}
    model = st_model(tiny_bert, tmp_path / "m", pooling, prompts=prompts, transformer=length)
    done = run_module(  # without the variables that stock commands need
        *("i3_pyserini.encode", "input", "--corpus", place / "corpus.jsonl"),
        *("output", "--embeddings", tmp_path / "ix", "--to-faiss"),
        *("encoder", "--encoder", model, "--fields", "title", "text", "--device", "cpu"),
    )
    said = "search with stock Pyserini: "
    line = next(line for line in done.stderr.splitlines() if line.startswith(said))
    assert way in line
    command = line.removeprefix(said).replace("topics.tsv", str(place / "topics.tsv"))
    python = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    stock = subprocess.run(
        ["/bin/bash", "-e", "-c", command],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=tmp_path,
        env={**python, "HF_HUB_OFFLINE": "1"},
    )
    assert stock.returncode == 0, stock.stderr[-2000:]
    run_module(
        *("i3_pyserini.search", "--index", tmp_path / "ix", "--topics", place / "topics.tsv"),
        *("--output", tmp_path / "ours.txt"),
    )
    theirs, ours = ranking(tmp_path / "run.txt"), ranking(tmp_path / "ours.txt")
    assert len(ours) == 5 * 40
    assert ours == theirs

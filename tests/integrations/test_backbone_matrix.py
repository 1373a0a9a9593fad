"""What each kind of backbone can do, from `create` to an export: docs/reference/model.md.

Each backbone is tiny and random, with a tokenizer of its kind: decoders have no mask token, and
Llama's has nothing to pad with. The last one has Dense modules behind its pooling, a wide and a
narrow one, as EmbeddingGemma has. Trained, a model must find each of 32 passages by its query,
whose words it has never in common with the passage.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.integrations import export_model
from i3_pyserini.model.config import load_i3_config
from i3_pyserini.model.settings import QUERY_ENCODER
from tests.conftest import DECODERS
from tests.model.backbones import FAMILIES, MakeBackbone
from tests.model.st_models import st_model
from tests.pages import ROOT
from tests.train.task import WORDS

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="needs the extra onnx")
library = pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")

pytestmark = pytest.mark.slow
SIZE = 32
PASSAGES = [" ".join(letters) for count in (1, 2, 3) for letters in combinations(WORDS, count)][
    :SIZE
]
QUERIES = [" ".join(WORDS[letter] for letter in passage.split()) for passage in PASSAGES]
TOLERANCE = 1e-5
DENSE = "gemma3_text, Dense modules"


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def write_task(folder: Path) -> None:
    corpus = [{"id": f"p{n}", "text": text} for n, text in enumerate(PASSAGES)]
    lines = {
        "corpus.jsonl": map(json.dumps, corpus),
        "topics.tsv": (f"q{n}\t{text}" for n, text in enumerate(QUERIES)),
        "qrels.txt": (f"q{n} 0 p{n} 1" for n in range(SIZE)),
    }
    for name, content in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in content), encoding="utf-8")


def train(backbone: str, folder: Path) -> Path:
    recipe = {
        "output": str(folder / "out"),
        "model": {
            "init": backbone,
            "interactor_init": "scaled",
            "layer_init": "auto",
            "reconstruction_head_init": "embeddings",
            "pseudo_query_length": 6,
            "training_pseudo_query_length": 5,
        },
        "data": {
            "collection": str(folder / "corpus.jsonl"),
            "queries": str(folder / "topics.tsv"),
            "qrels": str(folder / "qrels.txt"),
        },
        "loss": {"temperature": 0.05},
        "reconstruction": {"targets": "query", "passages": "positives"},
        "optimizer": {"learning_rate": 2e-3},
        "training": {
            "batch_size": SIZE,
            "passages_per_query": 1,
            "max_steps": 200,
            "workers": 0,
            "precision": "fp32",
        },
    }
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    i3.train_model(path)
    return folder / "out" / "last"


def found_first(model: Path, folder: Path) -> float:
    """RR@10 of the task's queries, encoded, searched and evaluated by the package."""
    index = i3.encode_corpus(folder / "corpus.jsonl", model=model, output=folder / "INDEX")
    run = i3.search_topics(index, folder / "topics.tsv", output=folder / "run.txt")
    table = i3.evaluate(folder / "qrels.txt", [run], measures=["RR@10"]).to_pandas()
    return float(table["value"].iloc[0])


@pytest.mark.parametrize("family", [*FAMILIES, DENSE])
def test_everything_with(family: str, make_backbone: MakeBackbone, tmp_path: Path) -> None:
    pooling = "last" if family in DECODERS else "mean"
    modules = ("Dense:128:linear", "Dense:24:linear", "Normalize")[-3 if family == DENSE else -1 :]
    prompts = {"query": "what is ", "document": "the "}
    kind = family.partition(",")[0]
    plain = make_backbone(FAMILIES[kind])
    backbone = st_model(plain, tmp_path / "b", pooling, modules, prompts=prompts)
    write_task(tmp_path)

    created = i3.create(backbone, output=tmp_path / "CREATED")
    theirs = library.SentenceTransformer(backbone, device="cpu")
    if theirs.tokenizer.pad_token is None:  # without one, the library refuses every text
        theirs.tokenizer.pad_token = theirs.tokenizer.eos_token
    same(created.encode_queries(QUERIES), theirs.encode_query(QUERIES))
    same(created.encode_passages(PASSAGES), theirs.encode_document(PASSAGES))

    model = train(backbone, tmp_path)
    assert found_first(model, tmp_path) == 1.0
    trained = i3.load(model)
    queries, passages = trained.encode_queries(QUERIES), trained.encode_passages(PASSAGES)
    same(np.concatenate([trained.encode_passages([one]) for one in PASSAGES[:5]]), passages[:5])
    assert np.abs(passages - created.encode_passages(PASSAGES)).max() > 0.1

    theirs = library.SentenceTransformer(str(model / QUERY_ENCODER), device="cpu")
    same(theirs.encode_query(QUERIES), queries)
    whole = library.SentenceTransformer(str(model), device="cpu", trust_remote_code=True)
    same(whole.encode_document(PASSAGES), passages)

    export_model(model, output=tmp_path / "ONNX")
    exported = i3.load(tmp_path / "ONNX")
    same(exported.encode_queries(QUERIES), queries)
    same(exported.encode_passages(PASSAGES), passages)

    config = load_i3_config(str(model))
    starts = {"backbone": "copied", "original": "random"}[config.layer_init]
    cells = f"`{config.pseudo_query_positions}` | {starts} | {' | '.join('✓' * 6)}"
    row = f"| `{kind}`{family.removeprefix(kind)} | {cells} |"
    assert row in (ROOT / "docs" / "reference" / "model.md").read_text(encoding="utf-8")

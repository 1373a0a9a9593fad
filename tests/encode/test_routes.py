"""A text's vector does not depend on its batch, its neighbours, the route or the encoder's side."""

import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
)

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder, AutoQueryEncoder
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.encode.query_encoders import NumpyQueryEncoder, load_query_encoder
from i3_pyserini.model.settings import POOLINGS, EncoderSettings
from tests.conftest import PIECES, VOCABULARY, WORDS
from tests.model.odd_tokenizers import KINDS, TEXTS, make_odd_model

TOLERANCE = 1e-5
SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "initializer_range": 0.3,
}
MODELS = {
    "bert": BertConfig(**SIZES, max_position_embeddings=160),
    "distilbert": DistilBertConfig(
        vocab_size=len(VOCABULARY), dim=32, n_heads=4, n_layers=2, hidden_dim=48
    ),
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=162, pad_token_id=0),
    "modernbert": ModernBertConfig(**SIZES, local_attention=16, pad_token_id=0),
}
no_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed (extra: openvino)"
)
WAYS = [
    *((dtype, "torch", pooling) for dtype in ("fp32", "bf16") for pooling in POOLINGS),
    pytest.param("bf16", "openvino", "mean", marks=no_openvino),
]
ODD = ("", " ", "[SEP] [MASK]", "É\u0301 水\t\n", "egg" * 50, "a " * 300, "\u200b", "[PAD] egg")
Encode = Callable[[list[str]], Any]
MakeBackbone = Callable[[PreTrainedConfig], str]


def random_texts(seed: int, count: int = 20) -> list[str]:
    numbers = random.Random(seed)
    pool = [*WORDS, *(piece.removeprefix("##") for piece in PIECES), "Ünknown", "[SEP]", "3.14"]
    texts = [" ".join(numbers.choices(pool, k=numbers.randrange(1, 60))) for _ in range(count)]
    return [*texts, *ODD, *texts[:3]]


def in_random_batches(encode: Encode, texts: list[str], seed: int) -> Any:
    """Vectors of texts that go through an encoder in random order and random batches."""
    numbers = random.Random(seed)
    order = numbers.sample(range(len(texts)), len(texts))
    vectors = [None] * len(texts)
    while order:
        rows, order = order[: (size := numbers.randrange(1, 9))], order[size:]
        for row, vector in zip(rows, encode([texts[row] for row in rows]), strict=True):
            vectors[row] = vector
    return np.array(vectors)


@torch.inference_mode()
def bare(directory: str, texts: list[str], pooling: str, length: int) -> Any:
    """Each text alone, by `AutoTokenizer` and `AutoModel`, as stock Pyserini does."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModel.from_pretrained(directory).eval()
    vectors = []
    for text in texts:
        batch = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        mask = batch["attention_mask"]
        states = model(input_ids=batch["input_ids"], attention_mask=mask)[0][0]
        vector = states[0] if pooling == "cls" else states.mean(dim=0)
        vectors.append((vector / vector.norm()).numpy())
    return np.array(vectors)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", MODELS)
def test_any_encoder(make_backbone: MakeBackbone, name: str, pooling: str, seed: int) -> None:
    directory, texts = make_backbone(MODELS[name]), random_texts(seed)
    settings = EncoderSettings(pooling, True, query_length=50, passage_length=50)
    expected = bare(directory, texts, pooling, 50)
    light = load_query_encoder(directory, settings=settings)
    assert isinstance(light, NumpyQueryEncoder) == (name == "bert")
    routes: dict[str, Encode] = {
        "passages": AutoDocumentEncoder(directory, "cpu", settings=settings).encode,
        "queries": AutoQueryEncoder(directory, "cpu", settings=settings).encode,
        "search": light.encode,
        "search with torch": load_query_encoder(
            directory, device="cpu:0", settings=settings
        ).encode,
    }
    for route, encode in routes.items():
        found = in_random_batches(encode, texts, seed)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, err_msg=route)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("interaction", ["released", "paper", "none"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_i3_models(
    make_backbone: MakeBackbone, tmp_path: Path, pooling: str, interaction: str, seed: int
) -> None:
    backbone, texts = make_backbone(MODELS["bert"]), random_texts(seed)
    model = I3Retriever.from_backbone(
        backbone, interaction=interaction, pooling=pooling, normalize=True
    ).eval()
    tokenizer = I3Tokenizer.from_pretrained(backbone, model.config)
    directory = str(tmp_path / "model")
    save_model_directory(model, tokenizer, directory)
    queries = bare(f"{directory}/query_encoder", texts, pooling, model.config.query_length)
    for route, encode in {
        "model": I3QueryEncoder(directory, "cpu").encode_batch,
        "search": load_query_encoder(directory).encode,
        "query encoder": load_query_encoder(f"{directory}/query_encoder").encode,
    }.items():
        found = in_random_batches(encode, texts, seed)
        np.testing.assert_allclose(found, queries, atol=TOLERANCE, err_msg=route)
    alone = model_batches(model, tokenizer)
    passages = np.concatenate([alone([text]) for text in texts])
    both: list[Encode] = [I3DocumentEncoder(directory, "cpu").encode, alone]
    for one in both:
        found = in_random_batches(one, texts, seed)
        np.testing.assert_allclose(found, passages, atol=TOLERANCE)


def model_batches(model: I3Retriever, tokenizer: I3Tokenizer) -> Encode:
    """Passages as training and explaining encode them: padded by the tokenizer."""

    @torch.inference_mode()
    def encode(texts: list[str]) -> Any:
        vectors = model.encode_passages(**tokenizer.passages(texts))["vectors"]
        assert vectors is not None
        return vectors.numpy()

    return encode


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.model == "bert"])
def test_a_query_is_its_own_passage(kind: str, tmp_path: Path) -> None:
    """Whatever is odd about the tokenizer's files, and whatever transformers makes of them."""
    model = make_odd_model(KINDS[kind], tmp_path / "odd")
    settings = EncoderSettings("mean", True, query_length=20, passage_length=20)
    passages = AutoDocumentEncoder(model, "cpu", settings=settings).encode(TEXTS)
    queries = load_query_encoder(model, settings=settings).encode(TEXTS)
    np.testing.assert_allclose((queries * passages).sum(axis=1), 1, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "backend", "pooling"), WAYS)
def test_unit_length_of_any_encoder(
    make_backbone: MakeBackbone, pooling: str, backend: str, dtype: str
) -> None:
    directory = make_backbone(MODELS["bert"])
    settings = EncoderSettings(pooling, normalize=True)
    encoder = AutoDocumentEncoder(directory, "cpu", dtype=dtype, backend=backend, settings=settings)
    check_unit(encoder.encode(random_texts(0)))
    if dtype == "fp32":
        for device in (None, "cpu:0"):
            queries = load_query_encoder(directory, "auto", device, settings)
            check_unit(queries.encode(random_texts(0)))


@pytest.mark.parametrize("interaction", ["released", "paper", "none"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_unit_length_of_an_i3_model(
    make_backbone: MakeBackbone,
    tmp_path: Path,
    pooling: str,
    interaction: str,
) -> None:
    backbone = make_backbone(MODELS["bert"])
    model = I3Retriever.from_backbone(
        backbone, interaction=interaction, normalize=True, pooling=pooling
    )
    save_model_directory(
        model, I3Tokenizer.from_pretrained(backbone, model.config), tmp_path / "model"
    )
    encoder = I3DocumentEncoder(str(tmp_path / "model"), "cpu", dtype="bf16")
    check_unit(encoder.encode(random_texts(0)))


def check_unit(vectors: Any) -> None:
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=1e-6)

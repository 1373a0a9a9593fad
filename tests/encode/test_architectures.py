"""`--encoder-class auto` takes what a bare `AutoModel` runs, with the vectors of that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.texts import JOINED
from tests.conftest import VOCABULARY

TEXTS = ["how long", "", "boil an egg in hot water " * 30, "photosynthesis : plant light", "eggs"]
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.2,
}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
TYPES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "roberta": ("roberta", {"max_position_embeddings": 66, "pad_token_id": 1}),
    "albert": ("albert", {"embedding_size": 16}),
    "electra": ("electra", {"embedding_size": 32}),
    "electra-small": ("electra", {"embedding_size": 16}),
    "mpnet": ("mpnet", {"max_position_embeddings": 66}),
    "deberta-v2": ("deberta-v2", {**DEBERTA, "position_biased_input": False}),
    "deberta": ("deberta", DEBERTA),
    "distilbert": ("distilbert", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}),
    "modernbert": ("modernbert", {"local_attention": 16, "pad_token_id": 0}),
    "nomic-bert": ("nomic_bert", {}),
    "qwen3": ("qwen3", {"num_key_value_heads": 2, "head_dim": 16}),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "xlnet": ("xlnet", {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48}),
    "longformer": (
        "longformer",
        {"attention_window": [8, 8], "max_position_embeddings": 66, "pad_token_id": 1},
    ),
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "t5": ("t5", {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 1, "num_heads": 2}, "t5"),
    "bart": ("bart", {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1}, "bart"),
    "fnet": ("fnet", {}, "fnet"),
    "vit": ("vit", {}, "vit"),
}

MakeBackbone = Callable[[PreTrainedConfig], str]


def config_of(model_type: str, fields: dict[str, Any]) -> PreTrainedConfig:
    names = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    return AutoConfig.for_model(model_type, **{**SIZES, **names, **fields})


@torch.inference_mode()
def expected(directory: str, text: str, pooling: str, length: int) -> Any:
    """One text at a time, by transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")["input_ids"]
    model = AutoModel.from_pretrained(directory).eval()
    states = model(input_ids=ids, attention_mask=torch.ones_like(ids))[0][0]
    vector = {"cls": states[0], "mean": states.mean(dim=0), "last": states[-1]}[pooling]
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
@pytest.mark.parametrize("name", TYPES)
def test_vectors_are_those_of_automodel(
    make_backbone: MakeBackbone, name: str, pooling: str
) -> None:
    directory = make_backbone(config_of(*TYPES[name]))
    encoder = AutoDocumentEncoder(directory, "cpu", settings=EncoderSettings(pooling, True))
    together = encoder.encode(TEXTS)
    length = max(map(len, encoder.ids(TEXTS)))
    for row, text in enumerate(TEXTS):
        single = expected(directory, text, pooling, length)
        np.testing.assert_allclose(encoder.encode([text])[0], single, atol=1e-5)
        np.testing.assert_allclose(together[row], single, atol=1e-5)
    assert encoder.dimension == together.shape[1] == 32


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused_as_encoders(make_backbone: MakeBackbone, name: str) -> None:
    model_type, fields, said = REFUSED[name]
    config = AutoConfig.for_model(model_type, **{**SIZES, **fields})
    directory = make_backbone(config)
    with pytest.raises(I3Error, match=f"^encoder .* type '{said}'") as error:
        AutoDocumentEncoder(directory, "cpu")
    assert "reconstructor" not in str(error.value)
    with pytest.raises(I3Error, match=f"^backbone .*'{said}'"):
        I3Retriever.from_backbone(directory)


@pytest.mark.parametrize("name", TYPES)
def test_an_untrained_i3_has_their_vectors(make_backbone: MakeBackbone, name: str) -> None:
    directory = make_backbone(config_of(*TYPES[name]))
    encoder = AutoDocumentEncoder(directory, "cpu", settings=EncoderSettings("mean", True))
    settings: dict[str, Any] = {"pooling": "mean", "normalize": True, "passage_length": 40}
    model = I3Retriever.from_backbone(directory, **settings, **JOINED).eval()
    batch = I3Tokenizer.from_pretrained(directory, model.config).passages(TEXTS)
    with torch.inference_mode():
        vectors = model.encode_passages(**batch).vectors
    assert vectors is not None
    short = [row for row, text in enumerate(TEXTS) if len(text) < 100]
    np.testing.assert_allclose(vectors[short], encoder.encode(TEXTS)[short], atol=1e-5)

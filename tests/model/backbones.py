"""Backbones of every family, very small, and vectors of a few texts."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    AlbertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    EuroBertConfig,
    Gemma3TextConfig,
    GteConfig,
    LlamaConfig,
    ModernBertConfig,
    MPNetConfig,
    NomicBertConfig,
    PreTrainedConfig,
    Qwen3Config,
    RobertaConfig,
    XLMRobertaConfig,
)

from i3_pyserini import I3Retriever, I3Tokenizer
from tests.conftest import VOCABULARY, tiny_bert_config

TEXTS = [
    "how long to boil an egg",
    "eggs",
    "place the eggs in hot water : what is a photosynthesis",
]
TITLES = ["boil", None, "the water"]
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "vocab_size": len(VOCABULARY),
    "pad_token_id": 0,
}
LAYERS: dict[str, Any] = {**SIZES, "num_hidden_layers": 2, "intermediate_size": 64}
ENDS: dict[str, Any] = {"bos_token_id": 2, "eos_token_id": 3}
GROUPED: dict[str, Any] = {**LAYERS, **ENDS, "num_key_value_heads": 2, "head_dim": 8}
FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": tiny_bert_config(),
    "distilbert": DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=len(VOCABULARY)
    ),
    "roberta": RobertaConfig(**LAYERS),
    "modernbert": ModernBertConfig(
        **{**LAYERS, "intermediate_size": 48}, cls_token_id=2, sep_token_id=3, **ENDS
    ),
    "xlm-roberta": XLMRobertaConfig(**LAYERS),
    "mpnet": MPNetConfig(**LAYERS),
    "electra": ElectraConfig(**LAYERS, embedding_size=16),
    "albert": AlbertConfig(**LAYERS, embedding_size=16),
    "deberta-v2": DebertaV2Config(
        **LAYERS, relative_attention=True, position_biased_input=False, pos_att_type="p2c|c2p"
    ),
    "nomic_bert": NomicBertConfig(**LAYERS),
    "gte": GteConfig(**LAYERS),
    "eurobert": EuroBertConfig(**GROUPED, mask_token_id=4),
    "qwen3": Qwen3Config(**GROUPED),
    "llama": LlamaConfig(**GROUPED),
    "gemma3_text": Gemma3TextConfig(**GROUPED, use_bidirectional_attention=True),
}
MakeBackbone = Callable[[PreTrainedConfig], str]


def vectors(model: I3Retriever, tokenizer: I3Tokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        passages = model.encode_passages(**tokenizer.passages(TEXTS, TITLES)).vectors
        assert passages is not None
        return model.encode_queries(**tokenizer.queries(TEXTS)), passages

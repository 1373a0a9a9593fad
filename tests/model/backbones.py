"""Backbones of every family, very small, and vectors of a few texts."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    DistilBertConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
)

from i3_pyserini import I3Retriever, I3Tokenizer
from tests.conftest import VOCABULARY, tiny_bert_config

TEXTS = [
    "how long to boil an egg",
    "eggs",
    "place the eggs in hot water : what is a photosynthesis",
]
TITLES = ["boil", None, "the water"]
SIZES: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 4, "vocab_size": len(VOCABULARY)}
FAMILIES: dict[str, PreTrainedConfig] = {
    "bert": tiny_bert_config(),
    "distilbert": DistilBertConfig(
        dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=len(VOCABULARY)
    ),
    "roberta": RobertaConfig(**SIZES, num_hidden_layers=2, intermediate_size=64, pad_token_id=0),
    "modernbert": ModernBertConfig(
        **SIZES,
        num_hidden_layers=2,
        intermediate_size=48,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
    ),
}
MakeBackbone = Callable[[PreTrainedConfig], str]


def vectors(model: I3Retriever, tokenizer: I3Tokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        passages = model.encode_passages(**tokenizer.passages(TEXTS, TITLES)).vectors
        assert passages is not None
        return model.encode_queries(**tokenizer.queries(TEXTS)), passages

"""The words that a reconstructor predicts, counted by hand."""

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.model.pseudo_query import words_of
from i3_pyserini.model.word_recall import WordRecall, word_recall
from tests.model.test_pseudo_query import logits_of

QUERIES = ["boil an egg", "what is the photosynthesis plant", "the", "hot egg"]
TEXTS = ["egg egg water", "plant light", "cold", "hot water photosynthesis"]


def test_words_of_a_text(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    found = words_of("What is the photosynthesis : eggs", tiny_tokenizer, {"is", "the"})
    assert found == ["what", "photosynthesis", "eggs"]


def test_words_of_byte_level_vocabularies() -> None:
    core = Tokenizer(BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False)
    core.train_from_iterator(["(egg hot? photosyn). water, egg?"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    found = words_of("(egg hot? Photosyn). water, egg?", tokenizer, {"hot"})
    assert found == ["egg", "photosyn", "water", "egg"]


def test_shares_of_words(
    tiny_model: tuple[I3Retriever, I3Tokenizer],
    tiny_tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, tokenizer = tiny_model
    predictions: list[dict[str, float]] = [
        {"egg": 0.6, "water": 0.3},  # of boil and egg: one
        {"plant": 0.5, "light": 0.4},  # of photosynthesis and plant: one
        {"cold": 0.9},  # of hot and egg: none; "the" alone is no query
    ]
    asked: list[Any] = []

    def decode(input_ids: torch.Tensor, attention_mask: torch.Tensor, memory: str) -> Any:
        asked.append((len(input_ids), memory))
        return torch.stack([logits_of(tiny_tokenizer, one) for one in predictions])

    monkeypatch.setattr(model, "decode_passages", decode)
    monkeypatch.setattr("i3_pyserini.model.word_recall.TOP", 2)
    found = word_recall(model, tokenizer, QUERIES, TEXTS, [None] * 4)
    assert asked == [(3, "vector")]
    assert found is not None
    assert found.queries == 3
    assert found.predicted == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    # The most frequent words of the queries are egg, and the first of those that occur once: boil.
    assert found.frequent == pytest.approx((2 / 2 + 0 + 1 / 2) / 3)
    # The passages' best words are egg and water; plant and light; hot and photosynthesis.
    assert found.passage == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)
    assert found.repeated == 0.0
    assert "33.3% are among the 2 predicted" in str(found)


def test_the_same_words_for_all_are_seen(
    tiny_model: tuple[I3Retriever, I3Tokenizer],
    tiny_tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, tokenizer = tiny_model
    logits = logits_of(tiny_tokenizer, {"egg": 0.6, "water": 0.3})
    monkeypatch.setattr(
        model, "decode_passages", lambda input_ids, **_: logits.expand(len(input_ids), -1, -1)
    )
    found = word_recall(model, tokenizer, QUERIES, TEXTS, [None] * 4)
    assert isinstance(found, WordRecall)
    assert found.repeated == 1.0


def test_queries_of_stop_words_only(tiny_model: tuple[I3Retriever, I3Tokenizer]) -> None:
    model, tokenizer = tiny_model
    assert word_recall(model, tokenizer, ["the", "what is"], ["egg", "egg"], [None] * 2) is None

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.model.pseudo_query import (
    PseudoQueryWord,
    english_stop_words,
    explain,
    pseudo_query_words,
)


def logits_of(tokenizer: PreTrainedTokenizerFast, *positions: dict[str, float]) -> torch.Tensor:
    """Logits that give each position these tokens' probabilities, all else next to none."""
    vocabulary = tokenizer.get_vocab()
    probabilities = torch.full((len(positions), len(vocabulary)), 1e-9)
    for position, tokens in enumerate(positions):
        for token, probability in tokens.items():
            probabilities[position, vocabulary[token]] = probability
    return probabilities.log()


def found(words: list[PseudoQueryWord]) -> dict[str, tuple[float, list[int]]]:
    return {word.word: (round(word.weight, 3), word.positions) for word in words}


def test_weight_is_summed_over_positions(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    logits = logits_of(tiny_tokenizer, {"egg": 0.6, "boil": 0.4}, {"boil": 0.9, "egg": 0.1})
    words = pseudo_query_words(logits, tiny_tokenizer, candidates=2)
    assert [word.word for word in words] == ["boil", "egg"]
    assert found(words) == {"boil": (1.3, [0, 1]), "egg": (0.7, [0, 1])}
    assert [word.word for word in pseudo_query_words(logits, tiny_tokenizer, top=1)] == ["boil"]


def test_pieces_of_a_word_are_joined(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    logits = logits_of(
        tiny_tokenizer,
        {"photo": 0.9, "light": 0.1},
        {"##syn": 0.8, "plant": 0.2},
        {"##thesis": 0.7, "##s": 0.3},
        {"plant": 1.0},
    )
    words = found(pseudo_query_words(logits, tiny_tokenizer, candidates=2))
    assert words["photosynthesis"] == (0.7, [0])
    assert words["plant"] == (1.2, [1, 3])
    assert not {"photo", "syn", "thesis", "s", "##s"} & set(words)


def test_pieces_that_begin_nowhere_are_dropped(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    logits = logits_of(tiny_tokenizer, {"##syn": 1.0}, {"##s": 1.0}, {"egg": 0.9, "##s": 0.1})
    assert list(found(pseudo_query_words(logits, tiny_tokenizer, candidates=1))) == ["egg"]
    logits = logits_of(tiny_tokenizer, {"[SEP]": 1.0}, {"##thesis": 1.0})
    assert pseudo_query_words(logits, tiny_tokenizer, candidates=1) == []


def test_special_tokens_punctuation_and_stop_words(
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    logits = logits_of(tiny_tokenizer, {"[SEP]": 0.4, ":": 0.3, "the": 0.2, "egg": 0.1})
    assert list(found(pseudo_query_words(logits, tiny_tokenizer, candidates=4))) == ["the", "egg"]
    words = pseudo_query_words(
        logits, tiny_tokenizer, candidates=4, stop_words=english_stop_words()
    )
    assert list(found(words)) == ["egg"]


def test_byte_level_vocabularies() -> None:
    vocabulary = {"<s>": 0, "<unk>": 1, "Ġphoto": 2, "syn": 3, "thesis": 4, "Ġegg": 5}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, cls_token="<s>", unk_token="<unk>")
    from tokenizers.decoders import ByteLevel

    tokenizer.backend_tokenizer.decoder = ByteLevel()
    logits = logits_of(tokenizer, {"Ġphoto": 1.0}, {"syn": 1.0}, {"thesis": 1.0}, {"Ġegg": 1.0})
    assert set(found(pseudo_query_words(logits, tokenizer, candidates=1))) == {
        "photosynthesis",
        "egg",
    }


def test_explain(tiny_model: tuple[I3Retriever, I3Tokenizer]) -> None:
    model, tokenizer = tiny_model
    words = explain(model, tokenizer, "eggs", keep_stop_words=True, top=5)
    assert len(words) == 5
    weights = [word.weight for word in words]
    assert weights == sorted(weights, reverse=True)
    of_vector = explain(model, tokenizer, "eggs", keep_stop_words=True, top=5, memory="vector")
    assert [word.weight for word in of_vector] != weights
    stop_words = english_stop_words()
    assert not stop_words & {word.word for word in explain(model, tokenizer, "eggs", top=99)}


def test_stop_words_are_the_original_s() -> None:
    words = english_stop_words()
    assert len(words) == 153
    assert {"what", "is", "the", "who", "were", "they"} <= words
    assert not {"capital", "city", "australia"} & words

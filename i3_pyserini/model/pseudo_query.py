"""The words of a pseudo-query, from the reconstructor's logits."""

import re
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.token_reader import TokenReader
from i3_pyserini.model.tokenizer import I3Tokenizer

BROKEN = "\ufffd"  # what a decoder makes of bytes that are a part of a letter


@dataclass(frozen=True)
class PseudoQueryWord:
    """A word of a pseudo-query.

    Attributes:
        word: the word.
        weight: its probability summed over positions: how often it is expected to occur.
        positions: the pseudo-query positions at which it is among the most likely words.
    """

    word: str
    weight: float
    positions: list[int]


@torch.inference_mode()
def explain(
    model: I3Retriever,
    tokenizer: I3Tokenizer,
    text: str,
    title: str | None = None,
    *,
    top: int = 20,
    keep_stop_words: bool = False,
    memory: str = "tokens",
) -> list[PseudoQueryWord]:
    """The pseudo-query words that the reconstructor predicts for a passage.

    Args:
        model: a model with a reconstructor, in evaluation mode.
        tokenizer: its tokenizer.
        text: the passage's text.
        title: its title, if it has one.
        top: number of words.
        keep_stop_words: whether to include words such as "what" and "the".
        memory: input of the reconstructor; see `I3Retriever.decode_passages`.

    Raises:
        I3Error: the model is a plain dual encoder.
    """
    batch = tokenizer.passages([text], [title])
    logits = model.decode_passages(batch["input_ids"], batch["attention_mask"], memory)
    stop_words = frozenset() if keep_stop_words else english_stop_words()
    return pseudo_query_words(logits[0], tokenizer.reconstruction, top=top, stop_words=stop_words)


def pseudo_query_words(
    logits: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    top: int = 20,
    candidates: int = 20,
    stop_words: Set[str] = frozenset(),
) -> list[PseudoQueryWord]:
    """Extracts words from the reconstructor's logits for one passage.

    At every position the `candidates` most likely tokens are considered. If the most likely tokens
    of adjacent positions are pieces of one word, they are joined. Other pieces that do not begin a
    word, special tokens and punctuation are removed.
    In scripts without blanks, such as Chinese characters, each token is a word.

    Args:
        logits: float [L, vocabulary], from `I3Retriever.decode_passages`.
        tokenizer: the reconstructor's tokenizer.
        top: maximum number of words.
        candidates: tokens considered at each position; 20 in the original.
        stop_words: lower-case words to remove.

    Returns:
        Words by descending weight, ties in alphabetical order.

    Source: original `modeling.py`, `decode_passage`, its last comment (top 20 per position,
    stop words dropped, each word once).
    """
    probabilities, ids = logits.float().softmax(dim=-1).topk(min(candidates, logits.size(-1)))
    reader = TokenReader(tokenizer)
    weights: dict[str, float] = defaultdict(float)
    positions: dict[str, set[int]] = defaultdict(set)

    def add(word: str, weight: float, position: int) -> None:
        whole = any(letter.isalnum() for letter in word) and BROKEN not in word
        if whole and word.lower() not in stop_words:
            weights[word] += weight
            positions[word].add(position)

    joined = _join_pieces(ids[:, 0].tolist(), reader)
    for start, end, word in joined:
        add(word, float(probabilities[start:end, 0].min()), start)
    inside = {position for start, end, _ in joined for position in range(start, end)}
    for position, (row, row_ids) in enumerate(zip(probabilities, ids.tolist(), strict=True)):
        for rank, (weight, token_id) in enumerate(zip(row.tolist(), row_ids, strict=True)):
            text, begins_word = reader.read(token_id)
            if begins_word and not (rank == 0 and position in inside):
                add(text, weight, position)
    order = sorted(weights, key=lambda word: (-weights[word], word))[:top]
    return [PseudoQueryWord(word, weights[word], sorted(positions[word])) for word in order]


def words_of(
    text: str, tokenizer: PreTrainedTokenizerBase, stop_words: Set[str] = frozenset()
) -> list[str]:
    """The words of a text in the form in which they are predicted, in lower case.

    Args:
        text: the text.
        tokenizer: the model's tokenizer.
        stop_words: lower-case words to remove.
    """
    reader = TokenReader(tokenizer)
    pieces: list[list[int]] = [[]]
    for token_id in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]:
        token, begins_word = reader.read(token_id)
        is_mark = not any(letter.isalnum() for letter in token) and BROKEN not in token
        if begins_word or is_mark:
            pieces.append([])
        if not is_mark:
            pieces[-1].append(token_id)
    words = (bare(reader.join(one)).lower() for one in pieces)
    return [
        word
        for word in words
        if any(letter.isalnum() for letter in word)
        and BROKEN not in word
        and word not in stop_words
    ]


def bare(word: str) -> str:
    """A word without what precedes its first letter or digit and follows its last."""
    found = re.search(r"\w(?:.*\w)?", word, re.DOTALL)
    return found[0] if found else ""


def english_stop_words() -> frozenset[str]:
    """NLTK's English stop words, which the original filters with."""
    text = resources.files("i3_pyserini.model").joinpath("stop_words.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _join_pieces(token_ids: list[int], reader: TokenReader) -> list[tuple[int, int, str]]:
    """Words of more than one piece among tokens in a row, as (start, end, word)."""
    words = []
    start, pieces = 0, list[int]()
    for position, token_id in enumerate([*token_ids, None]):
        text, begins_word = ("", True) if token_id is None else reader.read(token_id)
        if begins_word:
            if len(pieces) > 1:
                words.append((start, position, reader.join(pieces)))
            start, pieces = position, [token_id] if token_id is not None and text else []
        elif token_id is not None and pieces:
            pieces.append(token_id)
    return words

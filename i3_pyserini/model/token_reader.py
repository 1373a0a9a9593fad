"""The texts of tokens, for any kind of vocabulary."""

from functools import lru_cache

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.formats.scripts import is_unspaced

WORD_PIECE = "##"  # WordPiece marks continuations of words
WORD_STARTS = ("Ġ", "▁")  # byte-level BPE and SentencePiece mark beginnings of words


class TokenReader:
    """Returns the text of a token and whether it begins a word.

    Args:
        tokenizer: a Hugging Face tokenizer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.special = set(tokenizer.all_special_ids)
        self.start = _word_start(tokenizer)

    def read(self, token_id: int) -> tuple[str, bool]:
        """The token's text, and whether it begins a word; empty for special tokens."""
        if token_id in self.special:
            return "", True
        token = str(self.tokenizer.convert_ids_to_tokens(token_id))
        if self.start is None:
            return token.removeprefix(WORD_PIECE), not token.startswith(WORD_PIECE)
        text = str(self.tokenizer.convert_tokens_to_string([token])).strip()
        return text, token.startswith(self.start) or is_unspaced(text)

    def join(self, token_ids: list[int]) -> str:
        """The text of several tokens; of bytes, a letter may be spread over several."""
        if self.start is None:
            return "".join(self.read(token_id)[0] for token_id in token_ids)
        tokens = [str(self.tokenizer.convert_ids_to_tokens(one)) for one in token_ids]
        text: str = self.tokenizer.convert_tokens_to_string(tokens)
        return text.strip()


@lru_cache(maxsize=2)  # the vocabulary is read once, not for each passage
def _word_start(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """What marks beginnings of words in a vocabulary; None if continuations are marked."""
    vocabulary = tokenizer.get_vocab()
    found = (mark for mark in WORD_STARTS if any(one.startswith(mark) for one in vocabulary))
    return next(found, None)

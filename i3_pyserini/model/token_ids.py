"""The ids of texts, and how many of the texts were too long."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase


class TokenIds(list[list[int]]):
    """The ids of N texts.

    Attributes:
        cut: how many of the texts were longer and have been cut.
    """

    def __init__(self, ids: Iterable[list[int]], cut: int) -> None:
        super().__init__(ids)
        self.cut = cut


def token_ids(
    tokenizer: "PreTrainedTokenizerBase",
    texts: Sequence[str],
    max_length: int,
    second: Sequence[str] | None = None,
) -> TokenIds:
    """Tokenises texts, and counts those that are cut.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: N texts.
        max_length: ids of a text at most, special tokens included.
        second: N second segments of the texts; None for none.

    Returns:
        Ids with special tokens, at most `max_length` each.
    """
    how: dict[str, Any] = {"return_token_type_ids": False, "return_attention_mask": False}
    pairs = None if second is None else list(second)
    batch = tokenizer(list(texts), pairs, max_length=max_length, truncation=True, **how)
    ids: list[list[int]] = batch["input_ids"]
    full = [row for row, one in enumerate(ids) if len(one) >= max_length]
    if batch.encodings is not None:  # what is cut off is kept there
        return TokenIds(ids, sum(bool(batch.encodings[row].overflowing) for row in full))
    first = [texts[row] for row in full]
    behind = None if pairs is None else [pairs[row] for row in full]
    whole = tokenizer(first, behind, truncation=False, verbose=False, **how) if full else None
    lengths = [len(one) for one in whole["input_ids"]] if whole else []
    return TokenIds(ids, sum(length > max_length for length in lengths))

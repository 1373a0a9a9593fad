"""Prepares texts for tokenization: checks, prompts, lower-casing, counting of truncated texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import refuse_surrogates
from i3_pyserini.model.settings import EncoderSettings

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

Ids = np.ndarray[Any, np.dtype[np.int64]]
# How title and text are joined where the backbone's authors say nothing else.
JOINED = {
    "passage_template": "{title} {text}",
    "untitled_template": "{text}",
    "missing_value": "",
}

# Values that pandas reads as missing, as in the original. A title
# with one of these was the word "NA" in the training of the released checkpoints.
MISSING = frozenset(
    {
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    }
)


def query_texts(queries: Sequence[str], prompt: str) -> list[str]:
    """Queries for tokenization: with the prompt.

    Raises:
        I3Error: a query is not a string.
    """
    check_texts(queries, "query")
    return [prompt + query for query in queries]


def passage_segments(
    settings: EncoderSettings,
    prompt: str,
    texts: Sequence[str],
    titles: Sequence[str | None] | None,
) -> tuple[list[str], list[str] | None]:
    """What an encoder that is no I³ model tokenizes for passages.

    Args:
        settings: say how title, prompt and text are joined.
        prompt: goes before each passage.
        texts: N texts.
        titles: N titles; None to encode none.

    Returns:
        The first segments and, if titles are separate segments, the second ones.
    """
    if titles is None:
        return [prompt + text for text in texts], None
    named = [title or "" for title in titles]
    if settings.add_sep:
        first = named if settings.prompt_behind_title else [prompt + one for one in named]
        behind = prompt if settings.prompt_behind_title else ""
        return first, [behind + text for text in texts]
    pairs = zip(named, texts, strict=True)
    if settings.prompt_behind_title:
        return [
            f"{title} {prompt}{text}" if title else prompt + text for title, text in pairs
        ], None
    return [f"{prompt}{title} {text}" if title else prompt + text for title, text in pairs], None


@dataclass(frozen=True)
class PassageTemplate:
    """How an I³ model joins title and text of a passage.

    A prompt may contain braces, so that it is not part of the templates.

    Attributes:
        prompt: text directly before every passage.
        titled: for passages with a title: contains `{text}` and, if they are used, `{title}` and
            `{sep}`.
        untitled: for passages without a title.
        sep: the tokenizer's separator.
        missing: replaces a missing title or text; empty for no replacement.
    """

    prompt: str
    titled: str
    untitled: str
    sep: str
    missing: str

    def texts(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> list[str]:
        """The strings to tokenize for N passages.

        Raises:
            I3Error: a text is not a string, or the numbers of titles and texts differ.
        """
        check_texts(texts, "text of passage")
        if titles is None:
            titles = [None] * len(texts)
        if len(titles) != len(texts):
            raise I3Error(f"{len(texts)} passages but {len(titles)} titles")
        check_texts([title or "" for title in titles], "title of passage")
        return [
            self.prompt
            + (self.titled if title else self.untitled).format(
                title=self._or_missing(title), sep=self.sep, text=self._or_missing(text)
            )
            for title, text in zip(titles, texts, strict=True)
        ]

    def _or_missing(self, value: str | None) -> str:
        if not self.missing:
            return value or ""
        return self.missing if value is None or value in MISSING else value


def check_texts(values: Sequence[object], what: str) -> None:
    """Raises if a value is not a string, or cannot be encoded as UTF-8.

    Args:
        values: the texts.
        what: their name in the message.

    Raises:
        I3Error: names the first such text by its number.
    """
    if isinstance(values, str):
        raise I3Error(f"expected a list of texts, got one string: {values[:40]!r}")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise I3Error(f"{what} {number} is a {type(value).__name__}, not text: {value!r:.80}")
        refuse_surrogates(value, f"{what} {number}")


def lowercase_first(core: "Tokenizer") -> None:
    """Makes a tokenizer lower-case texts first, except special tokens.

    Does nothing if its normalizer, or one in a sequence, is already `Lowercase`.

    Args:
        core: a tokenizer of the library `tokenizers`; changed in place.

    Source: sentence-transformers 6.2, `modules/transformer.py`.
    """
    from tokenizers import normalizers  # noqa: PLC0415  (not needed by most models)

    own: Any = core.normalizer
    steps: list[Any] = [own] if own else []
    if isinstance(own, normalizers.Sequence):
        sequence: Any = own
        steps = list(sequence)
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        core.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])


class TokenIds(list[list[int]]):
    """The ids of N texts.

    Attributes:
        cut: number of truncated texts.
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
    """Tokenizes texts and counts truncated ones.

    Args:
        tokenizer: a Hugging Face tokenizer.
        texts: N texts.
        max_length: maximum ids of a text, special tokens included.
        second: N second segments of the texts; None for none.

    Returns:
        Ids with special tokens, at most `max_length` each.
    """
    how: dict[str, Any] = {"return_token_type_ids": False, "return_attention_mask": False}
    pairs = None if second is None else list(second)
    batch = tokenizer(list(texts), pairs, max_length=max_length, truncation=True, **how)
    ids: list[list[int]] = batch["input_ids"]
    full = [row for row, one in enumerate(ids) if len(one) >= max_length]
    if batch.encodings is not None:  # contains the truncated part
        return TokenIds(ids, sum(bool(batch.encodings[row].overflowing) for row in full))
    first = [texts[row] for row in full]
    behind = None if pairs is None else [pairs[row] for row in full]
    whole = tokenizer(first, behind, truncation=False, verbose=False, **how) if full else None
    lengths = [len(one) for one in whole["input_ids"]] if whole else []
    return TokenIds(ids, sum(length > max_length for length in lengths))


def prompt_ids(tokenizer: "PreTrainedTokenizerBase", prompt: str, max_length: int) -> int:
    """The number of ids of a prompt before a text, without its last special token.

    Args:
        tokenizer: a Hugging Face tokenizer.
        prompt: the prompt; it may be empty.
        max_length: maximum ids of a text.

    Source: sentence-transformers 6.2, `modules/transformer.py`, `_get_prompt_length`.
    """
    ids = token_ids(tokenizer, [prompt], max_length)[0] if prompt else []
    return len(ids) - (bool(ids) and ids[-1] in tokenizer.all_special_ids)


def padded_batch(ids: Sequence[Sequence[int]], pad_id: int) -> tuple[Ids, Ids]:
    """Ids [B, T], padded on the right, and their mask."""
    padded = np.full((len(ids), max(map(len, ids))), pad_id, dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, one in enumerate(ids):
        padded[row, : len(one)], mask[row, : len(one)] = one, 1
    return padded, mask

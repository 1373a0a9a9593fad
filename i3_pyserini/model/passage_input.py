"""Counts the ids of passages as a model reads them, without its weights; finds tokens in texts."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.windows import CONTINUOUS, WORD, Piece, divide
from i3_pyserini.model.exported import ExportedTokenizer, read_export
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.texts import lowercase_first, passage_segments
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.model.tokenizer_loading import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Encoding

Segments = tuple[list[str], list[str] | None]
SAMPLE = "a"  # a text to find what stands around a text


class PassageInput:
    """Measures texts in a model's ids, for `i3_pyserini.formats.windows`.

    Args:
        name: the model, for messages.
        tokenizer: its Hugging Face tokenizer, or that of an exported folder.
        segments: what is tokenized for texts and titles: first and, if there are any, second
            segments.
        longest: the model's passage length in ids.
        titles: whether titles are encoded.

    Raises:
        I3Error: the tokenizer does not say where in a text its tokens are.
    """

    def __init__(
        self,
        name: str,
        tokenizer: Any,
        segments: Callable[[Sequence[str], Sequence[str | None] | None], Segments],
        longest: int,
        titles: bool = True,
    ) -> None:
        core = getattr(tokenizer, "backend_tokenizer", getattr(tokenizer, "core", None))
        if core is None:
            raise I3Error(
                f"{name}: its tokenizer does not say where tokens are in a text (it has no "
                "tokenizer.json); cut by words, without a model"
            )
        core.no_truncation()
        core.no_padding()
        self._core, self._segments, self._titles = core, segments, titles
        self.longest: int | None = longest
        (sample,) = core.encode_batch([SAMPLE], add_special_tokens=False)
        self._sample = len(sample.ids)

    @classmethod
    def of_i3(cls, name: str, titles: bool = True) -> "PassageInput":
        """The passage input of an I³ model.

        Raises:
            I3Error: there is no such model, or it has no tokenizer.
        """
        own = I3Tokenizer.from_pretrained(name)

        def segments(texts: Sequence[str], titles: Sequence[str | None] | None) -> Segments:
            return own.passage_texts(texts, titles), None

        return cls(name, own.tokenizer, segments, own.config.passage_length, titles)

    @classmethod
    def of_encoder(
        cls, name: str, settings: EncoderSettings, titles: bool = True
    ) -> "PassageInput":
        """The passage input of any other encoder.

        Raises:
            I3Error: there is no such model, or it has no tokenizer.
        """
        tokenizer = load_tokenizer(name, load_config(name, "encoder"))
        if settings.lowercase:
            lowercase_first(tokenizer.backend_tokenizer)

        def segments(texts: Sequence[str], titles: Sequence[str | None] | None) -> Segments:
            return passage_segments(settings, settings.passage_prompt, texts, titles)

        return cls(name, tokenizer, segments, settings.passage_length, titles)

    @classmethod
    def of_exported(cls, name: str, titles: bool = True) -> "PassageInput":
        """The passage input of an exported folder.

        Raises:
            I3Error: the folder is damaged.
        """
        record = read_export(Path(name))
        own = ExportedTokenizer(Path(name), "passage", record)
        return cls(name, own, own.segments, record.passage.length, titles)

    def overheads(self, titles: Sequence[str | None]) -> list[int]:
        """The ids of titles, prefix and special tokens; see `Measure`."""
        distinct = list(dict.fromkeys(titles))
        lengths = self.lengths([SAMPLE] * len(distinct), distinct)
        known = dict(zip(distinct, lengths, strict=True))
        return [known[title] - self._sample for title in titles]

    def pieces(self, texts: Sequence[str], longest: Sequence[int]) -> list[list[Piece]]:
        """Words with their numbers of ids; see `Measure`."""
        found = self._core.encode_batch(list(texts), add_special_tokens=False)
        return [
            list(_pieces(text, one, most))
            for text, one, most in zip(texts, found, longest, strict=True)
        ]

    def lengths(self, texts: Sequence[str], titles: Sequence[str | None]) -> list[int]:
        """Numbers of ids of whole passages; see `Measure`."""
        first, second = self._segments(texts, titles if self._titles else None)
        inputs = first if second is None else list(zip(first, second, strict=True))
        return [len(one) for one in self._core.encode_batch_fast(inputs)]


def _pieces(text: str, tokens: "Encoding", longest: int) -> Iterator[Piece]:
    places, continuous, first = tokens.offsets, CONTINUOUS.search(text) is not None, 0
    for word in WORD.finditer(text):
        start, end = word.span()
        last = first
        # A token may begin with the blank before its word; some have no letter at all.
        while last < len(places) and max(places[last][0] + 1, places[last][1]) <= end:
            last += 1
        size = last - first
        in_parts = continuous and size > 1 and CONTINUOUS.search(text, start, end) is not None
        if size > longest or in_parts:
            yield from _divided(text, start, end, [place for place, _ in places[first:last]])
        else:
            yield Piece(start, end, size)
        first = last


def _divided(text: str, start: int, end: int, tokens: Sequence[int]) -> Iterator[Piece]:
    """The parts of a word whose tokens begin at some places."""
    begins = sorted(max(start, place) for place in tokens)
    spans = divide(start, end, text, begins)
    bounds = [0, *(bisect_left(begins, first) for first, _ in spans[1:]), len(begins)]
    for span, (first, last) in zip(spans, pairwise(bounds), strict=True):
        yield Piece(*span, last - first)

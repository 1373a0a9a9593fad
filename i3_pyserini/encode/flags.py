"""The options for encoder settings."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.formats.windows import By, Windowing
from i3_pyserini.model.settings import POOLINGS, Contradiction, Pooling, prompt_of, shown

OPTIONS = {  # by field of `EncoderSettings`
    "pooling": "--pooling",
    "normalize": "--l2-norm",
    "passage_prompt": "--prefix",
    "query_prompt": "--query-prefix",
    "passage_length": "--max-length",
    "add_sep": "--add-sep",
}


@dataclass(frozen=True)
class EncoderOptions:
    """Encoder settings that override the model's own files.

    Attributes:
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        pooling: pooling of the token vectors. Default: the model's own, or "cls".
        l2_norm: normalize vectors to unit length.
        prefix: text before every passage, followed by a space.
        query_prefix: text before every query, followed by a space; recorded in the index manifest.
        max_length: maximum ids of a passage.
        add_sep: encode title and text as two segments.
    """

    encoder_class: Literal["i3", "auto"] | None = None
    pooling: Pooling | None = None
    l2_norm: bool | None = None
    prefix: str | None = None
    query_prefix: str | None = None
    max_length: int | None = None
    add_sep: bool | None = None

    def __post_init__(self) -> None:
        at_least_1(max_length=self.max_length)

    def settings(self) -> dict[str, Any]:
        """The given values, by field of `EncoderSettings`."""
        values = {
            "pooling": self.pooling,
            "normalize": self.l2_norm,
            "passage_prompt": None if self.prefix is None else prompt_of(self.prefix),
            "prompt_behind_title": True if self.prefix else None,  # as in Pyserini
            "query_prompt": None if self.query_prefix is None else prompt_of(self.query_prefix),
            "passage_length": self.max_length,
            "add_sep": self.add_sep,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class ChunkOptions:
    """Cut long documents into windows, which are encoded in their place.

    Attributes:
        chunk: cut by "tokens" (as many words as fit), or into as many whole "sentences" or
            "paragraphs" as fit; see `data chunk`. Default: documents are passages.
        chunk_size: longest window in ids, with title, prefix and special tokens. Default: as many
            as the model reads.
        chunk_overlap: how much of a window the next one repeats: ids for "tokens", otherwise
            sentences or paragraphs.
    """

    chunk: By | None = None
    chunk_size: int | None = None
    chunk_overlap: int = 0

    def __post_init__(self) -> None:
        at_least_1(chunk_size=self.chunk_size)
        if self.chunk is None and (self.chunk_size is not None or self.chunk_overlap):
            raise I3Error("chunk_size and chunk_overlap require chunk, such as chunk='tokens'")

    def windowing(self, longest: int) -> Windowing | None:
        """How to cut; None if documents are not cut.

        Args:
            longest: ids that the model reads of a passage.
        """
        if self.chunk is None:
            return None
        return Windowing(self.chunk, self.chunk_size or longest, self.chunk_overlap)


AS_THEY_ARE = ChunkOptions()


@dataclass(frozen=True)
class QueryFlags:
    """Query encoder settings given by the user; None for those of the manifest or model.

    Attributes:
        encoder: a model's directory or hub name.
        kind: see `query_encoders.load_query_encoder`.
        device: see there.
        pooling: of an "auto" encoder.
        l2_norm: see `pooling`.
        prefix: see `pooling`.
    """

    encoder: str | None = None
    kind: Literal["i3", "auto"] | None = None
    device: str | None = None
    pooling: str | None = None
    l2_norm: bool | None = None
    prefix: str | None = None


@dataclass(frozen=True)
class QueryOptions:
    """Query encoder settings.

    Missing settings are taken from the index manifest, then from the model.

    Attributes:
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        device: such as cuda:0, where queries are encoded and a flat index is searched. By default,
            search uses the CPU, without torch if possible, and `encode-topics` the first GPU if
            there is one.
        pooling: pooling of the token vectors, such as mean. Default: that of the passages.
        l2_norm: normalize vectors to unit length. Default: as for the passages.
        query_prefix: text before every query. Default: that of the index manifest.
    """

    encoder_class: Literal["i3", "auto"] | None = None
    device: str | None = None
    pooling: Pooling | None = None
    l2_norm: bool | None = None
    query_prefix: str | None = None

    def flags(self, model: str | None) -> QueryFlags:
        """The same with a model directory or hub name; None for the model of the index."""
        how = (self.encoder_class, self.device, self.pooling, self.l2_norm, self.query_prefix)
        return QueryFlags(model, *how)


AS_PASSAGES = QueryOptions()


def add_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds Pyserini's flags for its class `auto`, and ours. Flags that are not given are None."""
    parser.add_argument("--pooling", choices=POOLINGS)
    parser.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    parser.add_argument("--prefix", help="text before every passage, followed by a space")
    parser.add_argument("--query-prefix", help="text before every query, followed by a space")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--add-sep", action="store_true", default=None)


def options_of(args: argparse.Namespace) -> EncoderOptions:
    """The options given by the flags of `add_flags` and `--encoder-class`."""
    names = EncoderOptions.__dataclass_fields__
    return EncoderOptions(**{name: getattr(args, name) for name in names})


def names_of(flags: Mapping[str, Any]) -> list[str]:
    """The command-line flags of settings."""
    return [OPTIONS[name] for name in flags if name in OPTIONS]


def overruled(against: Iterable[Contradiction]) -> list[str]:
    """Describes each flag that overrides a declaration: "--max-length: 256 declared, 96 given"."""
    words = []
    for one in against:
        flag = OPTIONS.get(one.name, one.name)
        words.append(f"{flag}: {shown(one.declared)} declared, {shown(one.given)} given")
    return words

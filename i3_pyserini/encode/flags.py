"""The options that say how an encoder makes vectors."""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from i3_pyserini.errors import at_least_1
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
    """How a model encodes, where its own files should not decide.

    Attributes:
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        pooling: of the token vectors; "cls" if nobody says.
        l2_norm: scale vectors to unit length.
        prefix: put before every passage, with a blank between.
        query_prefix: put before every query, likewise; stored in the index's manifest.
        max_length: most ids of a passage.
        add_sep: make title and text two segments.
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
        """What is given, by field of `EncoderSettings`."""
        values = {
            "pooling": self.pooling,
            "normalize": self.l2_norm,
            "passage_prompt": None if self.prefix is None else prompt_of(self.prefix),
            "prompt_behind_title": True if self.prefix else None,  # where Pyserini puts it
            "query_prompt": None if self.query_prefix is None else prompt_of(self.query_prefix),
            "passage_length": self.max_length,
            "add_sep": self.add_sep,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class QueryFlags:
    """What a user says of the encoder of queries; None leaves it to the manifest and the model.

    Attributes:
        encoder: a model's directory or hub name.
        kind: see `query_encoders.load_query_encoder`.
        device: likewise.
        pooling: of an "auto" encoder.
        l2_norm: likewise.
        prefix: likewise.
    """

    encoder: str | None = None
    kind: Literal["i3", "auto"] | None = None
    device: str | None = None
    pooling: str | None = None
    l2_norm: bool | None = None
    prefix: str | None = None


@dataclass(frozen=True)
class QueryOptions:
    """How queries are encoded.

    What is not given is taken from the index, then from the model.

    Attributes:
        encoder_class: "i3", or "auto" for any other Hugging Face encoder.
        device: such as cuda:0. By default searches use the CPU, which needs no torch, and
            `encode-topics` the first GPU if there is one.
        pooling: of the token vectors, such as mean; as the passages' by default.
        l2_norm: scale vectors to unit length; as the passages' by default.
        query_prefix: put before every query; as the index's manifest says by default.
    """

    encoder_class: Literal["i3", "auto"] | None = None
    device: str | None = None
    pooling: Pooling | None = None
    l2_norm: bool | None = None
    query_prefix: str | None = None

    def flags(self, model: str | None) -> QueryFlags:
        """The same with a model's directory or hub name; None for the index's."""
        how = (self.encoder_class, self.device, self.pooling, self.l2_norm, self.query_prefix)
        return QueryFlags(model, *how)


AS_PASSAGES = QueryOptions()


def add_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds Pyserini's flags of its class `auto`, and ours; None for those that are not given."""
    parser.add_argument("--pooling", choices=POOLINGS)
    parser.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    parser.add_argument("--prefix", help="put before every passage, with a blank between")
    parser.add_argument("--query-prefix", help="to be put before every query, likewise")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--add-sep", action="store_true", default=None)


def options_of(args: argparse.Namespace) -> EncoderOptions:
    """What the flags of `add_flags` and `--encoder-class` say."""
    names = EncoderOptions.__dataclass_fields__
    return EncoderOptions(**{name: getattr(args, name) for name in names})


def names_of(flags: Mapping[str, Any]) -> list[str]:
    """The flags of settings, as a command line has them."""
    return [OPTIONS[name] for name in flags if name in OPTIONS]


def overruled(against: Iterable[Contradiction]) -> list[str]:
    """What each flag overrules, in words such as "--max-length: 256 declared, 96 given"."""
    words = []
    for one in against:
        flag = OPTIONS.get(one.name, one.name)
        words.append(f"{flag}: {shown(one.declared)} declared, {shown(one.given)} given")
    return words

"""The flags of a command line that say how an encoder makes vectors."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from i3_pyserini.model.settings import POOLINGS, Contradiction, prompt_of, shown

OPTIONS = {  # by field of `EncoderSettings`
    "pooling": "--pooling",
    "normalize": "--l2-norm",
    "passage_prompt": "--prefix",
    "query_prompt": "--query-prefix",
    "passage_length": "--max-length",
    "add_sep": "--add-sep",
}


def add_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Adds Pyserini's flags of its class `auto`, and ours; None for those that are not given."""
    parser.add_argument("--pooling", choices=POOLINGS)
    parser.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    parser.add_argument("--prefix", help="put before every passage, with a blank between")
    parser.add_argument("--query-prefix", help="to be put before every query, likewise")
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--add-sep", action="store_true", default=None)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that are given, by field of `EncoderSettings`."""
    values = {
        "pooling": args.pooling,
        "normalize": args.l2_norm,
        "passage_prompt": None if args.prefix is None else prompt_of(args.prefix),
        "prompt_behind_title": True if args.prefix else None,  # where Pyserini puts it
        "query_prompt": None if args.query_prefix is None else prompt_of(args.query_prefix),
        "passage_length": args.max_length,
        "add_sep": args.add_sep,
    }
    return {name: value for name, value in values.items() if value is not None}


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

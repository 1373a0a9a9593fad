"""`python -m i3_pyserini.plugin MODULE …`: stock Pyserini commands that know I³ encoders.

The only module that imports pyserini. It puts our encoders into Pyserini's tables under "i3", lets
its argument parsers accept `--encoder-class i3`, finds a Java runtime, and runs the stock module.
`… bm25 INDEX K1 B` is for other processes, which ask it: see `answer_bm25`.
"""

import argparse
import json
import os
import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.java import FIX, MODULE, OLDEST, find_java, java_environment

if TYPE_CHECKING:
    from i3_pyserini.formats.index import EncoderRecord

COMMANDS = ("pyserini.encode", "pyserini.search.faiss")
NAME = "i3"
USAGE = f"""usage: python -m i3_pyserini.plugin {{{",".join(COMMANDS)}}} …

Runs the stock Pyserini command with the arguments behind its name; --encoder-class i3 takes an
I³ model directory."""


def register() -> None:
    """Puts our encoders into Pyserini's tables, before all others.

    Pyserini picks a class by searching the encoder's path for the tables' names, so that ours has
    to come first. Needs a Java runtime, as any import of pyserini does.
    """
    from pyserini import encode

    from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder

    _put_first(encode.document_encoder_class_map, I3DocumentEncoder)
    _put_first(encode.query_encoder_class_map, I3QueryEncoder)


def set_java() -> None:
    """Sets `JAVA_HOME` for this process if the Java that Pyserini would take does not suit it.

    Raises:
        I3Error: no runtime here suits it.
    """
    java, seen = find_java()
    if java is None:
        found = "; ".join(f"{other.home}: Java {other.version}" for other in seen) or "none"
        raise I3Error(f"Pyserini needs Java {OLDEST} or newer with {MODULE}; found {found}. {FIX}")
    os.environ.update(java_environment())


def main() -> None:
    """Runs a stock command with our encoders registered."""
    if len(sys.argv) == 1 or sys.argv[1] in ("-h", "--help"):
        print(USAGE)
        return
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "bm25":
        set_java()
        answer_bm25(*arguments)
        return
    if command not in COMMANDS:
        raise I3Error(f"{command!r} is not one of the commands {', '.join(COMMANDS)}")
    if command == "pyserini.search.faiss":
        check_search(arguments)
    set_java()
    register()
    sys.argv = [command, *arguments]
    add_argument = argparse.ArgumentParser.add_argument
    argparse.ArgumentParser.add_argument = _with_our_class(add_argument)  # type: ignore[method-assign]
    try:
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    finally:
        argparse.ArgumentParser.add_argument = add_argument  # type: ignore[method-assign]


def answer_bm25(index: str, k1: str, b: str) -> None:
    """Searches a Lucene index for another process until that closes our standard input.

    It asks by lines of JSON, `{"query": …, "hits": …}`, and is answered by lines
    `[[docid, score], …]`. A line before the first question, `[]`, says that we are ready.

    Args:
        index: the index's directory.
        k1: of BM25.
        b: likewise.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever Java prints is no answer
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(index)
    searcher.set_bm25(float(k1), float(b))
    print("[]", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        hits = searcher.search(asked["query"], asked["hits"])
        print(json.dumps([[hit.docid, hit.score] for hit in hits]), file=answers, flush=True)


def _put_first(table: dict[str, Any], encoder_class: type) -> None:
    others = {name: value for name, value in table.items() if name != NAME}
    table.clear()
    table.update({NAME: encoder_class, **others})


def _with_our_class(add_argument: Any) -> Any:
    """`add_argument`, but `--encoder-class` may be "i3" too (Pyserini's choices are fixed)."""

    def wrapper(self: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
        if "--encoder-class" in names and "choices" in options:
            options["choices"] = [NAME, *options["choices"]]
        action: argparse.Action = add_argument(self, *names, **options)
        return action

    return wrapper


def check_search(arguments: Sequence[str]) -> None:
    """Compares the index with what will encode the queries before Pyserini spends its ten seconds.

    Args:
        arguments: of `pyserini.search.faiss`.

    Raises:
        I3Error: the index is absent, or its manifest says otherwise.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--index", "--encoder", "--encoder-class", "--encoded-queries", "--query-prefix"):
        parser.add_argument(name)
    parser.add_argument("--pooling", default="cls")
    parser.add_argument("--l2-norm", action="store_true")
    given, _ = parser.parse_known_args(arguments)
    if not given.index:
        return
    from i3_pyserini.encode.index_encoder import check_index, refuse_other_encoder
    from i3_pyserini.encode.query_encoders import load_query_encoder
    from i3_pyserini.formats.encoded_queries import QUERIES, read_encoded_queries
    from i3_pyserini.formats.index import read_manifest

    if given.encoder and given.encoder_class == NAME:
        check_index(Path(given.index), load_query_encoder(given.encoder, "i3"))
        return
    made_by = read_manifest(Path(given.index)).encoder
    if given.encoded_queries and (Path(given.encoded_queries) / QUERIES).is_file():
        queries = read_encoded_queries(Path(given.encoded_queries))
        refuse_other_encoder(queries.made_by, given.encoded_queries, made_by, given.index)
    elif given.encoder and given.encoder_class == "auto":
        refuse_other_encoder(_stock_encoder(given, made_by), given.encoder, made_by, given.index)


def _stock_encoder(given: argparse.Namespace, made_by: "EncoderRecord") -> "EncoderRecord":
    """What Pyserini's class `auto` does with its flags; it knows no declarations."""
    from i3_pyserini.model.fingerprint import fingerprint
    from i3_pyserini.model.settings import prompt_of

    return replace(
        made_by,  # where it cuts, its own tokenizer says
        name=given.encoder,
        # An I³ model's query encoder is a folder in it, with a fingerprint of its own.
        fingerprint=fingerprint(Path(given.encoder)) if made_by.kind == "auto" else None,
        pooling=given.pooling,
        normalize=given.l2_norm,
        query_prompt=prompt_of(given.query_prefix),
        include_prompt=True,
        dense=(),
        lowercase=False,
    )


if __name__ == "__main__":
    run_command(main)

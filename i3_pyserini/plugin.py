"""`python -m i3_pyserini.plugin MODULE …`: stock Pyserini commands with I³ encoders.

Registers the encoders of installed packages in Pyserini, so that its commands accept their names;
ours is "i3": `--encoder-class i3`. Compares the index with the query encoder before Java starts.
Finds Java, and runs Pyserini 2 where there is no network.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.threads import set_threads

if TYPE_CHECKING:
    from i3_pyserini.formats.index import EncoderRecord

SEARCH = "pyserini.search.faiss"
WITH_ENCODERS = ("pyserini.encode", SEARCH)
AS_THEY_ARE = (
    "pyserini.encode.query",
    "pyserini.search.lucene",
    "pyserini.index.lucene",
    "pyserini.eval.trec_eval",
    "pyserini.server.rest",
)
COMMANDS = (*WITH_ENCODERS, *AS_THEY_ARE)
NAME = "i3"
USAGE = f"""usage: python -m i3_pyserini.plugin MODULE …

Runs the stock Pyserini command with the given arguments, and Pyserini 2 without a network, too.
In {" and ".join(WITH_ENCODERS)}, --encoder-class i3 accepts an I³ model directory, and other
packages' encoders have the names of their entry points in the group pyserini.encoders.
Others: {", ".join(AS_THEY_ARE)}"""


def main() -> None:
    """Runs a stock command with the encoders of installed packages."""
    if len(sys.argv) == 1 or sys.argv[1] in ("-h", "--help"):
        print(USAGE)
        return
    command, arguments = sys.argv[1], sys.argv[2:]
    if command not in COMMANDS:
        raise I3Error(f"{command!r} is not one of the commands {', '.join(COMMANDS)}")
    set_threads()
    if command in AS_THEY_ARE:
        from i3_pyserini.stock.offline import run_stock

        run_stock(command, arguments)
        return
    if command == SEARCH:
        check_search(arguments)
    from i3_pyserini.stock.encoders import run_with_encoders

    run_with_encoders(command, arguments)


def check_search(arguments: Sequence[str]) -> None:
    """Compares the index with the query encoder, before Pyserini starts.

    Args:
        arguments: of `pyserini.search.faiss`.

    Raises:
        I3Error: the index does not exist, or contradicts the encoder.
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
    from i3_pyserini.formats.first_dimensions import refuse_shortened
    from i3_pyserini.formats.index import read_manifest

    manifest = read_manifest(Path(given.index))
    refuse_shortened(manifest, given.index)
    if given.encoder and given.encoder_class == NAME:
        check_index(Path(given.index), load_query_encoder(given.encoder, "i3"))
        return
    made_by = manifest.encoder
    if given.encoded_queries and (Path(given.encoded_queries) / QUERIES).is_file():
        queries = read_encoded_queries(Path(given.encoded_queries))
        refuse_other_encoder(queries.made_by, given.encoded_queries, made_by, given.index)
    elif given.encoder and given.encoder_class == "auto":
        refuse_other_encoder(_stock_encoder(given, made_by), given.encoder, made_by, given.index)


def _stock_encoder(given: argparse.Namespace, made_by: "EncoderRecord") -> "EncoderRecord":
    """The settings of Pyserini's class `auto` with its flags, without declarations."""
    from i3_pyserini.model.fingerprint import fingerprint
    from i3_pyserini.model.settings import prompt_of

    return replace(
        made_by,  # truncates at the limit of its own tokenizer
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

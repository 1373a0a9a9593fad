"""`python -m i3_pyserini.encode`: the command line of `pyserini.encode`, word for word."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command

if TYPE_CHECKING:
    from i3_pyserini.encode.encoders import DocumentEncoder

SECTIONS = ("input", "output", "encoder")
SWITCHES = {"--to-faiss", "--overwrite", "--fp16", "--l2-norm", "--add-sep"}  # take no value
USAGE = """python -m i3_pyserini.encode
  input   --corpus PATH [--fields F …] [--docid-field F] [--delimiter D]
          [--shard-id I --shard-num N]
  output  --embeddings DIR [--to-faiss] [--overwrite]
  encoder --encoder MODEL [--encoder-class i3|auto] [--batch-size N] [--device D] [--fp16]
          [--fields F …] and, for auto: [--pooling cls|mean] [--l2-norm] [--prefix P]
          [--max-length N] [--add-sep]"""


def split_sections(argv: Sequence[str]) -> dict[str, list[str]]:
    """Splits the command line at `input`, `output` and `encoder`.

    A word right behind an option is the option's value, so `--embeddings output` is no section.

    Raises:
        I3Error: a section is missing, comes twice, or something stands before the first.
    """
    sections: dict[str, list[str]] = {}
    current: list[str] | None = None
    for before, word in zip(["", *argv], argv, strict=False):
        is_value = before.startswith("--") and before not in SWITCHES
        if word in SECTIONS and not is_value:
            if word in sections:
                raise I3Error(f"'{word}' is given twice")
            current = sections[word] = []
        elif current is None:
            raise I3Error(f"expected one of {', '.join(SECTIONS)} first, got {word!r}; see --help")
        else:
            current.append(word)
    missing = [name for name in SECTIONS if name not in sections]
    if missing:
        raise I3Error(f"the command needs {', '.join(map(repr, missing))} too; see --help")
    return sections


def _parsers() -> dict[str, argparse.ArgumentParser]:
    parsers = {
        name: argparse.ArgumentParser(prog=f"python -m i3_pyserini.encode {name}", usage=USAGE)
        for name in SECTIONS
    }
    given = parsers["input"]
    given.add_argument("--corpus", type=Path, required=True)
    given.add_argument("--fields", nargs="+", default=[])
    given.add_argument("--docid-field")
    given.add_argument("--delimiter", default="\n")
    given.add_argument("--shard-id", type=int, default=0)
    given.add_argument("--shard-num", type=int, default=1)
    output = parsers["output"]
    output.add_argument("--embeddings", type=Path, required=True)
    output.add_argument("--to-faiss", action="store_true")
    output.add_argument("--overwrite", action="store_true")
    encoder = parsers["encoder"]
    encoder.add_argument("--encoder", required=True)
    encoder.add_argument("--encoder-class", choices=("i3", "auto"))
    encoder.add_argument("--fields", nargs="+")
    encoder.add_argument("--batch-size", type=int, default=64)
    encoder.add_argument("--device")
    encoder.add_argument("--fp16", action="store_true")
    encoder.add_argument("--pooling", choices=("cls", "mean"), default="cls")
    encoder.add_argument("--l2-norm", action="store_true")
    encoder.add_argument("--prefix")
    encoder.add_argument("--max-length", type=int, default=256)
    encoder.add_argument("--add-sep", action="store_true")
    encoder.add_argument("--dimension", type=int, help=argparse.SUPPRESS)  # Pyserini asks for it
    return parsers


def main() -> None:
    """Parses the command line, encodes, and says how to search."""
    if len(sys.argv) == 1 or set(sys.argv[1:]) & {"-h", "--help"}:
        print(f"usage: {USAGE}\n\nEncode a JSONL corpus into the files that Pyserini reads.")
        return
    parsers = _parsers()
    words = split_sections(sys.argv[1:])
    given, output, encoder = (parsers[name].parse_args(words[name]) for name in SECTIONS)
    if not 0 <= given.shard_id < given.shard_num:
        raise I3Error(
            f"--shard-id {given.shard_id} is not one of the {given.shard_num} shards, from 0"
        )
    if encoder.batch_size < 1:
        raise I3Error(f"--batch-size is {encoder.batch_size}, must be at least 1")
    from i3_pyserini.encode.corpus import Corpus
    from i3_pyserini.encode.runner import Encoding, Shard, encode_corpus
    from i3_pyserini.encode.store import FaissStore, JsonlStore

    delimiter = given.delimiter.replace("\\n", "\n")
    corpus = Corpus(given.corpus, tuple(given.fields), given.docid_field, delimiter)
    store = (FaissStore if output.to_faiss else JsonlStore)(output.embeddings, output.overwrite)
    is_i3 = _is_i3(encoder)
    document_encoder = _i3(encoder) if is_i3 else _auto(encoder)
    fields = encoder.fields or (given.fields if is_i3 else ["text"])
    with_titles = "title" in fields or (not fields and is_i3)
    how = Encoding(encoder.batch_size, with_titles, Shard(given.shard_id, given.shard_num))
    count = encode_corpus(corpus, document_encoder, store, how)
    print(
        f"wrote {output.embeddings}: {count:,} passages of {store.manifest['dimension']} dimensions"
    )


def _is_i3(args: argparse.Namespace) -> bool:
    from i3_pyserini.model.config import is_i3_model

    return bool(
        args.encoder_class == "i3" or (not args.encoder_class and is_i3_model(args.encoder))
    )


def _i3(args: argparse.Namespace) -> "DocumentEncoder":
    from i3_pyserini.encode.encoders import I3DocumentEncoder

    return I3DocumentEncoder(args.encoder, args.device, args.fp16)


def _auto(args: argparse.Namespace) -> "DocumentEncoder":
    from i3_pyserini.encode.encoders import AutoDocumentEncoder

    return AutoDocumentEncoder(
        args.encoder,
        args.device,
        pooling=args.pooling,
        l2_norm=args.l2_norm,
        prefix=args.prefix,
        max_length=args.max_length,
        add_sep=args.add_sep,
    )


if __name__ == "__main__":
    run_command(main)

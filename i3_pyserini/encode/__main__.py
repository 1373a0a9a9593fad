"""`python -m i3_pyserini.encode`: the command line of `pyserini.encode`, with its defaults.

`i3-pyserini encode` is `i3_pyserini.encode.corpus.encode_corpus`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.encode.corpus import ComputeOptions
from i3_pyserini.encode.flags import add_flags, options_of
from i3_pyserini.errors import I3Error, at_least_1, run_command
from i3_pyserini.formats.corpus_options import add_table_options, table_of
from i3_pyserini.stock.options import ENCODE as REFUSED
from i3_pyserini.stock.options import DropInParser
from i3_pyserini.threads import set_threads

if TYPE_CHECKING:
    from i3_pyserini.encode.runner import Encoding
    from i3_pyserini.encode.spec import EncoderSpec

MOVED = ("merge", "import", "verify")  # now commands of i3-pyserini
SECTIONS = ("input", "output", "encoder")
# Options without a value:
SWITCHES = {
    *("--to-faiss", "--to-npy", "--overwrite", "--fp16", "--estimate"),
    *("--l2-norm", "--no-l2-norm", "--add-sep", "--no-header"),
    *("--multimodal", "--use-openai", "--explicit-truncate"),
}
USAGE = """python -m i3_pyserini.encode
  input   --corpus PATH [--fields F …] [--docid-field F] [--delimiter D]
          [--encoding E] [--column-delimiter C] [--no-header] [--shard-id I --shard-num N]
  output  --embeddings DIR [--to-faiss | --to-npy] [--store-dtype fp32|fp16] [--overwrite]
  encoder --encoder MODEL [--encoder-class i3|auto] [--device D | --devices D,D… | --ray ADDRESS]
          [--dtype fp32|bf16|fp16] [--backend torch|openvino|onnx] [--batch-tokens N]
          [--batch-size N] [--estimate] [--fields F …] and, for auto: [--pooling P] [--[no-]l2-norm]
          [--prefix P] [--query-prefix P] [--max-length N] [--add-sep]"""
HELP = """Encode a corpus into files that Pyserini reads.

input
  --corpus        a file in JSONL, CSV, TSV or Parquet, plain, gzip or zstd, or a folder of them
  --encoding      for CSV and TSV, as --column-delimiter and --no-header (docs/reference/formats.md)
  --shard-id      encode only this one of --shard-num ranges of the corpus's bytes; join with merge
output
  --embeddings    the directory; it appears when it is complete. The same command again resumes
                  one that was interrupted
  --to-faiss      {index, docid} for pyserini.search.faiss; otherwise JSON lines for Anserini
  --to-npy        embeddings.npy and docid
  --store-dtype   type of intermediate parts and embeddings.npy (an index is always float32)
encoder
  --devices       several devices at once, such as cuda:0,cuda:1 or cpu,cpu
  --ray           the address of a Ray cluster that shares this folder ("local" for a new one)
  --dtype         bf16 is about twice as fast on processors that support it; fp16 is for GPUs
  --batch-tokens  maximum tokens per batch with padding (1,024 on a CPU; at most 16,384 on a GPU)
  --batch-size    maximum passages per batch
  --threads       number of threads on a CPU (default: one for each usable CPU)
  --estimate      only encode a sample and print hours, disk and memory for the whole corpus
  --pooling       and the other flags for auto: the model's own settings (modules.json), or
                  Pyserini's defaults: cls, not scaled, no prefix, 256 ids
  --query-prefix  goes into the index's manifest; whoever searches puts it before queries"""


def split_sections(argv: Sequence[str]) -> dict[str, list[str]]:
    """Splits the command line at `input`, `output` and `encoder`.

    A word after an option is its value, so `--embeddings output` does not start a section.

    Raises:
        I3Error: a section is missing or given twice, or a word precedes the first section.
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
            moved = f"i3-pyserini index {word} --help" if word in MOVED else "--help"
            raise I3Error(f"expected one of {', '.join(SECTIONS)} first, got {word!r}; see {moved}")
        else:
            current.append(word)
    missing = [name for name in SECTIONS if name not in sections]
    if missing:
        raise I3Error(f"the command needs {', '.join(map(repr, missing))} too; see --help")
    return sections


def make_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each section."""
    parsers: dict[str, argparse.ArgumentParser] = {
        name: DropInParser(REFUSED, prog=f"python -m i3_pyserini.encode {name}", usage=USAGE)
        for name in SECTIONS
    }
    given = parsers["input"]
    given.add_argument("--corpus", type=Path, required=True)
    given.add_argument("--fields", nargs="+", default=[])
    given.add_argument("--docid-field")
    given.add_argument("--delimiter", default="\n")
    add_table_options(given)
    given.add_argument("--shard-id", type=int, default=0)
    given.add_argument("--shard-num", type=int, default=1)
    output = parsers["output"]
    output.add_argument("--embeddings", type=Path, required=True)
    kind = output.add_mutually_exclusive_group()
    kind.add_argument("--to-faiss", dest="kind", action="store_const", const="faiss")
    kind.add_argument("--to-npy", dest="kind", action="store_const", const="npy")
    output.add_argument("--store-dtype", choices=("fp32", "fp16"), default="fp32")
    output.add_argument("--overwrite", action="store_true")
    encoder = parsers["encoder"]
    encoder.add_argument("--encoder", required=True)
    encoder.add_argument("--encoder-class", choices=("i3", "auto"))
    encoder.add_argument("--fields", nargs="+")
    where = encoder.add_mutually_exclusive_group()
    where.add_argument("--device")
    where.add_argument("--devices")
    where.add_argument("--ray", metavar="ADDRESS")
    encoder.add_argument("--dtype", choices=("fp32", "bf16", "fp16"))
    encoder.add_argument("--fp16", action="store_const", dest="dtype", const="fp16")
    encoder.add_argument("--backend", choices=("torch", "openvino", "onnx"), default="torch")
    encoder.add_argument("--batch-tokens", type=int)
    encoder.add_argument("--batch-size", type=int)
    encoder.add_argument("--threads", type=int)
    encoder.add_argument("--estimate", action="store_true")
    add_flags(encoder)
    encoder.add_argument("--dimension", type=int, help=argparse.SUPPRESS)  # Pyserini needs it
    return parsers


def main() -> None:
    """Parses the command line, encodes, and prints what was written."""
    words = sys.argv[1:]
    if not words or set(words) & {"-h", "--help"}:
        print(f"usage: {USAGE}\n\n{HELP}")
        return
    parsers = make_parsers()
    sections = split_sections(words)
    given, output, encoder = (parsers[name].parse_args(sections[name]) for name in SECTIONS)
    at_least_1(threads=encoder.threads)
    set_threads(encoder.threads)
    options = options_of(encoder)  # checked before slow imports
    _compute(given, output, encoder)
    from i3_pyserini.encode.spec import spec_of
    from i3_pyserini.formats.index_output import IndexOutput
    from i3_pyserini.formats.passages import Corpus

    delimiter = given.delimiter.replace("\\n", "\n")
    table = table_of(given)
    corpus = Corpus(given.corpus, tuple(given.fields), given.docid_field, delimiter, table=table)
    spec = spec_of(encoder.encoder, options, encoder.dtype or "fp32", encoder.backend)
    _check_dimension(encoder.dimension, spec)
    how = _encoding(given, output, encoder, spec.kind)
    target = IndexOutput(output.embeddings, output.kind or "jsonl", output.overwrite)
    if encoder.estimate:
        from i3_pyserini.encode.estimate import estimate

        print(estimate(corpus, spec, target, how))
        return
    from i3_pyserini.encode.corpus import encode_and_say

    print(encode_and_say(corpus, spec, target, how, output.embeddings))


def _check_dimension(dimension: int | None, spec: "EncoderSpec") -> None:
    """Refuses a dimension that the model does not have."""
    if dimension is not None and dimension != (own := spec.describe().dimension):
        raise I3Error(
            f"--dimension {dimension}: vectors of {spec.name} have {own} components; omit it"
        )


def _encoding(
    given: argparse.Namespace, output: argparse.Namespace, encoder: argparse.Namespace, kind: str
) -> "Encoding":
    fields = encoder.fields or (given.fields if kind == "i3" else ["text"])
    with_titles = "title" in fields or (not fields and kind == "i3")
    return _compute(given, output, encoder).encoding(with_titles)


def _compute(
    given: argparse.Namespace, output: argparse.Namespace, encoder: argparse.Namespace
) -> ComputeOptions:
    return ComputeOptions(
        devices=(encoder.devices or encoder.device or "").split(","),
        ray=encoder.ray,
        dtype=encoder.dtype or "fp32",
        backend=encoder.backend,
        batch_tokens=encoder.batch_tokens,
        batch_size=encoder.batch_size,
        store_dtype=output.store_dtype,
        shard_id=given.shard_id,
        shard_num=given.shard_num,
    )


if __name__ == "__main__":
    run_command(main)

"""`python -m i3_pyserini.encode.query`: topics to vectors for `--encoded-queries`."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.encode.query",
        description="Encode topics once, for --encoded-queries of our search and stock Pyserini's.",
    )
    parser.add_argument("--topics", required=True, help="TSV file, or a name such as dl19-passage")
    parser.add_argument("--encoder", help="model (default: the one that the --index names)")
    parser.add_argument("--encoder-class", choices=("i3", "auto"))
    parser.add_argument("--output", type=Path, required=True, help="folder for embedding.pkl")
    parser.add_argument(
        "--index", type=Path, help="the index to be searched: its model, set as for its passages"
    )
    parser.add_argument("--pooling", help="cls, mean, max, … (default: as the passages)")
    parser.add_argument("--l2-norm", action=argparse.BooleanOptionalAction)
    parser.add_argument("--query-prefix", help="put before every query")
    parser.add_argument("--device", help="such as cuda:0 (default: the first GPU, or else the CPU)")
    parser.add_argument("--overwrite", action="store_true")
    return parser


def main() -> None:
    """Parses the command line, encodes the topics, and says how to use the result."""
    args = _parser().parse_args()
    if args.encoder is None and args.index is None:
        raise I3Error("name the model with --encoder, or the index to be searched with --index")
    from i3_pyserini.encode.index_encoder import (
        QueryFlags,
        check_index,
        encoder_for,
        quickest_device,
        record_of,
    )
    from i3_pyserini.encode.query_encoders import note_cut
    from i3_pyserini.formats.encoded_queries import save_queries
    from i3_pyserini.formats.index import EncoderRecord, read_manifest
    from i3_pyserini.formats.topics import read_topics

    topics = read_topics(args.topics)
    flags = QueryFlags(
        args.encoder,
        args.encoder_class,
        quickest_device(args.device),
        args.pooling,
        args.l2_norm,
        args.query_prefix,
    )
    made_by = read_manifest(args.index).encoder if args.index else EncoderRecord()
    encoder = encoder_for(made_by, str(args.index) if args.index else None, flags)
    if args.index is not None:
        check_index(args.index, encoder)
    vectors = encoder.encode(list(topics.values()))
    note_cut(encoder, len(topics))
    save_queries(args.output, topics, vectors, args.overwrite, record_of(encoder))
    print(f"wrote {args.output}: {len(topics):,} queries of {vectors.shape[1]} dimensions")


if __name__ == "__main__":
    run_command(main)

"""`python -m i3_pyserini.encode.query`: topics to vectors for `--encoded-queries`."""

import argparse
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def main() -> None:
    """Parses the command line, encodes the topics, and says how to use the result."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.encode.query",
        description="Encode topics once, for stock pyserini.search.faiss --encoded-queries.",
    )
    parser.add_argument("--topics", required=True, help="TSV file, or a name such as dl19-passage")
    parser.add_argument("--encoder", required=True, help="I³ model directory")
    parser.add_argument("--output", type=Path, required=True, help="folder for embedding.pkl")
    parser.add_argument("--index", type=Path, help="check that this index was made by the model")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device")
    parser.add_argument("--overwrite", action="store_true")
    args = parser.parse_args()
    if args.batch_size < 1:
        raise I3Error(f"--batch-size is {args.batch_size}, must be at least 1")
    from i3_pyserini.encode.encoded_queries import check_index, encode_topics, save_queries
    from i3_pyserini.encode.encoders import I3QueryEncoder
    from i3_pyserini.formats.topics import read_topics
    from i3_pyserini.model.fingerprint import fingerprint

    topics = read_topics(args.topics)
    encoder = I3QueryEncoder(args.encoder, args.device)
    if args.index is not None:
        check_index(args.index, encoder)
    vectors = encode_topics(topics, encoder, args.batch_size)
    model = fingerprint(Path(encoder.name))
    save_queries(args.output, topics, vectors, args.overwrite, model)
    print(f"wrote {args.output}: {len(topics):,} queries of {vectors.shape[1]} dimensions")


if __name__ == "__main__":
    run_command(main)

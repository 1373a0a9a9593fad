"""Encoding a corpus into an index, and what that will cost."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.encode.runner import Encoding
    from i3_pyserini.encode.spec import EncoderSpec
    from i3_pyserini.formats.index_output import IndexOutput
    from i3_pyserini.formats.passages import Corpus

STORED = {"fp32": "float32", "fp16": "float16"}


@dataclass(frozen=True)
class ComputeOptions:
    """Devices, precision and batches.

    Attributes:
        devices: encode on all of these at once, such as "cuda:0 cuda:1" or "cpu cpu"; the first
            GPU by default, or else the CPU.
        ray: address of a Ray cluster that shares this folder; "local" starts one.
        dtype: of the computation. "bf16" is about twice as fast on processors that have it; "fp16"
            is for GPUs.
        backend: "openvino" is faster on many CPUs.
        batch_tokens: most tokens of a batch, padding counted; 1,024 on a CPU, 16,384 on a GPU.
        batch_size: most passages of a batch besides.
        store_dtype: of intermediate parts and of embeddings.npy; an index is always float32.
        shard_id: encode only this one of `shard_num` ranges of the corpus's bytes, from 0; join
            them with `index merge`.
        shard_num: number of shards.
    """

    devices: Sequence[str] = ()
    ray: str | None = None
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    backend: Literal["torch", "openvino"] = "torch"
    batch_tokens: int | None = None
    batch_size: int | None = None
    store_dtype: Literal["fp32", "fp16"] = "fp32"
    shard_id: int = 0
    shard_num: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.shard_id < self.shard_num:
            raise I3Error(
                f"shard_id {self.shard_id} is not one of the {self.shard_num} shards, from 0"
            )
        at_least_1(batch_size=self.batch_size, batch_tokens=self.batch_tokens)
        if self.ray and any(self.devices):
            raise I3Error("devices are for this machine and ray for a cluster: name one of them")

    def encoding(self, titles: bool) -> "Encoding":
        """The same for the runner."""
        from i3_pyserini.encode.batches import Batching
        from i3_pyserini.encode.runner import Encoding
        from i3_pyserini.encode.scan import Shard

        devices = [name.strip() for names in self.devices for name in names.split(",")]
        store_dtype = STORED[self.store_dtype]
        return Encoding(
            Batching(self.batch_tokens, self.batch_size, titles, store_dtype),
            Shard(self.shard_id, self.shard_num),
            tuple(name for name in devices if name),
            self.ray,
        )


def encode_corpus(
    corpus: AnyPath,
    *,
    model: NameOrPath,
    output: AnyPath,
    kind: Literal["faiss", "npy", "jsonl"] = "faiss",
    titles: bool = True,
    overwrite: bool = False,
    encoder: EncoderOptions | None = None,
    compute: ComputeOptions | None = None,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Encodes a corpus into an index that this package and Pyserini search.

    The output appears when it is complete. The same command resumes an encoding that was
    interrupted. Pooling, normalization, prompts and lengths are those that the model declares; the
    index's manifest holds them, and whoever searches it takes them from there.

    Args:
        corpus: a file in JSONL, CSV, TSV or Parquet, plain, gzip or zstd, or a folder of them.
        model: a model directory, or a hub name.
        output: the directory to write.
        kind: "faiss" ({index, docid}, for searching), "npy" (embeddings.npy and docid) or "jsonl"
            (JSON lines, for Anserini).
        titles: encode titles too.
        overwrite: replace an older index.
        encoder: how the model encodes, where its own files should not decide.
        compute: devices, precision, batches and shards.
        corpus_options: how the corpus is read, where that is unusual.

    Returns:
        The index. What holds for it, and the command by which stock Pyserini searches it, are
        printed to stderr.

    Raises:
        I3Error: the corpus has a mistake, the model cannot be used, the disk is too small, or an
            interrupted encoding had other options.
        StoppedError: SIGTERM or Ctrl-C came; what is done is kept.
    """
    from i3_pyserini.formats.index_output import IndexOutput

    target = IndexOutput(Path(output), kind, overwrite)
    plan = _planned(corpus, model, target, titles, encoder, compute, corpus_options)
    return encode_and_say(*plan, path=Path(output))


def estimate_encoding(
    corpus: AnyPath,
    *,
    model: NameOrPath,
    output: AnyPath = "index",
    kind: Literal["faiss", "npy", "jsonl"] = "faiss",
    titles: bool = True,
    encoder: EncoderOptions | None = None,
    compute: ComputeOptions | None = None,
    corpus_options: CorpusOptions = USUAL,
) -> str:
    """Encodes a sample of a corpus, and estimates hours, disk and memory for all of it.

    Args:
        corpus: see `encode`.
        model: likewise.
        output: where the index would go, for the free space of the disk.
        kind: see `encode`.
        titles: likewise.
        encoder: likewise.
        compute: likewise.
        corpus_options: likewise.

    Returns:
        Lines of text.

    Raises:
        I3Error: a line of the sample is invalid, or the model cannot be used.
    """
    from i3_pyserini.encode.estimate import estimate
    from i3_pyserini.formats.index_output import IndexOutput

    target = IndexOutput(Path(output), kind, overwrite=True)
    plan = _planned(corpus, model, target, titles, encoder, compute, corpus_options)

    return estimate(*plan)


def encode_and_say(
    corpus: "Corpus", spec: "EncoderSpec", target: "IndexOutput", how: "Encoding", path: Path
) -> Written:
    """Encodes; notes what a user should know of the model's settings.

    Returns:
        The index, with the command by which stock Pyserini searches it.

    Raises:
        I3Error: see `encode_corpus`.
    """
    from i3_pyserini.encode.runner import run_encoding
    from i3_pyserini.encode.summary import advice, stock_search
    from i3_pyserini.formats.index import read_manifest
    from i3_pyserini.stock.java import java_environment

    for line in advice(spec.resolved()):
        note(line)
    shape = run_encoding(corpus, spec, target, how)
    command = stock_search(path, read_manifest(path), java_environment())
    if command:
        print(f"search with stock Pyserini: {command}", file=sys.stderr)
    return Written(path, f"{shape.passages:,} passages of {shape.dimension} dimensions")


def _planned(
    corpus: AnyPath,
    model: NameOrPath,
    target: "IndexOutput",
    titles: bool,
    encoder: EncoderOptions | None,
    compute: ComputeOptions | None,
    corpus_options: CorpusOptions,
) -> "tuple[Corpus, EncoderSpec, IndexOutput, Encoding]":
    from i3_pyserini.encode.spec import spec_of
    from i3_pyserini.formats.passages import Corpus

    compute = compute or ComputeOptions()
    read = Corpus.from_options(Path(corpus), corpus_options.reading())
    spec = spec_of(fspath(model), encoder or EncoderOptions(), compute.dtype, compute.backend)
    return read, spec, target, compute.encoding(titles)

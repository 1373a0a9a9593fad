"""Encodes a corpus into an index, and estimates the cost."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.encode.flags import AS_THEY_ARE, ChunkOptions, EncoderOptions
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
        devices: devices to encode on in parallel, such as "cuda:0 cuda:1" or "cpu cpu". Default:
            the first GPU, or the CPU if there is none.
        ray: address of a Ray cluster whose machines share this folder; "local" starts one.
        dtype: precision of the computation. "bf16" is about twice as fast on processors that
            support it; "fp16" is for GPUs.
        backend: "openvino" is faster on many CPUs; "onnx" is onnxruntime, for CPUs too.
        batch_tokens: maximum tokens per batch with padding. Default: 1,024 on a CPU; on a
            GPU 16,384, or what fits its free memory.
        batch_size: maximum passages per batch.
        store_dtype: type of the vectors in intermediate parts and embeddings.npy; an index is
            always float32.
        shard_id: encode only this one of `shard_num` byte ranges of the corpus, counted from 0;
            merge them with `index merge`.
        shard_num: number of shards.
    """

    devices: Sequence[str] = ()
    ray: str | None = None
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    backend: Literal["torch", "openvino", "onnx"] = "torch"
    batch_tokens: int | None = None
    batch_size: int | None = None
    store_dtype: Literal["fp32", "fp16"] = "fp32"
    shard_id: int = 0
    shard_num: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.shard_id < self.shard_num:
            raise I3Error(
                f"shard_id {self.shard_id} is not one of the {self.shard_num} shards (counted "
                "from 0)"
            )
        at_least_1(batch_size=self.batch_size, batch_tokens=self.batch_tokens)
        if self.ray and any(self.devices):
            raise I3Error(
                "devices and ray cannot be combined: devices are for this machine, ray for a "
                "cluster"
            )

    def encoding(self, titles: bool) -> "Encoding":
        """The same as an `Encoding`."""
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
    update: AnyPath | None = None,
    overwrite: bool = False,
    encoder: EncoderOptions | None = None,
    compute: ComputeOptions | None = None,
    chunks: ChunkOptions = AS_THEY_ARE,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Encodes a corpus into an index that this package and Pyserini search.

    The output appears when it is complete. The same command resumes an interrupted encoding.
    Pooling, normalization, prompts and lengths are those that the model declares. The index
    manifest records them, and search uses them.

    With `chunk`, long documents are cut into windows. These are in the index's folder `chunks`,
    which the other commands read texts from.

    Args:
        corpus: a file in JSONL, CSV, TSV or Parquet, plain, gzip or zstd, or a folder of such
            files.
        model: a model directory or hub name.
        output: the directory to write.
        kind: output format: "faiss" ({index, docid}, for search), "npy" (embeddings.npy and docid)
            or "jsonl" (JSON lines, for Anserini).
        titles: encode titles as well as texts.
        update: an index of an earlier state of the corpus, by the same model and settings. Only
            passages with a new content are encoded; the other vectors are taken over. It can be
            `output` itself, which is replaced when the new index is complete.
        overwrite: replace an existing index.
        encoder: settings that override the model's own files.
        compute: devices, precision, batches and shards.
        chunks: whether and how to cut documents into windows.
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        The index. Its settings and the command to search it with stock Pyserini are printed to
        stderr.

    Raises:
        I3Error: the corpus is invalid, the model cannot be used, there is not enough disk space, or
            an interrupted encoding had other options.
        StoppedError: SIGTERM or Ctrl-C stopped it; complete parts are kept.
    """
    from i3_pyserini.formats.index_output import IndexOutput

    older = None if update is None else Path(update)
    if older is not None and compute is not None and compute.shard_num > 1:
        raise I3Error("update and shard_num cannot be combined; update the merged index")
    target = IndexOutput(Path(output), kind, overwrite, older)
    read, spec, target, how = _planned(
        corpus, model, target, titles, encoder, compute, chunks=chunks, options=corpus_options
    )
    return encode_and_say(read, spec, target, replace(how, update=older), path=Path(output))


def estimate_encoding(
    corpus: AnyPath,
    *,
    model: NameOrPath,
    output: AnyPath = "index",
    kind: Literal["faiss", "npy", "jsonl"] = "faiss",
    titles: bool = True,
    encoder: EncoderOptions | None = None,
    compute: ComputeOptions | None = None,
    chunks: ChunkOptions = AS_THEY_ARE,
    corpus_options: CorpusOptions = USUAL,
) -> str:
    """Encodes a sample of a corpus and estimates hours, disk and memory for the whole.

    Args:
        corpus: as for `encode`.
        model: as for `encode`.
        output: the planned index directory, to check free disk space.
        kind: as for `encode`.
        titles: as for `encode`.
        encoder: as for `encode`.
        compute: as for `encode`.
        chunks: as for `encode`.
        corpus_options: as for `encode`.

    Returns:
        Lines of text.

    Raises:
        I3Error: a line of the sample is invalid, or the model cannot be used.
    """
    from i3_pyserini.encode.estimate import estimate
    from i3_pyserini.formats.index_output import IndexOutput

    target = IndexOutput(Path(output), kind, overwrite=True)
    plan = _planned(
        corpus, model, target, titles, encoder, compute, chunks=chunks, options=corpus_options
    )

    return estimate(*plan)


def encode_and_say(
    corpus: "Corpus", spec: "EncoderSpec", target: "IndexOutput", how: "Encoding", path: Path
) -> Written:
    """Encodes, and prints notes on the model's settings.

    Returns:
        The index and its summary; the command for stock Pyserini is printed.

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
    if target.kind == "faiss":
        shown = shlex.quote(str(path))
        page = f"i3-pyserini serve {shown}"
        print(f'search: i3-pyserini search {shown} --query "…", or {page}', file=sys.stderr)
    command = stock_search(path, read_manifest(path), java_environment())
    if command:
        print(f"search with stock Pyserini: {command}", file=sys.stderr)
    summary = f"{shape.passages:,} passages of {shape.dimension} dimensions"
    return Written(path, summary, changed=target.written)


def _planned(
    corpus: AnyPath,
    model: NameOrPath,
    target: "IndexOutput",
    titles: bool,
    encoder: EncoderOptions | None,
    compute: ComputeOptions | None,
    *,
    chunks: ChunkOptions,
    options: CorpusOptions,
) -> "tuple[Corpus, EncoderSpec, IndexOutput, Encoding]":
    from i3_pyserini.encode.spec import spec_of
    from i3_pyserini.formats.passages import Corpus

    compute = compute or ComputeOptions()
    read = Corpus.from_options(Path(corpus), options.reading())
    spec = spec_of(fspath(model), encoder or EncoderOptions(), compute.dtype, compute.backend)
    how = compute.encoding(titles)
    if windowing := chunks.windowing(spec.resolved().passage_length):
        from i3_pyserini.encode.chunking import Chunker

        how = replace(how, chunker=Chunker(windowing, spec, titles))
    return read, spec, target, how

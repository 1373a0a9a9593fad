"""What a GPU does in ten minutes, without a network: encoding, search, training, and its vectors.

    python -m benchmarks.gpu [--device cuda:0] [--minutes 9] [--record]

Each section is recorded as soon as it is done; those for which no time is left are named. The share
of the peak compares a model's matrix products with the fastest product measured on the same card in
the same precision. `--device cpu --tiny` tries the script in seconds; its numbers mean nothing.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.gpu_work import (
    DTYPES,
    Device,
    Shape,
    Step,
    encoded_texts,
    function_of,
    least_cosine,
    matrix_peak,
    passage_lengths,
    random_vectors,
    release,
    same_hits,
    searched_queries,
    texts_of,
    trained_tokens,
)
from benchmarks.record import (
    Figure,
    Record,
    add_record_option,
    measured_now,
    save,
    single,
)
from i3_pyserini.encode.gpu import MOST_TOKENS
from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.model.devices import torch_device
from i3_pyserini.search.device_search import SPARE, free_bytes

LENGTH = 128  # ids of a text, for the share of the peak
TARGET = 50  # percent of the peak, for BERT-base in fp16 on an H100


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        shapes: the models, by name.
        gemm: sizes of the square products.
        texts: texts that are encoded together.
        compared: texts whose vectors are compared with the CPU's.
        tokens: tokens per batch.
        vectors: that are searched, and their dimension.
        hits: of a query.
        queries: that are searched together.
        step: a training step.
        chunk: passages with activations, with GradCache.
    """

    shapes: dict[str, Shape]
    gemm: tuple[int, ...]
    texts: int
    compared: int
    tokens: tuple[int, ...]
    vectors: tuple[int, int]
    hits: int
    queries: int
    step: Step
    chunk: int


WHOLE = Sizes(
    {"MiniLM": Shape(6, 384, 12), "BERT-base": Shape(12, 768, 12)},
    (4096, 8192, 16_384),
    4096,
    64,
    (4096, MOST_TOKENS, 65_536),
    (8_841_823, 768),
    1000,
    4096,
    Step(128, 32, LENGTH),
    32,
)
TINY = Sizes(
    {"MiniLM": Shape(1, 32, 2, 200), "BERT-base": Shape(2, 64, 2, 200)},
    (64,),
    16,
    4,
    (256, 1024),
    (500, 16),
    10,
    8,
    Step(4, 8, 16),
    2,
)


@dataclass
class Bench:
    """A run of the script.

    Attributes:
        device: where.
        sizes: how much.
        deadline: when to start nothing any more, as `time.monotonic()`.
        figures: what has been measured.
        left_out: what has not.
        peaks: floating-point operations per second by precision.
    """

    device: Device
    sizes: Sizes
    deadline: float
    figures: list[Figure] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def dtypes(self) -> list[str]:
        """Precisions; fp16 is for GPUs."""
        cuda = self.device.torch.type == "cuda"
        return [name for name in DTYPES if cuda or name != "fp16"]

    @property
    def half(self) -> str:
        """The precision to encode in."""
        return self.dtypes[-1]

    def add(self, name: str, value: float, unit: str, digits: int) -> None:
        """Notes a figure."""
        self.figures.append(single(name, value, unit, digits))
        print(f"{name}: {self.figures[-1]} {unit}", flush=True)

    def time_for(self, what: str) -> bool:
        """Whether there is time left; if not, what is left out is noted."""
        if time.monotonic() < self.deadline:
            return True
        self.left_out.append(what)
        return False


def peak(bench: Bench) -> None:
    """The fastest product in each precision."""
    for dtype in bench.dtypes:
        if bench.time_for(f"the peak in {dtype}"):
            bench.peaks[dtype] = matrix_peak(bench.device, dtype, bench.sizes.gemm)
            bench.add(f"matrix products, {dtype}", bench.peaks[dtype] / 1e12, "TFLOP/s", 3)


def vectors(bench: Bench) -> None:
    """Cosines to the CPU's vectors, of both architectures."""
    for name, shape in bench.sizes.shapes.items():
        texts = texts_of(passage_lengths(bench.sizes.compared), shape)
        for dtype in bench.dtypes:
            what = f"{name}, I³, {dtype}: least cosine to the CPU's fp32"
            if bench.time_for(what):
                bench.add(what, least_cosine(shape, "released", bench.device, dtype, texts), "", 6)


def encoding(bench: Bench) -> None:
    """Passages per second, and the share of the peak at one length."""
    sizes = bench.sizes
    for name, shape in sizes.shapes.items():
        even = texts_of([LENGTH] * sizes.texts, shape)
        real = texts_of(passage_lengths(sizes.texts), shape)
        for kind, interaction in (("plain", "none"), ("I³", "released")):
            for dtype in bench.dtypes:
                what = f"{name}, {kind}, {dtype}"
                if bench.time_for(f"encoding, {what}"):
                    _encoding_of(bench, what, shape, interaction, dtype, even)
        run = function_of(shape, "none", bench.device.torch, bench.half)
        for tokens in sizes.tokens:
            what = f"{name}, plain, {bench.half}, MS MARCO's lengths, {tokens:,} tokens a batch"
            if bench.time_for(f"encoding, {what}"):
                bench.add(what, encoded_texts(run, bench.device, real, tokens), "passages/s", 1)


def _encoding_of(
    bench: Bench, what: str, shape: Shape, interaction: str, dtype: str, texts: list[list[int]]
) -> None:
    run = function_of(shape, interaction, bench.device.torch, dtype)
    rate = encoded_texts(run, bench.device, texts, MOST_TOKENS)
    bench.add(f"{what}, {LENGTH} ids", rate, "passages/s", 1)
    if interaction == "none" and dtype in bench.peaks:
        share = 100 * rate * shape.flops(LENGTH) / bench.peaks[dtype]
        bench.add(f"{what}, {LENGTH} ids: share of the peak", share, "%", 1)


def search(bench: Bench) -> None:
    """Queries per second in as many of MS MARCO's passages as fit, and hits against the CPU's."""
    sizes, (count, dimension) = bench.sizes, bench.sizes.vectors
    few = min(count, 100_000)
    if bench.time_for("search: hits of the CPU"):
        some = random_vectors(bench.device, few, dimension, torch.float32)
        found = same_hits(bench.device, some, min(sizes.queries, 100), sizes.hits)
        bench.add(f"search, {few:,} vectors, fp32: hits of the CPU", 100 * found, "%", 3)
        del some
    for dtype in (torch.float16, torch.float32):
        release(bench.device)
        room = (free_bytes(bench.device.torch) - SPARE) / (dimension * dtype.itemsize)
        fitting = int(min(count, max(few, room)))
        name = f"search, {fitting:,} × {dimension}, {str(dtype).removeprefix('torch.')}"
        if not bench.time_for(name):
            continue
        made = random_vectors(bench.device, fitting, dimension, dtype)
        for queries in (1, sizes.queries):
            what = f"{name}, {queries:,} at once, k={sizes.hits}"
            if bench.time_for(what):
                rate = searched_queries(bench.device, made, queries, sizes.hits)
                bench.add(what, rate, "queries/s", 1)
        del made


def training(bench: Bench) -> None:
    """Tokens per second of a step, with the whole batch and in chunks."""
    step = bench.sizes.step
    chunked = Step(step.pairs, step.query, step.passage, bench.sizes.chunk)
    for name, shape in bench.sizes.shapes.items():
        for kind, interaction in (("plain", "none"), ("I³", "released")):
            for way, one in (("whole batch", step), ("GradCache", chunked)):
                what = f"training step, {name}, {kind}, bf16, {way}"
                if bench.time_for(what):
                    release(bench.device)
                    rate = trained_tokens(shape, interaction, bench.device, one)
                    bench.add(what, rate, "tokens/s", 0)


SECTIONS: tuple[Callable[[Bench], None], ...] = (peak, vectors, encoding, search, training)


def measured(bench: Bench) -> Iterator[Record]:
    """Measures; yields what is known after each section.

    A section that fails is named in the record, and the next one follows.
    """
    for section in SECTIONS:
        try:
            section(bench)
        except RuntimeError as error:  # of CUDA, such as too little memory
            reason = str(error).splitlines()[0]
            bench.left_out.append(f"{section.__name__} ({reason:.120})")
        release(bench.device)
        if bench.figures:
            yield record_of(bench)


def record_of(bench: Bench) -> Record:
    """The record of what has been measured so far."""
    sizes, step = bench.sizes, bench.sizes.step
    notes = [f"target: {TARGET}% of the peak for BERT-base in fp16 on an H100 at {LENGTH} ids"]
    if bench.left_out:
        notes.append(f"not measured: {'; '.join(bench.left_out)}")
    record = measured_now(
        "encoding, search and training on a GPU",
        "random weights in the shapes of MiniLM-L6 and BERT-base, random ids, random vectors",
        f"repeated for {bench.device.seconds:g} s after a first time; the mean",
        {
            "ids of a text": LENGTH,
            "texts": sizes.texts,
            "vectors": sizes.vectors[0],
            "hits": sizes.hits,
            "pairs of a training step": step.pairs,
            "ids of a query": step.query,
            "ids of a passage": step.passage,
            "passages of a chunk": sizes.chunk,
            "target, %": TARGET,
        },
        bench.figures,
    )
    machine = record.machine
    processor = f"{bench.device.name}; {machine.processor}"
    versions = record.versions | {"CUDA": str(torch.version.cuda)}
    return record.model_copy(
        update={
            "note": "; ".join(notes),
            "machine": machine.model_copy(update={"processor": processor}),
            "versions": versions,
        }
    )


def main() -> None:
    """Measures, prints and records."""
    parser = argparse.ArgumentParser(description="What a GPU does in ten minutes.")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--tiny", action="store_true", help="try the script, in seconds")
    add_record_option(parser, "gpu")
    args = parser.parse_args()
    if args.tiny and args.record:
        raise I3Error("--tiny only tries the script; omit --record")
    device = Device(torch_device(args.device), 0.02 if args.tiny else 3.0)
    run(device, TINY if args.tiny else WHOLE, args.minutes, args.record)


def run(device: Device, sizes: Sizes, minutes: float, path: Path | None) -> None:
    """Measures within so many minutes.

    Args:
        device: where.
        sizes: how much.
        minutes: after which nothing new is begun.
        path: of the record; None to print only.
    """
    bench = Bench(device, sizes, time.monotonic() + 60 * minutes)
    for record in measured(bench):
        if path is not None:
            save(path, record)
    for what in bench.left_out:
        print(f"not measured: {what}")


if __name__ == "__main__":
    run_command(main)

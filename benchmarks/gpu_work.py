"""What `benchmarks.gpu` measures on a device: products, vectors, encoding, search, training steps.

Models have the shapes of MiniLM-L6 and BERT-base with random weights, and texts are random ids, so
that nothing is read.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig

from i3_pyserini import I3Config, I3Retriever
from i3_pyserini.encode.batches import token_batches
from i3_pyserini.encode.compute import passage_function
from i3_pyserini.encode.encoders import I3Passages
from i3_pyserini.encode.parallel import batches_at_once, in_parallel
from i3_pyserini.model.texts import padded_batch
from i3_pyserini.search.device_search import search_blocks
from i3_pyserini.search.faiss_index import search_exactly
from i3_pyserini.train.gradcache import Losses, Pass, TrainingModule
from i3_pyserini.train.samples import Batch, Inputs

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FIRST_ID = 999  # of BERT's words
LONGEST = 256
TEMPERATURE = 0.05

Ids = list[list[int]]
Function = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Shape:
    """A BERT: layers, hidden size, heads and vocabulary."""

    layers: int
    hidden: int
    heads: int
    words: int = 30_522

    def flops(self, length: int) -> int:
        """Floating-point operations of a text's forward pass: products only, without I³'s parts."""
        products = length * self.layers * 2 * 12 * self.hidden**2
        attention = self.layers * 4 * length**2 * self.hidden
        return products + attention


@dataclass(frozen=True)
class Device:
    """Where it is measured, and how long a measurement takes at least, in seconds."""

    torch: torch.device
    seconds: float

    def wait(self) -> None:
        """Waits for the device."""
        if self.torch.type == "cuda":
            torch.cuda.synchronize(self.torch)

    def rate(self, work: Callable[[], float]) -> float:
        """What some work does per second; it returns how much it has done."""
        work()  # memory, kernels and clock speeds
        self.wait()
        start, done = time.perf_counter(), 0.0
        while True:
            done += work()
            self.wait()
            seconds = time.perf_counter() - start
            if seconds >= self.seconds:
                return done / seconds

    @property
    def name(self) -> str:
        """The name of the card."""
        cuda = self.torch.type == "cuda"
        return torch.cuda.get_device_name(self.torch) if cuda else "the CPU"


def model_of(shape: Shape, interaction: str) -> I3Retriever:
    """A model with random weights."""
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=shape.words,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden,
    )
    config = I3Config(
        encoder_config=encoder,
        interaction=interaction,
        normalize=True,
        passage_length=LONGEST,
        cls_token_id=1,
        sep_token_id=2,
        mask_token_id=3,
    )
    model = I3Retriever(config)
    model.eval()
    return model


def function_of(shape: Shape, interaction: str, device: torch.device, dtype: str) -> Function:
    """What `encode` runs for a batch."""
    return passage_function(I3Passages(model_of(shape, interaction)), device, dtype)


def texts_of(lengths: list[int], shape: Shape, seed: int = 0) -> Ids:
    """Random ids, so many for each text."""
    draw = np.random.default_rng(seed)
    first = min(FIRST_ID, shape.words // 2)
    return [draw.integers(first, shape.words, length).tolist() for length in lengths]


def passage_lengths(count: int) -> list[int]:
    """Lengths like those of MS MARCO's passages: 83 ids on average, a tenth of them over 135."""
    drawn = np.random.default_rng(1).gamma(4.5, 18.7, count)
    return [int(length) for length in np.clip(drawn, 8, LONGEST)]


def matrix_peak(device: Device, dtype: str, sizes: tuple[int, ...]) -> float:
    """Floating-point operations per second of a square product, the best of some sizes."""
    best = 0.0
    for size in sizes:
        one, other = (torch.randn(size, size, device=device.torch) for _ in range(2))
        one, other = one.to(DTYPES[dtype]), other.to(DTYPES[dtype])
        best = max(best, device.rate(partial(_product, one, other)))
    return best


def _product(one: Tensor, other: Tensor, repetitions: int = 8) -> float:
    for _ in range(repetitions):
        torch.mm(one, other)
    return repetitions * 2.0 * len(one) ** 3


def least_cosine(shape: Shape, interaction: str, device: Device, dtype: str, texts: Ids) -> float:
    """The least cosine between a device's vectors and those of the CPU in fp32."""
    batch = padded_batch(texts, 0)
    cpu = torch.device("cpu")
    here = function_of(shape, interaction, cpu, "fp32")(*batch)
    there = function_of(shape, interaction, device.torch, dtype)(*batch)
    return float((here * there).sum(axis=1).min())  # of unit vectors


def encoded_texts(run: Function, device: Device, texts: Ids, tokens: int) -> float:
    """Texts per second, as `encode` batches, pads and queues them."""

    def encode(rows: list[int]) -> int:
        return len(run(*padded_batch([texts[row] for row in rows], 0)))

    batches = list(token_batches([len(one) for one in texts], tokens))
    at_once = batches_at_once(device.torch)
    return device.rate(lambda: float(sum(in_parallel(encode, batches, at_once))))


def random_vectors(device: Device, count: int, dimension: int, dtype: torch.dtype) -> Tensor:
    """Vectors made on the device, a million at a time."""
    generator = torch.Generator(device.torch).manual_seed(0)
    made = torch.empty(count, dimension, dtype=dtype, device=device.torch)
    for block in made.split(1_000_000):
        block.copy_(torch.randn(block.shape, generator=generator, device=device.torch))
    return made


def searched_queries(device: Device, vectors: Tensor, queries: int, k: int) -> float:
    """Queries per second of an exact search for k hits."""
    asked = torch.randn(queries, vectors.size(1), device=device.torch).to(vectors.dtype)

    def search() -> float:
        return float(len(search_blocks(asked, [(0, vectors)], k)[0]))

    return device.rate(search)


def same_hits(device: Device, vectors: Tensor, queries: int, k: int) -> float:
    """The share of the CPU's hits that the device finds, both in fp32."""
    some = vectors.float()
    asked = torch.randn(queries, some.size(1), generator=torch.Generator().manual_seed(1))
    _, rows = search_blocks(asked.to(device.torch), [(0, some)], k)
    _, expected = search_exactly(asked.numpy(), some.cpu().numpy(), k)
    pairs = zip(rows.tolist(), expected.tolist(), strict=True)
    return sum(len(set(own) & set(other)) for own, other in pairs) / expected.size


@dataclass(frozen=True)
class Step:
    """A training step: pairs, ids of a query and of a passage, passages with activations."""

    pairs: int
    query: int
    passage: int
    chunk: int | None = None

    @property
    def tokens(self) -> int:
        """Ids of a step."""
        return self.pairs * (self.query + self.passage)


def trained_tokens(shape: Shape, interaction: str, device: Device, step: Step) -> float:
    """Tokens per second of training steps in bf16, optimizer included."""
    model = model_of(shape, interaction)
    model.train()
    module = TrainingModule(model).to(device.torch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    batch = _batch(shape, step).to(device.torch)

    def losses(queries: Tensor, passages: Tensor, _: Batch) -> tuple[Tensor, Losses]:
        scores = queries.float() @ passages.float().T / TEMPERATURE
        targets = torch.arange(len(scores), device=scores.device)
        return torch.nn.functional.cross_entropy(scores, targets), {}

    run = Pass(losses, torch.Tensor.backward, chunk_passages=step.chunk)

    def one() -> float:
        with torch.autocast(device.torch.type, torch.bfloat16):
            run.run(module, batch)
        optimizer.step()
        optimizer.zero_grad()
        return float(step.tokens)

    return device.rate(one)


def _batch(shape: Shape, step: Step) -> Batch:
    ids = [
        torch.tensor(texts_of([length] * step.pairs, shape, seed))
        for seed, length in enumerate((step.query, step.passage))
    ]
    masks = [torch.ones_like(one) for one in ids]
    keys = torch.arange(step.pairs)
    return Batch(Inputs(ids[0], masks[0], ids[1], masks[1], None), None, keys, keys[:, None])


def release(device: Device) -> None:
    """Frees the memory of what is no longer used."""
    if device.torch.type == "cuda":
        torch.cuda.empty_cache()

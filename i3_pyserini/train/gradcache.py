"""One forward and backward pass, whole or in chunks (GradCache) with the same gradient.

The contrastive loss needs the vectors of the whole batch at once, but not the activations behind
them. So the vectors are first computed without activations, the loss gives each vector's gradient,
and then chunk after chunk is encoded again, now with activations, and given its vectors' gradients.

Source: Gao et al., 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup".
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i3_pyserini.model.config import IGNORED_LABEL
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.samples import Batch, Inputs
from i3_pyserini.train.temperature import LearnedTemperature

Losses = dict[str, Tensor]
Encoded = tuple[Tensor, Tensor, Tensor]


class TrainingModule(nn.Module):
    """The model as training calls it: the whole of a chunk in one `forward`, as DDP wants it.

    Args:
        model: the model.
        buckets: number of parts, by length, in which passages are encoded; more of them waste
            less work on padding.
        reconstruction_gradient: "all", or "heads" to keep the reconstruction loss's gradient out
            of the passage encoder.
        temperature: divides query vectors; None if it is not learned.
    """

    def __init__(
        self,
        model: I3Retriever,
        buckets: int = 1,
        reconstruction_gradient: str = "all",
        temperature: LearnedTemperature | None = None,
    ) -> None:
        super().__init__()
        self.model, self.buckets = model, buckets
        self.reconstruction_gradient = reconstruction_gradient
        self.temperature = temperature

    def forward(self, inputs: Inputs, num_labels: int | None = None) -> Encoded:
        """Encodes queries and passages.

        Args:
            inputs: Q queries and P passages; Q may be 0.
            num_labels: labelled positions of the whole batch; None for no reconstruction.

        Returns:
            float [Q, H], divided by a learned temperature, float [P, H], and the reconstruction
            loss's share of these passages.
        """
        rows = by_length(inputs.passage_mask, self.buckets)
        vectors, reconstruction = [], inputs.passage_ids.new_zeros((), dtype=torch.float)
        for part in rows:
            passages = inputs.select(_no_rows(part), part)
            output = self.model(
                passage_input_ids=passages.passage_ids,
                passage_attention_mask=passages.passage_mask,
                reconstruction_labels=passages.labels if num_labels else None,
                num_labels=num_labels,
                reconstruction_gradient=self.reconstruction_gradient,
            )
            vectors.append(output.passage_vectors)
            if output.reconstruction_loss is not None:
                reconstruction = reconstruction + output.reconstruction_loss
        passage_vectors = torch.cat(vectors)[torch.argsort(torch.cat(rows))]
        if not len(inputs.query_ids):
            return passage_vectors[:0], passage_vectors, reconstruction
        output = self.model(
            query_input_ids=inputs.query_ids, query_attention_mask=inputs.query_mask
        )
        return self.scaled(output.query_vectors), passage_vectors, reconstruction

    def scaled(self, queries: Tensor) -> Tensor:
        """Query vectors as the losses take them, float [Q, H]."""
        return queries if self.temperature is None else self.temperature(queries)


@dataclass(frozen=True)
class Pass:
    """How a pass is run.

    Attributes:
        losses: the losses on vectors: (queries [Q, H], passages [P, H], batch) to a weighted sum
            and its parts.
        backward: takes a loss backward.
        no_sync: a context in which gradients are not yet averaged over devices.
        chunk_passages: passages with activations at once; None for the whole batch.
    """

    losses: Callable[[Tensor, Tensor, Batch], tuple[Tensor, Losses]]
    backward: Callable[[Tensor], None]
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext
    chunk_passages: int | None = None

    def run(
        self, module: nn.Module, batch: Batch, reconstruction: float = 0.0, scale: float = 1.0
    ) -> Losses:
        """Adds the batch's gradient to the parameters'.

        Args:
            module: a `TrainingModule`, or DDP around it.
            batch: the batch.
            reconstruction: weight of the reconstruction loss.
            scale: factor for the whole gradient.

        Returns:
            The losses without their weights, and "loss", their weighted sum.
        """
        labels = batch.inputs.labels
        num_labels = None
        if labels is not None:
            num_labels = max(int((labels != IGNORED_LABEL).sum()), 1)
        size = self.chunk_passages
        if size is None or size >= len(batch.inputs.passage_ids):
            queries, passages, reconstructed = module(batch.inputs, num_labels)
            total, parts = self.losses(queries, passages, batch)
            self.backward((total + reconstruction * reconstructed) * scale)
        else:
            total, parts, reconstructed = self._in_chunks(
                module, batch, num_labels, reconstruction, scale
            )
        if num_labels:
            parts["reconstruction"] = reconstructed
            total = total + reconstruction * reconstructed
        return {name: value.detach() for name, value in {"loss": total, **parts}.items()}

    def _in_chunks(
        self,
        module: nn.Module,
        batch: Batch,
        num_labels: int | None,
        reconstruction: float,
        scale: float,
    ) -> tuple[Tensor, Losses, Tensor]:
        assert self.chunk_passages is not None  # noqa: S101  (`run` looked)
        passage_rows, query_rows = chunk_rows(batch.inputs, self.chunk_passages)
        chunks = [batch.inputs.select(*rows) for rows in zip(query_rows, passage_rows, strict=True)]
        states, encoded = [], []
        for chunk in chunks:
            states.append(_RandomState())
            with torch.no_grad():
                encoded.append(module(chunk)[:2])
        queries, passages = (
            torch.cat(parts)[torch.argsort(torch.cat(rows))].detach().requires_grad_()
            for parts, rows in zip(
                zip(*encoded, strict=True), (query_rows, passage_rows), strict=True
            )
        )
        total, losses = self.losses(queries, passages, batch)
        total.backward()
        reconstructed = torch.zeros((), device=passages.device)
        for number, (chunk, state) in enumerate(zip(chunks, states, strict=True), start=1):
            state.restore()
            with nullcontext() if number == len(chunks) else self.no_sync():
                own_queries, own_passages, share = module(chunk, num_labels)
                surrogate = reconstruction * share
                for own, whole, rows in (
                    (own_queries, queries, query_rows),
                    (own_passages, passages, passage_rows),
                ):
                    assert whole.grad is not None  # noqa: S101  (total.backward)
                    surrogate = surrogate + (own * whole.grad[rows[number - 1]]).sum()
                if surrogate.requires_grad:  # not for passages alone, of a frozen encoder
                    self.backward(surrogate * scale)
            reconstructed = reconstructed + share.detach()
        return total, losses, reconstructed


def chunk_rows(inputs: Inputs, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """Rows of passages, the longest together, and of queries for each chunk.

    The last chunk always has queries, because DDP averages gradients in its backward pass, for
    which every parameter must have been used.
    """
    count = math.ceil(len(inputs.passage_ids) / size)
    passages = by_length(inputs.passage_mask, count)
    queries = torch.arange(len(inputs.query_ids), device=inputs.query_ids.device)
    return passages, list(torch.tensor_split(queries, count))[::-1]


def by_length(mask: Tensor, parts: int) -> list[Tensor]:
    """Rows of a mask [N, T] in up to `parts` parts of equal size, the longest first."""
    if parts == 1:
        return [torch.arange(len(mask), device=mask.device)]
    rows = torch.argsort(mask.sum(dim=1), descending=True, stable=True)
    return [part for part in torch.tensor_split(rows, parts) if len(part)]


def _no_rows(like: Tensor) -> Tensor:
    return like[:0]


class _RandomState:
    """The random generators that dropout draws from, to draw the same a second time."""

    def __init__(self) -> None:
        self.cpu = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    def restore(self) -> None:
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda)

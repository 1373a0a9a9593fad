"""Vectors of frozen encoders, kept so that a run encodes each text once."""

from collections.abc import Callable

import torch
from torch import Tensor

from i3_pyserini.errors import I3Error
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.gradcache import Encoded, TrainingModule, by_length
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.samples import Inputs
from i3_pyserini.train.temperature import LearnedTemperature

Encode = Callable[[Tensor, Tensor], Tensor]


class VectorCache:
    """The vectors of texts that were encoded before, in the memory of the CPU.

    Args:
        encode: ids and mask, int64 [B, T], to vectors, float [B, H].
        parts: number of parts, by length, in which new texts are encoded.
    """

    def __init__(self, encode: Encode, parts: int = 1) -> None:
        self.encode, self.parts = encode, parts
        self.vectors: dict[bytes, Tensor] = {}

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The vectors of N texts, float [N, H], without gradient; ids and mask are int64 [N, T]."""
        lengths = attention_mask.sum(dim=1).tolist()
        rows = input_ids.cpu().numpy()
        keys = [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]
        new = {key: row for row, key in enumerate(keys) if key not in self.vectors}
        if new:
            self._add(input_ids, attention_mask, new)
        return torch.stack([self.vectors[key] for key in keys]).to(input_ids.device)

    @torch.no_grad()
    def _add(self, input_ids: Tensor, attention_mask: Tensor, new: dict[bytes, int]) -> None:
        keys, rows = list(new), torch.tensor(list(new.values()), device=input_ids.device)
        for part in by_length(attention_mask[rows], self.parts):
            mask = attention_mask[rows[part]]
            width = int(mask.sum(dim=1).max())
            vectors = self.encode(input_ids[rows[part], :width], mask[:, :width]).cpu()
            for number, vector in zip(part.tolist(), vectors, strict=True):
                self.vectors[keys[number]] = vector.clone()  # not a view of all of them


class CachedTrainingModule(TrainingModule):
    """A `TrainingModule` whose frozen encoders see each text once.

    Args:
        model: a "released" model with frozen encoders.
        buckets: see `TrainingModule`.
        temperature: see `TrainingModule`.

    Raises:
        I3Error: the heads of the model need more than pooled vectors.
    """

    def __init__(
        self,
        model: I3Retriever,
        buckets: int = 1,
        temperature: LearnedTemperature | None = None,
    ) -> None:
        super().__init__(model, buckets, temperature=temperature)
        if model.config.interaction != "released":
            raise I3Error(
                "training.cache_vectors needs interaction: released; in a "
                f"{model.config.interaction!r} model, heads need the vectors of all tokens"
            )
        self.queries = VectorCache(model.encode_queries)
        self.passages = VectorCache(self._pooled, buckets)

    def forward(self, inputs: Inputs, num_labels: int | None = None) -> Encoded:
        """As `TrainingModule.forward`."""
        model, labels = self.model, inputs.labels if num_labels else None
        pooled = self.passages(inputs.passage_ids, inputs.passage_mask)
        length = None if labels is None else labels.size(1)
        passages = model.interact(pooled, pseudo_query_length=length)
        assert passages.vectors is not None  # noqa: S101  (of a released model)
        reconstruction = pooled.new_zeros((), dtype=torch.float)
        if labels is not None and passages.pseudo_query is not None:
            reconstruction = model.reconstruction_loss(passages.pseudo_query, labels, num_labels)
        if not len(inputs.query_ids):
            return passages.vectors[:0], passages.vectors, reconstruction
        queries = self.queries(inputs.query_ids, inputs.query_mask)
        return self.scaled(queries), passages.vectors, reconstruction

    def _pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.read_passages(input_ids, attention_mask)[0]


def training_module(model: I3Retriever, recipe: Recipe) -> TrainingModule:
    """The module that a recipe trains its model by."""
    buckets, loss = recipe.training.length_buckets, recipe.loss
    temperature = LearnedTemperature(loss.temperature) if loss.learned_temperature else None
    if recipe.training.cache_vectors:
        return CachedTrainingModule(model, buckets, temperature)
    return TrainingModule(model, buckets, recipe.reconstruction.gradient, temperature)

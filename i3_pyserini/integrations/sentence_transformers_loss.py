"""The loss of I³ for the trainer of sentence-transformers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from i3_pyserini.errors import I3Error
from i3_pyserini.integrations.sentence_transformers import I3Module
from i3_pyserini.model.config import IGNORED_LABEL

try:
    from i3_pyserini.train.losses import weighted_losses
    from i3_pyserini.train.recipe import LossRecipe
    from i3_pyserini.train.recipe_inputs import NegativesRecipe
    from i3_pyserini.train.samples import Batch, Inputs, Keys, key_of
except ImportError as error:
    raise I3Error("training is not installed: pip install 'i3-pyserini[train]'") from error


if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class I3Loss(nn.Module):
    """Contrastive loss, distillation and reconstruction, as `i3-pyserini train` computes them.

    The columns of a dataset are a query, its positive, and any number of its negatives; documents
    may be pairs (title, text). Every other passage of the batches of all devices is one more
    negative, except copies of the positive. The reconstructor learns to predict the query from its
    positive, as in the paper. For distillation, `label` has a teacher's scores of the query's
    passages, float [Q, n].

    Args:
        model: an I³ model, as `sentence_transformers.load` returns it.
        contrastive: weight of the cross entropy of the positive among all negatives.
        distillation: weight of the distillation from the teacher's scores.
        reconstruction: weight of the reconstructor's cross entropy.
        temperature: divisor of the model's scores.
        symmetric: the contrastive loss is also of each positive's query among the queries.
        distillation_kind: "kl" divergence, "margin_mse" of score differences, or "infonce": the
            contrastive loss with the teacher's softmax in place of the positive.

    Raises:
        I3Error: it is not an I³ model, or a weight is invalid.
    """

    def __init__(
        self,
        model: "SentenceTransformer",
        *,
        contrastive: float = 1.0,
        distillation: float = 0.0,
        reconstruction: float = 0.1,
        temperature: float = 1.0,
        symmetric: bool = False,
        distillation_kind: Literal["kl", "margin_mse", "infonce"] = "kl",
    ) -> None:
        super().__init__()
        module = model[0]
        if not isinstance(module, I3Module):
            raise I3Error(f"I3Loss trains I³ models, not a {type(module).__name__}")
        try:
            self.recipe = LossRecipe(
                contrastive=contrastive,
                distillation=distillation,
                reconstruction=reconstruction,
                temperature=temperature,
                symmetric=symmetric,
                distillation_kind=distillation_kind,
            )
        except ValueError as error:
            raise I3Error(f"I3Loss: {' '.join(str(error).split())}") from error
        self.model, self.negatives = model, NegativesRecipe()
        self._config = module.model.config
        self._reconstructs = module.model.has_reconstructor and reconstruction > 0

    def forward(
        self, sentence_features: Iterable[dict[str, Any]], labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The weighted losses of Q queries, which the trainer adds up and logs.

        Args:
            sentence_features: for each column, what `I3Module.preprocess` returned.
            labels: a teacher's scores, float [Q, n]; None without distillation.

        Raises:
            I3Error: there is no column of positives, or there are no scores to distil.
        """
        queries, *columns = sentence_features
        if not columns:
            raise I3Error("I3Loss needs columns for query and positive; there is only one column")
        ids, mask = _grouped(columns)
        passages = {"input_ids": ids, "attention_mask": mask, "task": "document"}
        if self._reconstructs:
            passages |= self._targets(queries["reconstruction_labels"], len(columns))
        encoded = self.model(passages)
        query_vectors = self.model({**queries, "task": "query"})["sentence_embedding"]
        inputs = Inputs(queries["input_ids"], queries["attention_mask"], ids, mask, None)
        batch = _batch(inputs, self._teacher(labels, len(columns)))
        vectors = encoded["sentence_embedding"]
        _, parts = weighted_losses(
            query_vectors, vectors, batch, self.recipe, self.negatives, self._config.normalize
        )
        losses = {name: getattr(self.recipe, name) * value for name, value in parts.items()}
        if self._reconstructs:
            losses["reconstruction"] = (
                self.recipe.reconstruction_weight(1) * encoded["reconstruction_loss"]
            )
        return {name: value.float() for name, value in losses.items()}

    def _targets(self, targets: Tensor, per_query: int) -> dict[str, Any]:
        """Labels for the positives, which are the first of their groups; none for negatives."""
        if self.model.training and torch.is_grad_enabled():
            self._config.reconstructor_steps = None  # trained, but steps are the trainer's
        labels = targets.new_full((len(targets) * per_query, targets.size(1)), IGNORED_LABEL)
        labels[::per_query] = targets
        count = max(int((labels != IGNORED_LABEL).sum()), 1)
        return {"reconstruction_labels": labels, "num_labels": count}

    def _teacher(self, labels: Tensor | None, per_query: int) -> Tensor | None:
        if not self.recipe.distillation:
            return None
        if labels is None or labels.dim() != 2 or labels.size(1) != per_query:  # noqa: PLR2004  ([Q, n])
            raise I3Error(
                f"distillation needs a column 'label' with {per_query} scores for each query, in "
                "the order of the passages' columns"
            )
        return labels.double()


def _grouped(columns: Sequence[Mapping[str, Tensor]]) -> tuple[Tensor, Tensor]:
    """Ids and mask [Q·n, T] of n columns of Q passages: each query's passages in a row."""
    width = max(column["input_ids"].size(1) for column in columns)

    def stacked(name: str) -> Tensor:
        parts = [pad(column[name], (0, width - column[name].size(1))) for column in columns]
        return torch.stack(parts, dim=1).flatten(0, 1)

    return stacked("input_ids"), stacked("attention_mask")


def _batch(inputs: Inputs, teacher: Tensor | None) -> Batch:
    """A batch whose passages are the same if their ids are."""
    rows = zip(inputs.passage_ids.tolist(), inputs.passage_mask.sum(dim=1).tolist(), strict=True)
    found = [key_of(" ".join(map(str, row[:length]))) for row, length in rows]
    keys = torch.tensor(found, device=inputs.passage_ids.device)
    positives = keys[:: len(keys) // len(inputs.query_ids)].unsqueeze(1)
    return Batch(inputs, teacher, keys, positives, Keys(keys, positives))

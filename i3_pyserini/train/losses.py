"""The losses on vectors: contrastive, and distillation from a teacher's scores.

Q queries of this device, n passages each, P = Q·n, W devices, H dimensions.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (its usual name)

from i3_pyserini.train.batch_negatives import contrast
from i3_pyserini.train.gather import gather
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch


def weighted_losses(
    queries: Tensor, passages: Tensor, batch: Batch, loss: LossRecipe, negatives: NegativesRecipe
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of `vector_losses`, and its parts without their weights."""
    parts = vector_losses(queries, passages, batch, loss, negatives)
    zero = (queries.sum() + passages.sum()) * 0.0  # a graph, for reconstruction alone
    return sum((getattr(loss, name) * value for name, value in parts.items()), zero), parts


def vector_losses(
    queries: Tensor, passages: Tensor, batch: Batch, loss: LossRecipe, negatives: NegativesRecipe
) -> dict[str, Tensor]:
    """The losses that the recipe weighs, without their weights.

    Args:
        queries: float [Q, H].
        passages: float [P, H].
        batch: the batch that they are of.
        loss: which losses, and their temperature.
        negatives: which passages a query is scored against.

    Returns:
        Scalars by name.
    """
    queries, passages = _at_least_float32(queries), _at_least_float32(passages)
    losses = {}
    if loss.contrastive:
        losses["contrastive"] = contrastive_loss(
            queries, passages, batch, negatives, loss.temperature
        )
    if loss.distillation:
        assert batch.teacher_scores is not None  # noqa: S101  (the recipe was checked)
        student = own_scores(queries, passages)
        distil = kl_divergence if loss.distillation_kind == "kl" else margin_mse
        losses["distillation"] = distil(student, batch.teacher_scores, loss.temperature)
    return losses


def own_scores(queries: Tensor, passages: Tensor) -> Tensor:
    """Dot products of each query with its own group's passages, [Q, n]."""
    groups = passages.unflatten(0, (queries.size(0), -1))
    return torch.einsum("qh,qnh->qn", queries, groups)


def contrastive_loss(
    queries: Tensor, passages: Tensor, batch: Batch, recipe: NegativesRecipe, temperature: float
) -> Tensor:
    """Cross entropy of each query's positive among all the passages that it is scored against.

    Args:
        queries: float [Q, H].
        passages: float [P, H].
        batch: for the keys by which passages are left out, see `contrast`.
        recipe: see `NegativesRecipe`.
        temperature: scores are divided by it.

    Returns:
        float scalar: the mean over this device's queries, so that the mean over devices is that
        over all queries; with `gradient: own_slice` the mean over all queries already.

    Source: original `modeling.py`, `DualEncoder.forward`.
    """
    negatives = contrast(batch, recipe)
    if recipe.shared == "group":
        scores = own_scores(queries, passages)
    else:
        if recipe.shared == "devices":
            own_slice = recipe.gradient == "own_slice"
            passages = gather(passages, own_slice=own_slice)
            queries = gather(queries, own_slice=True) if own_slice else queries
        scores = queries @ passages.T
    scores = (scores / temperature).masked_fill(negatives.left_out, -torch.inf)
    return F.cross_entropy(scores, negatives.targets)


def kl_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) over each query's own passages, averaged over queries.

    Only the student's scores are divided by the temperature, and there is no factor for it.

    Args:
        student: float [Q, n].
        teacher: float64 [Q, n].
        temperature: the student's.

    Returns:
        float64 scalar, in nats.

    Source: original `modeling.py`, `DistillKL`.
    """
    return F.kl_div(
        F.log_softmax(student / temperature, dim=-1), teacher.softmax(dim=-1), reduction="batchmean"
    )


def margin_mse(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean squared difference between the margins of student and teacher.

    A margin is the positive's score minus a negative's; arguments as of `kl_divergence`.

    Source: Hofstätter et al., 2020, "Improving Efficient Neural Ranking Models with
    Cross-Architecture Knowledge Distillation", equation 3.
    """
    student = student / temperature
    student_margins, teacher_margins = (
        scores[:, :1] - scores[:, 1:] for scores in (student, teacher)
    )
    return F.mse_loss(student_margins.to(teacher.dtype), teacher_margins)


def _at_least_float32(vectors: Tensor) -> Tensor:
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))

"""The losses on vectors: contrastive, and distillation from a teacher's scores.

Q queries of this device, n passages each, P = Q·n, W devices, H dimensions.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (its usual name)

from i3_pyserini.train.batch_negatives import (
    contrast,
    copies_of,
    other_queries_of_positives,
)
from i3_pyserini.train.gather import gather
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch


def weighted_losses(
    queries: Tensor,
    passages: Tensor,
    batch: Batch,
    loss: LossRecipe,
    negatives: NegativesRecipe,
    normalize: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of `vector_losses`, and its parts without their weights.

    With `loss.matryoshka` each part is the mean of that of the whole vectors and those of their
    first dimensions.

    Args:
        queries: float [Q, H]; see `vector_losses`.
        passages: float [P, H].
        batch: the batch that they are of.
        loss: the losses and their weights.
        negatives: see `vector_losses`.
        normalize: whether the model's vectors have unit length, so that shortened ones do too.

    Source: Kusupati et al., 2022, "Matryoshka Representation Learning", equation 1, with equal
    weights that add up to 1.
    """
    nested = [vector_losses(queries, passages, batch, loss, negatives)]
    for size in loss.matryoshka:
        short = [vectors[:, :size] for vectors in (queries, passages)]
        if normalize:
            short = [F.normalize(vectors, dim=-1) for vectors in short]
            if loss.learned_temperature:  # the length of the whole ones is its inverse
                short[0] = short[0] * queries.norm(dim=-1, keepdim=True)
        nested.append(vector_losses(short[0], short[1], batch, loss, negatives))
    parts = {name: torch.stack([one[name] for one in nested]).mean() for name in nested[0]}
    zero = (queries.sum() + passages.sum()) * 0.0  # a graph, for reconstruction alone
    return sum((getattr(loss, name) * value for name, value in parts.items()), zero), parts


def vector_losses(
    queries: Tensor, passages: Tensor, batch: Batch, loss: LossRecipe, negatives: NegativesRecipe
) -> dict[str, Tensor]:
    """The losses that the recipe weighs, without their weights.

    Args:
        queries: float [Q, H]; divided by the temperature already if it is learned.
        passages: float [P, H].
        batch: the batch that they are of.
        loss: which losses, and their temperature.
        negatives: which passages a query is scored against.

    Returns:
        Scalars by name.
    """
    queries, passages = _at_least_float32(queries), _at_least_float32(passages)
    temperature = 1.0 if loss.learned_temperature else loss.temperature
    losses = {}
    if loss.contrastive:
        value = contrastive_loss(queries, passages, batch, negatives, temperature)
        if loss.symmetric:
            backward = reverse_loss(queries, passages, batch, negatives, temperature)
            value = (value + backward) / 2
        losses["contrastive"] = value
    if loss.distillation:
        assert batch.teacher_scores is not None  # noqa: S101  (the recipe was checked)
        if loss.distillation_kind == "infonce":
            losses["distillation"] = distilled_infonce(
                queries, passages, batch, negatives, temperature
            )
        else:
            student = own_scores(queries, passages)
            distil = kl_divergence if loss.distillation_kind == "kl" else margin_mse
            losses["distillation"] = distil(student, batch.teacher_scores, temperature)
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
    scores = _all_scores(queries, passages, recipe) / temperature
    scores = scores.masked_fill(negatives.left_out, -torch.inf)
    return F.cross_entropy(scores, negatives.targets)


def reverse_loss(
    queries: Tensor, passages: Tensor, batch: Batch, recipe: NegativesRecipe, temperature: float
) -> Tensor:
    """Cross entropy of each positive's query among all queries.

    Queries of which the passage is a positive too, by its id or text, are no negatives of it.

    Args:
        queries: float [Q, H].
        passages: float [P, H]; only the positives are used.
        batch: for the keys by which queries are left out.
        recipe: `shared` ("batch" or "devices") and the exclusions.
        temperature: scores are divided by it.

    Returns:
        float scalar: the mean over this device's positives.

    Source: Radford et al., 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", figure 3; `MultipleNegativesSymmetricRankingLoss` of sentence-transformers 6.2.
    """
    everyone = recipe.shared == "devices"
    left_out, targets = other_queries_of_positives(batch, recipe)
    positives = passages[:: len(passages) // len(queries)]
    scores = positives @ (gather(queries) if everyone else queries).T
    return F.cross_entropy((scores / temperature).masked_fill(left_out, -torch.inf), targets)


def distilled_infonce(
    queries: Tensor, passages: Tensor, batch: Batch, recipe: NegativesRecipe, temperature: float
) -> Tensor:
    """Cross entropy of the teacher's distribution among all the passages of a query.

    The teacher's softmax is over the query's own passages; those of other queries, by which the
    contrastive loss is more than a loss on a group, have probability 0.

    Args:
        queries: float [Q, H].
        passages: float [P, H].
        batch: with the teacher's scores, float64 [Q, n].
        recipe: see `contrastive_loss`.
        temperature: the student's.

    Returns:
        float scalar, in nats: the mean over queries. For one positive that the teacher is certain
        of, `contrastive_loss`.

    Source: soft targets of Hinton et al., 2015, "Distilling the Knowledge in a Neural Network",
    in the loss of van den Oord et al., 2018, "Representation Learning with Contrastive Predictive
    Coding", equation 4.
    """
    assert batch.teacher_scores is not None  # noqa: S101  (the recipe was checked)
    negatives, teacher = contrast(batch, recipe), batch.teacher_scores
    if recipe.shared == "devices" and recipe.gradient == "own_slice":
        teacher = gather(teacher, own_slice=True)
    own = negatives.targets.unsqueeze(1) + torch.arange(teacher.size(1), device=teacher.device)
    scores = _all_scores(queries, passages, recipe) / temperature
    # The teacher has scored the own passages; copies of them in other groups are no negatives.
    left_out = (negatives.left_out | copies_of(own, batch, recipe)).scatter(1, own, False)
    logs = scores.masked_fill(left_out, -torch.inf).log_softmax(dim=-1).gather(1, own)
    return -(teacher.softmax(dim=-1) * logs).sum(dim=-1).mean()


def _all_scores(queries: Tensor, passages: Tensor, recipe: NegativesRecipe) -> Tensor:
    """Scores of queries with the passages that `contrast` finds positives and negatives among."""
    if recipe.shared == "group":
        return own_scores(queries, passages)
    if recipe.shared == "devices":
        own_slice = recipe.gradient == "own_slice"
        passages = gather(passages, own_slice=own_slice)
        queries = gather(queries, own_slice=True) if own_slice else queries
    return queries @ passages.T


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

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from i3_pyserini.train.batch_negatives import contrast
from i3_pyserini.train.losses import (
    contrastive_loss,
    distilled_infonce,
    kl_divergence,
    margin_mse,
    own_scores,
    reverse_loss,
    vector_losses,
    weighted_losses,
)
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Inputs, Keys

# Two queries with three passages each; their scores are these dot products.
QUERIES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
PASSAGES = torch.tensor([[3.0, 1.0], [1.0, 2.0], [0.0, 4.0], [2.0, 5.0], [1.0, 1.0], [4.0, 0.0]])
SCORES = [[3.0, 1.0, 0.0, 2.0, 1.0, 4.0], [1.0, 2.0, 4.0, 5.0, 1.0, 0.0]]
UNLIKE = torch.arange(6)


def batch(keys: Tensor = UNLIKE, positives: Any = ((0,), (3,)), teacher: Any = None) -> Batch:
    ids = torch.zeros(0, 0, dtype=torch.long)
    scores = None if teacher is None else torch.tensor(teacher, dtype=torch.float64)
    return Batch(Inputs(ids, ids, ids, ids, None), scores, keys, torch.tensor(positives))


def cross_entropy(scores: list[float], target: int) -> float:
    return math.log(sum(math.exp(score) for score in scores)) - scores[target]


def contrastive(own: Batch, temperature: float = 1.0, **settings: Any) -> float:
    recipe = NegativesRecipe(**settings)
    return contrastive_loss(QUERIES, PASSAGES, own, recipe, temperature).item()


@pytest.mark.parametrize("shared", ["devices", "batch"])
@pytest.mark.parametrize("gradient", ["all", "own_slice"])
@pytest.mark.parametrize("exclude", [True, False])
def test_all_passages_of_the_batch(shared: str, gradient: str, exclude: bool) -> None:
    expected = (cross_entropy(SCORES[0], 0) + cross_entropy(SCORES[1], 3)) / 2
    loss = contrastive(batch(), shared=shared, gradient=gradient, exclude_positives=exclude)
    assert loss == pytest.approx(expected, rel=1e-6)


def test_own_group_only() -> None:
    expected = (cross_entropy(SCORES[0][:3], 0) + cross_entropy(SCORES[1][3:], 0)) / 2
    assert contrastive(batch(), shared="group") == pytest.approx(expected, rel=1e-6)
    known = batch(torch.tensor([0, 0, 0, 3, 3, 3]))  # a group's own negatives are never masked
    assert contrastive(known, shared="group") == pytest.approx(expected, rel=1e-6)
    assert own_scores(QUERIES, PASSAGES).tolist() == [SCORES[0][:3], SCORES[1][3:]]


def test_temperature() -> None:
    cooled = [[score / 0.1 for score in row] for row in SCORES]
    expected = (cross_entropy(cooled[0], 0) + cross_entropy(cooled[1], 3)) / 2
    assert contrastive(batch(), 0.1) == pytest.approx(expected, rel=1e-6)
    grouped = (cross_entropy(cooled[0][:3], 0) + cross_entropy(cooled[1][3:], 0)) / 2
    assert contrastive(batch(), 0.1, shared="group") == pytest.approx(grouped, rel=1e-5, abs=1e-7)


def test_known_positives_in_the_batch_are_masked() -> None:
    """Passage 5 is query 0's second positive, and passages 2 and 3 are one and the same."""
    own = batch(torch.tensor([0, 1, 3, 3, 4, 5]), ((0, 5), (3, 3)))
    first = cross_entropy([3.0, 1.0, 0.0, 2.0, 1.0], 0)
    second = cross_entropy([1.0, 2.0, 5.0, 1.0, 0.0], 2)
    assert contrastive(own) == pytest.approx((first + second) / 2, rel=1e-6)
    whole = (cross_entropy(SCORES[0], 0) + cross_entropy(SCORES[1], 3)) / 2
    assert contrastive(own, exclude_positives=False) == pytest.approx(whole, rel=1e-6)


def test_masked_passages_have_no_gradient() -> None:
    own = batch(torch.tensor([0, 1, 2, 3, 4, 0]), ((0,), (3,)))  # passage 5 is passage 0 again
    passages = PASSAGES.clone().requires_grad_()
    scores = contrastive_loss(QUERIES[:1], passages[:6], _first(own), NegativesRecipe(), 1.0)
    scores.backward()
    assert passages.grad is not None
    assert passages.grad.isfinite().all()
    assert passages.grad[5].abs().max() == 0
    assert passages.grad[0].abs().max() > 0


def test_two_queries_with_one_positive() -> None:
    """Each keeps its own copy as its target, and does not see the other's as a negative."""
    own = batch(torch.tensor([0, 1, 2, 0, 4, 5]), ((0,), (0,)))
    first = cross_entropy([3.0, 1.0, 0.0, 1.0, 4.0], 0)
    second = cross_entropy([2.0, 4.0, 5.0, 1.0, 0.0], 2)
    assert contrastive(own) == pytest.approx((first + second) / 2, rel=1e-6)


def with_texts(own: Batch, passages: list[int], positives: Any = ((0,), (3,))) -> Batch:
    return replace(own, texts=Keys(torch.tensor(passages), torch.tensor(positives)))


def test_twins_of_a_positive_are_left_out() -> None:
    """Passage 4 says what query 0's positive does, passage 2 what its second positive does."""
    own = with_texts(batch(positives=((0, 9), (3, 3))), [0, 1, 8, 3, 0, 5], ((0, 8), (3, 3)))
    first = cross_entropy([3.0, 1.0, 2.0, 4.0], 0)
    second = cross_entropy([1.0, 2.0, 4.0, 5.0, 0.0], 3)  # 4 repeats passage 0
    assert contrastive(own) == pytest.approx((first + second) / 2, rel=1e-6)
    whole = (cross_entropy(SCORES[0], 0) + cross_entropy(SCORES[1], 3)) / 2
    assert contrastive(own, exclude_duplicates=False) == pytest.approx(whole, rel=1e-6)
    assert contrastive(replace(own, texts=None)) == pytest.approx(whole, rel=1e-6)


def test_a_text_counts_once_but_the_positive_stays() -> None:
    """Passages 1, 2 and 3 are one text; 3 is query 1's positive, and keeps its place there."""
    own = with_texts(batch(), [0, 1, 1, 1, 4, 5], ((0,), (1,)))
    first = cross_entropy([3.0, 1.0, 1.0, 4.0], 0)
    second = cross_entropy([1.0, 5.0, 1.0, 0.0], 1)
    assert contrastive(own) == pytest.approx((first + second) / 2, rel=1e-6)


def test_twins_in_a_group_of_its_own() -> None:
    own = with_texts(batch(), [0, 0, 2, 3, 4, 4])
    expected = (cross_entropy([3.0, 0.0], 0) + cross_entropy([5.0, 1.0], 0)) / 2
    assert contrastive(own, shared="group") == pytest.approx(expected, rel=1e-6)


def test_what_is_left_out_is_counted_by_its_reason() -> None:
    own = with_texts(
        batch(torch.tensor([0, 1, 2, 3, 4, 0]), ((0, 2), (3, 3))),
        [0, 1, 2, 3, 0, 0],
        ((0, 2), (3, 3)),
    )
    found = contrast(own, NegativesRecipe())
    assert found.targets.tolist() == [0, 3]
    assert found.judged.nonzero().tolist() == [[0, 2], [0, 5]]
    assert found.duplicates.nonzero().tolist() == [[0, 4], [1, 4], [1, 5]]
    kept = contrast(own, NegativesRecipe(exclude_positives=False))
    assert not kept.judged.any()
    assert torch.equal(kept.duplicates, found.duplicates)


def test_a_positive_s_query_by_hand() -> None:
    # The positives are passages 0 and 3, with scores 3, 1 and 2, 5 for the queries.
    expected = (cross_entropy([3.0, 1.0], 0) + cross_entropy([2.0, 5.0], 1)) / 2
    for shared in ("batch", "devices"):
        recipe = NegativesRecipe(shared=shared)
        loss = reverse_loss(QUERIES, PASSAGES, batch(), recipe, 1.0).item()
        assert loss == pytest.approx(expected, rel=1e-6)
    forward = contrastive(batch(), temperature=2.0)
    halved = reverse_loss(QUERIES, PASSAGES, batch(), NegativesRecipe(), 2.0).item()
    both = vector_losses(
        QUERIES, PASSAGES, batch(), LossRecipe(symmetric=True, temperature=2.0), NegativesRecipe()
    )
    assert both["contrastive"].item() == pytest.approx((forward + halved) / 2, rel=1e-6)


def test_a_query_that_the_positive_answers_too_is_no_negative() -> None:
    shared = batch(positives=((0, 0), (3, 0)))  # passage 0 is a positive of both queries
    expected = (0.0 + cross_entropy([2.0, 5.0], 1)) / 2
    loss = reverse_loss(QUERIES, PASSAGES, shared, NegativesRecipe(), 1.0).item()
    assert loss == pytest.approx(expected, rel=1e-6)
    twins = with_texts(batch(), [7, 1, 2, 7, 4, 5], ((7,), (7,)))  # the same text
    loss = reverse_loss(QUERIES, PASSAGES, twins, NegativesRecipe(), 1.0).item()
    assert loss == pytest.approx(0.0, abs=1e-7)
    kept = NegativesRecipe(exclude_duplicates=False)
    loss = reverse_loss(QUERIES, PASSAGES, twins, kept, 1.0).item()
    assert loss == pytest.approx(
        (cross_entropy([3.0, 1.0], 0) + cross_entropy([2.0, 5.0], 1)) / 2, rel=1e-6
    )


def test_distilled_infonce_by_hand() -> None:
    p = [[3 / 6, 2 / 6, 1 / 6], [1 / 3, 1 / 3, 1 / 3]]
    teacher = [[math.log(3), math.log(2), 0.0], [1.0, 1.0, 1.0]]
    own = batch(teacher=teacher)
    expected = 0.0
    for row, (start, shares) in enumerate(zip((0, 3), p, strict=True)):
        for offset, share in enumerate(shares):
            expected += share * cross_entropy(SCORES[row], start + offset) / 2
    for gradient in ("all", "own_slice"):
        recipe = NegativesRecipe(gradient=gradient)
        loss = distilled_infonce(QUERIES, PASSAGES, own, recipe, 1.0).item()
        assert loss == pytest.approx(expected, rel=1e-6)
    certain = batch(teacher=[[99.0, 0.0, 0.0], [99.0, 0.0, 0.0]])
    loss = distilled_infonce(QUERIES, PASSAGES, certain, NegativesRecipe(), 0.5).item()
    assert loss == pytest.approx(contrastive(certain, temperature=0.5), rel=1e-6)


def test_copies_of_taught_passages_are_no_negatives() -> None:
    """Passage 1 is candidate of both queries: at 1 of the first one's, at 4 of the second's."""
    own = batch(torch.tensor([0, 1, 2, 3, 1, 5]), teacher=[[0.0] * 3] * 2)
    first = [value for column, value in enumerate(SCORES[0]) if column != 4]
    second = [value for column, value in enumerate(SCORES[1]) if column != 1]
    expected = sum(cross_entropy(first, column) for column in range(3)) / 3
    expected += sum(cross_entropy(second, column) for column in (2, 3, 4)) / 3
    for recipe in (NegativesRecipe(), NegativesRecipe(exclude_positives=False)):
        loss = distilled_infonce(QUERIES, PASSAGES, own, recipe, 1.0).item()
        assert loss == pytest.approx(expected / 2, rel=1e-6)


def test_own_passages_are_distilled_though_they_are_positives() -> None:
    """The teacher has scored them; only passages of other queries are left out."""
    own = batch(torch.tensor([0, 1, 2, 3, 4, 5]), ((0, 1), (3, 2)), [[0.0] * 3] * 2)
    expected = sum(cross_entropy(SCORES[0], column) for column in range(3)) / 3
    scores = [value for column, value in enumerate(SCORES[1]) if column != 2]
    expected += sum(cross_entropy(scores, column) for column in range(2, 5)) / 3
    loss = distilled_infonce(QUERIES, PASSAGES, own, NegativesRecipe(), 1.0).item()
    assert loss == pytest.approx(expected / 2, rel=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_first_dimensions_by_hand(normalize: bool) -> None:
    loss, batch_of_two = LossRecipe(contrastive=2.0, matryoshka=(1,)), batch()
    total, parts = weighted_losses(
        QUERIES, PASSAGES, batch_of_two, loss, NegativesRecipe(), normalize
    )
    # The first dimensions: queries 1 and 0, passages 3, 1, 0, 2, 1, 4, or of unit length.
    first = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0] if normalize else [3.0, 1.0, 0.0, 2.0, 1.0, 4.0]
    short = (cross_entropy(first, 0) + cross_entropy([0.0] * 6, 3)) / 2
    expected = (contrastive(batch_of_two) + short) / 2
    assert parts["contrastive"].item() == pytest.approx(expected, rel=1e-6)
    assert total.item() == pytest.approx(2 * expected, rel=1e-6)


def test_margin_mse_by_hand() -> None:
    student = torch.tensor([[3.0, 1.0, 0.0], [5.0, 1.0, 0.0]])  # margins 2, 3; 4, 5
    teacher = torch.tensor([[9.0, 6.0, 5.0], [2.0, 4.0, 1.0]], dtype=torch.float64)  # 3, 4; -2, 1
    assert margin_mse(student, teacher, 1.0).item() == pytest.approx((1 + 1 + 36 + 16) / 4)
    halved = margin_mse(student, teacher, 2.0).item()  # margins 1, 1.5; 2, 2.5
    assert halved == pytest.approx((4 + 2.5**2 + 16 + 1.5**2) / 4)


def test_kl_divergence_by_hand() -> None:
    student = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.0, math.log(3)], [2.0, 2.0]], dtype=torch.float64)
    p = [1 / 4, 3 / 4]
    q = [math.e / (math.e + 1), 1 / (math.e + 1)]
    divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert kl_divergence(student, teacher, 1.0).item() == pytest.approx(divergence / 2, rel=1e-6)
    cooled = kl_divergence(student / 2, teacher, 0.5).item()
    assert cooled == pytest.approx(divergence / 2, rel=1e-6)
    assert kl_divergence(teacher.float(), teacher, 1.0).item() == pytest.approx(0, abs=1e-7)


def test_only_weighted_losses_are_computed() -> None:
    teacher = [[3.0, 1.0, 0.0], [5.0, 1.0, 0.0]]
    own = batch(teacher=teacher)

    def names(**weights: Any) -> dict[str, float]:
        losses = vector_losses(QUERIES, PASSAGES, own, LossRecipe(**weights), NegativesRecipe())
        return {name: value.item() for name, value in losses.items()}

    assert names().keys() == {"contrastive"}
    assert names(contrastive=0).keys() == set()
    both = names(contrastive=2.0, distillation=3.0)
    assert both["contrastive"] == names()["contrastive"]  # without its weight
    assert both["distillation"] == pytest.approx(0, abs=1e-7)  # the student's scores are these
    margins = names(contrastive=0, distillation=1, distillation_kind="margin_mse", temperature=0.5)
    assert margins == {"distillation": pytest.approx((4 + 9 + 16 + 25) / 4)}


def test_half_precision_vectors_are_compared_in_single() -> None:
    halves = (QUERIES.bfloat16(), PASSAGES.bfloat16() + 256)  # sums that bfloat16 cannot hold
    losses = vector_losses(*halves, batch(), LossRecipe(), NegativesRecipe())
    singles = vector_losses(
        halves[0].float(), halves[1].float(), batch(), LossRecipe(), NegativesRecipe()
    )
    assert losses["contrastive"].dtype == torch.float32
    assert losses["contrastive"].item() == singles["contrastive"].item()
    double = vector_losses(
        QUERIES.double(), PASSAGES.double(), batch(), LossRecipe(), NegativesRecipe()
    )
    assert double["contrastive"].dtype == torch.float64


def _first(own: Batch) -> Batch:
    return Batch(own.inputs, None, own.passage_keys, own.positive_keys[:1])

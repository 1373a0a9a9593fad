"""Samples the passages of a query for an epoch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from i3_pyserini.data.candidates import Candidates
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.train.recipe_inputs import NegativesRecipe

Item = TypeVar("Item")
ORIGINAL_LAST_PID = 8841822  # of MS MARCO, where the original's random padding ends


@dataclass(frozen=True)
class Group:
    """One query's passages: the positive first, then the negatives.

    Attributes:
        query: its text.
        pids: ids of its passages.
        scores: the teacher's scores of them; None without a teacher.
        known: ids of all its positives.
        place: file and line that it comes from.
    """

    query: str
    pids: list[str]
    scores: list[float] | None
    known: list[str]
    place: str


def strided(candidates: Sequence[Item], count: int, epoch: int) -> list[Item]:
    """Every n-th candidate of a ranked list, from an offset that changes with the epoch.

    Each sample spans the whole list, and the next epoch uses the next ranks. The last
    `len(candidates) % count` are never used.

    Args:
        candidates: at least `count`, the best first.
        count: how many.
        epoch: the epoch, from 1 on.

    Source: original `dataset_factory.py`, `sample`.
    """
    if count == 0:
        return []
    interval = len(candidates) // count
    return list(candidates[epoch % interval :: interval][:count])


class GroupSampler:
    """Draws a query's passages.

    Args:
        recipe: how negatives are chosen.
        passages: passages in a group, the positive included.
        store: the collection, for random padding.
    """

    def __init__(self, recipe: NegativesRecipe, passages: int, store: TextStore) -> None:
        self.recipe, self.count, self.store = recipe, passages - 1, store

    def draw(self, candidates: Candidates, epoch: int, rng: random.Random) -> Group:
        """Draws a positive at random, and negatives in strides.

        Args:
            candidates: the query.
            epoch: the epoch, from 1 on.
            rng: random generator; its state alone determines the sample.

        Raises:
            I3Error: there are too few negatives and the recipe does not allow padding.
        """
        chosen = rng.choice(range(len(candidates.positives)))
        positive_scores = candidates.positive_scores
        positive_score = positive_scores[chosen] if positive_scores else None
        eligible = self.eligible(candidates, positive_score)
        negatives = self._padded(eligible, candidates.negatives, rng)
        scores = eligible.negative_scores
        if scores is not None and positive_score is not None:
            missing = len(negatives) - len(scores)
            padded = [*scores, *[self.recipe.padding_score] * missing]
            scores = [positive_score, *strided(padded, self.count, epoch)]
        pids = [candidates.positives[chosen], *strided(negatives, self.count, epoch)]
        return Group(candidates.query, pids, scores, candidates.positives, candidates.place)

    def eligible(self, candidates: Candidates, positive_score: float | None) -> Candidates:
        """The query without negatives that the recipe excludes.

        Source: for the ratio, "TopK-PercPos" of Moreira et al., 2024, "NV-Retriever: Improving text
        embedding models with effective hard-negative mining".

        Raises:
            I3Error: the recipe has a ratio, but the positive's score is not above 0.
        """
        if self.recipe.exclude_positives:
            candidates = candidates.without(set(candidates.positives))
        margin, ratio = self.recipe.false_negative_margin, self.recipe.false_negative_ratio
        if positive_score is None:
            return candidates
        if margin is not None:
            candidates = candidates.below(positive_score - margin)
        if ratio is not None:
            if positive_score <= 0:
                raise I3Error(
                    f"{candidates.place}: the teacher scores the positive {positive_score:g}, but "
                    "negatives.false_negative_ratio needs scores above 0; use false_negative_margin"
                )
            candidates = candidates.below(positive_score * ratio)
        return candidates

    def refuse_short(self, candidates: Candidates, listed: list[str]) -> None:
        """Raises if there are too few negatives and the recipe or the collection cannot pad.

        Args:
            candidates: the query with its usable negatives.
            listed: all its negatives; those that are not usable do not come back as padding.
        """
        count = len(candidates.negatives)
        missing = self.count - count
        if missing <= 0 or self.recipe.padding == "original":
            return
        if self.recipe.padding == "refuse":
            raise I3Error(
                f"{candidates.place}: {count} usable negatives, but {self.count} are required; "
                "lower "
                "training.passages_per_query or set negatives.padding: random"
            )
        if len(self.store) < len({*candidates.positives, *listed}) + missing:
            raise I3Error(
                f"{candidates.place}: the collection has only {len(self.store)} passages, too few "
                f"to draw {missing} random negatives; lower training.passages_per_query"
            )

    def _padded(self, candidates: Candidates, listed: list[str], rng: random.Random) -> list[str]:
        negatives = candidates.negatives
        missing = self.count - len(negatives)
        if missing <= 0:
            return negatives
        if self.recipe.padding == "original":
            return [*negatives, *(str(rng.randint(0, ORIGINAL_LAST_PID)) for _ in range(missing))]
        self.refuse_short(candidates, listed)
        used = {*candidates.positives, *listed}
        padding: list[str] = []
        while len(padding) < missing:
            pid = self.store.pid(rng.randrange(len(self.store)))
            if pid not in used:
                used.add(pid)
                padding.append(pid)
        return [*negatives, *padding]

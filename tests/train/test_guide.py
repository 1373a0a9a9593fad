"""A guide excludes passages of a batch that it scores above a query's positive."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from i3_pyserini.errors import I3Error
from i3_pyserini.train.batch_negatives import contrast, other_queries_of_positives
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Guidance
from i3_pyserini.train.trainer import train
from tests.train.conftest import MakeRecipe
from tests.train.task import values
from tests.train.test_losses import batch, with_texts

# The cosines of two queries with three passages each.
COSINES = [[0.5, 0.6, 0.4, 0.5, 0.49, -1.0], [0.0, 0.9, 0.1, 0.3, 0.31, 0.2]]
EYE = torch.eye(6)


def guided(own: Batch) -> Batch:
    return replace(own, guidance=Guidance(torch.tensor(COSINES), EYE))


def excluded(**settings: Any) -> list[list[int]]:
    found = contrast(guided(batch()), NegativesRecipe(**settings)).guided
    pairs: list[list[int]] = found.nonzero().tolist()
    return pairs


def test_passages_above_the_positive_by_hand() -> None:
    assert excluded() == [[0, 1], [1, 1], [1, 4]]
    assert excluded(guide_margin=0.05) == [[0, 1], [0, 3], [0, 4], [1, 1], [1, 4]]
    assert excluded(guide_margin=-0.05) == [[0, 1], [1, 1]]
    for gradient in ("all", "own_slice"):
        assert excluded(gradient=gradient) == excluded()
    assert excluded(shared="batch") == excluded()
    assert excluded(shared="group") == [[0, 1], [1, 1]]  # columns of the own group


def test_queries_that_the_guide_finds_answered() -> None:
    # Passage 0 has cosines 0.5 and 0.0, passage 3 has 0.5 and 0.3: query 0 is nearer to it.
    found, targets = other_queries_of_positives(guided(batch()), NegativesRecipe())
    assert targets.tolist() == [0, 1]
    assert found.tolist() == [[False, False], [True, False]]


def test_each_exclusion_is_counted_once() -> None:
    twins = with_texts(batch(), [0, 0, 2, 3, 4, 5])
    found = contrast(guided(twins), NegativesRecipe())
    assert found.duplicates.nonzero().tolist() == [[0, 1], [1, 1]]
    assert found.guided.nonzero().tolist() == [[1, 4]]
    assert found.left_out.nonzero().tolist() == [[0, 1], [1, 1], [1, 4]]


def test_training_with_a_guide(
    make_recipe: MakeRecipe, task: Path, tiny_bert: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("training.max_steps=2", "validation=null", "loss.reconstruction=0")
    alone = values(train(make_recipe(*common, f"output={task}/alone")).output, "contrastive")
    found = {}
    for margin in (-2, 0, 2):
        keys = (f"negatives.guide={tiny_bert}", f"negatives.guide_margin={margin}")
        capsys.readouterr()
        found[margin] = values(
            train(make_recipe(*common, *keys, f"output={task}/m{margin}")).output, "loss"
        )
        said = capsys.readouterr().out
        assert "were not used as negatives because negatives.guide" in said
        if margin == -2:
            assert "\n0 passages of batches were not used" in said
    assert found[-2] == alone  # no cosine is so high
    assert all(one < other for one, other in zip(found[0], alone, strict=True))
    assert found[2] == [0.0, 0.0]  # nothing is left but the positives


def test_a_guide_that_does_not_exist(make_recipe: MakeRecipe) -> None:
    with pytest.raises(I3Error, match="no such directory"):
        train(make_recipe("negatives.guide=./nowhere"))

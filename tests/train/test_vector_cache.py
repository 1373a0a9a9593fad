"""Vectors of frozen encoders: each text is encoded once, and the losses stay the same."""

from pathlib import Path
from typing import Any

import pytest
import torch

from i3_pyserini.errors import I3Error
from i3_pyserini.train.trainer import Trainer, train
from i3_pyserini.train.vector_cache import VectorCache
from tests.train.conftest import MakeRecipe
from tests.train.task import SIZE, log_lines

FROZEN = (
    "training.freeze=encoders",
    "training.max_steps=7",
    "optimizer.head_learning_rate=1e-2",
    "optimizer.learning_rate=2e-5",
    "validation=null",
)


def assert_same_log(output: Path, other: Path) -> None:
    for own, expected in zip(log_lines(output), log_lines(other), strict=True):
        assert own == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("chunks", ["null", "5"])
def test_losses_are_the_same(make_recipe: MakeRecipe, task: Path, chunks: str) -> None:
    """Dropout of the heads is on: it draws the same numbers."""
    common = (*FROZEN, f"training.chunk_passages={chunks}")
    plain = train(make_recipe(*common)).output
    trainer = Trainer(make_recipe(*common, "training.cache_vectors=true", f"output={task}/other"))
    encoded = {"bert": 0, "passage_encoder": 0}
    for name in encoded:

        def count(_module: Any, _args: Any, kwargs: Any, name: str = name) -> None:
            encoded[name] += len(kwargs["input_ids"])

        getattr(trainer.model, name).register_forward_pre_hook(count, with_kwargs=True)
    trainer.run()
    assert_same_log(trainer.output, plain)
    assert encoded == {"bert": SIZE, "passage_encoder": SIZE}


def test_a_resumed_run(make_recipe: MakeRecipe, task: Path) -> None:
    """Vectors are not saved; the rest of the run computes those that it needs."""
    plain = train(make_recipe(*FROZEN, "training.checkpoint_steps=2")).output
    flags = ("training.cache_vectors=true", "training.checkpoint_steps=2", f"output={task}/other")
    trainer = Trainer(make_recipe(*FROZEN, *flags))
    step = trainer.stepper.step

    def interrupted(*args: Any) -> Any:
        if trainer.progress.step == 3:
            raise KeyboardInterrupt
        return step(*args)

    object.__setattr__(trainer.stepper, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    resumed = Trainer(make_recipe(*FROZEN, *flags))
    resumed.run()
    assert resumed.progress.finished
    assert_same_log(resumed.output, plain)


def test_other_architectures(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(*FROZEN, "training.cache_vectors=true", "model.interaction=paper")
    with pytest.raises(I3Error, match=r"training\.cache_vectors needs interaction: released"):
        Trainer(recipe)


def test_padding_makes_no_other_text() -> None:
    calls: list[list[list[int]]] = []

    def encode(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        calls.append(ids.tolist())
        return (ids * mask).sum(dim=1, keepdim=True).float()

    cache = VectorCache(encode, parts=2)
    first = cache(torch.tensor([[1, 2, 0], [1, 0, 0]]), torch.tensor([[1, 1, 0], [1, 0, 0]]))
    assert first.tolist() == [[3], [1]]
    assert calls == [[[1, 2]], [[1]]]
    again = cache(torch.tensor([[1], [7], [7]]), torch.tensor([[1], [1], [1]]))
    assert again.tolist() == [[1], [7], [7]]
    assert calls[2:] == [[[7]]]

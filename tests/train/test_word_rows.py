"""Gradients of word vectors that are collected as rows: those of whole tables."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i3_pyserini.train.samples import Batch
from i3_pyserini.train.trainer import Trainer
from i3_pyserini.train.word_rows import word_rows
from tests.train.conftest import MakeRecipe

SETTINGS = (
    "validation=null",
    "training.max_steps=1",
    "training.length_buckets=3",
    "optimizer.max_grad_norm=null",
)
WAYS = {
    "whole": (),
    "chunks": ("training.chunk_passages=5",),
    "accumulation": ("training.gradient_accumulation=2",),
    "checkpointing": ("training.gradient_checkpointing=true",),
    "plain": ("model.interaction=none",),
    "frozen": ("training.freeze=encoders",),
}


def without_dropout(trainer: Trainer) -> None:
    for module in trainer.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def gradients(trainer: Trainer) -> dict[str, Tensor]:
    """The gradients of a step, as the optimizer finds them."""
    found: dict[str, Tensor] = {}

    def keep(*_: object) -> None:
        for name, parameter in trainer.model.named_parameters():
            if parameter.grad is not None:
                found[name] = parameter.grad.clone()

    trainer.optimizer.optimizer.register_step_pre_hook(keep)
    trainer.run()
    return found


@pytest.mark.filterwarnings("ignore::FutureWarning")  # renamed in transformers 6
@pytest.mark.parametrize("way", WAYS)
def test_gradients_are_those_of_whole_tables(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    found = {}
    for rows in (True, False):
        trainer = Trainer(make_recipe(*SETTINGS, *WAYS[way], f"output={tmp_path}/{rows}"))
        trainer.model.double()
        without_dropout(trainer)
        with monkeypatch.context() as patch:
            if not rows:
                patch.setattr("i3_pyserini.train.stepping.word_rows", lambda _: nullcontext())
            found[rows] = gradients(trainer)
    assert found[True].keys() == found[False].keys()
    for name, gradient in found[True].items():
        assert gradient.layout == torch.strided, name
        torch.testing.assert_close(gradient, found[False][name], rtol=1e-9, atol=1e-12)


def test_a_table_has_rows_until_the_end(make_recipe: MakeRecipe) -> None:
    trainer = Trainer(make_recipe(*SETTINGS))
    encoders = (trainer.model.query_encoder, trainer.model.passage_encoder)
    tables: list[Any] = [encoder.get_input_embeddings() for encoder in encoders]
    batch: Batch = next(iter(trainer._steps()))[0]
    with word_rows(trainer.model):
        for _ in range(2):  # gradients add up
            queries, passages, _ = trainer.module(batch.inputs, None)
            (queries.sum() + passages.sum()).backward()
        assert all(table.weight.grad.is_sparse for table in tables)
    for table in tables:
        assert not table.sparse
        assert not table.weight.grad.is_sparse
        rows = table.weight.grad.abs().sum(dim=1).count_nonzero()
        assert 0 < rows < len(table.weight)


def test_tables_are_as_before_after_an_error(make_recipe: MakeRecipe) -> None:
    model = Trainer(make_recipe(*SETTINGS)).model
    with pytest.raises(KeyboardInterrupt), word_rows(model):
        raise KeyboardInterrupt
    assert not model.query_encoder.get_input_embeddings().sparse

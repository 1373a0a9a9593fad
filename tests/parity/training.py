"""The package's training code on the golden batches, set up as the original's was."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from i3_pyserini import I3Retriever
from i3_pyserini.model.original import HEAD_BIAS, HEAD_BIAS_AGAIN, original_name
from i3_pyserini.shipped import RECIPES
from i3_pyserini.train.gradcache import Losses, Pass, TrainingModule
from i3_pyserini.train.losses import weighted_losses
from i3_pyserini.train.prepare import training_mode
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.samples import Batch, Inputs

from .conftest import Golden

RECIPE = RECIPES / "original-exact.yaml"
DISTILL_RECIPE = RECIPE.with_name("original-exact-distill.yaml")
IN_CHUNKS = ("--training.chunk_passages=5", "--training.length_buckets=2")
TINY = 1e-6  # gradients whose norm is below are rounding noise


def original_recipe(*overrides: str, recipe: Path = RECIPE) -> Recipe:
    return load_recipe(recipe, overrides)


def ready(model: I3Retriever, recipe: Recipe, dtype: torch.dtype = torch.float32) -> I3Retriever:
    """The model in training mode, without dropout."""
    nn.Module.to(model, dtype)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if recipe.training.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    training_mode(model)
    return model


def golden_batch(golden: Golden, prefix: str, labels: bool = True) -> Batch:
    """Batch `train0`, `train1`, `kd0` or `kd1`."""
    file = "distill_batches" if prefix.startswith("kd") else "batches"
    arrays = golden.arrays(f"tokenization/{file}.npz")
    query_ids, query_mask, passage_ids, passage_mask = (
        arrays[f"{prefix}_{side}_{name}"]
        for side in ("query", "passage")
        for name in ("input_ids", "attention_mask")
    )
    scores = arrays.get(f"{prefix}_reranker_scores")
    mlm_labels = arrays[f"{prefix}_decoder_mlm_labels"] if labels else None
    keys = torch.arange(len(passage_ids))
    return Batch(
        Inputs(query_ids, query_mask, passage_ids, passage_mask, mlm_labels),
        None if scores is None else scores.view(len(query_ids), -1),
        keys,
        keys.view(len(query_ids), -1)[:, :1],
    )


def run_pass(
    module: nn.Module, batch: Batch, recipe: Recipe, scale: float = 1.0, **how: Any
) -> Losses:
    """A forward and backward pass in epoch 1, with the trainer's weighted sum of losses.

    Args:
        module: the model, or DDP around a `TrainingModule` of it.
        batch: the batch.
        recipe: the recipe.
        scale: factor for the gradient.
        **how: further fields of `Pass`.
    """
    if isinstance(module, I3Retriever):
        module = TrainingModule(module, recipe.training.length_buckets)
    losses = partial(weighted_losses, loss=recipe.loss, negatives=recipe.negatives, normalize=False)
    chunk = recipe.training.chunk_passages
    one = Pass(losses, lambda loss: loss.backward(), chunk_passages=chunk, **how)
    return one.run(module, batch, recipe.loss.reconstruction_weight(1), scale)


def original_parameters(model: I3Retriever) -> dict[str, nn.Parameter]:
    """The trainable parameters by the original's names."""
    named = {original_name(name): value for name, value in model.named_parameters()}
    if HEAD_BIAS in named:
        named[HEAD_BIAS_AGAIN] = named.pop(HEAD_BIAS)  # one tensor, listed under this name
    return named


def original_gradients(model: I3Retriever) -> dict[str, Tensor]:
    return {
        name: parameter.grad
        for name, parameter in original_parameters(model).items()
        if parameter.grad is not None
    }


def relative(ours: Tensor, expected: Tensor) -> float:
    """Norm of the difference, as a share of what is expected; 0 if both are zero."""
    difference = float((ours.double() - expected.double()).norm())
    return difference and difference / max(float(expected.double().norm()), 1e-30)

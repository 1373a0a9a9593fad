"""Optimizers and learning-rate schedules, with a rate for each part of the model."""

from typing import Any

from pytorch_optimizer import Lamb
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.recipe import OptimizerRecipe
from i3_pyserini.train.temperature import LearnedTemperature

HEADS = ("reconstructor.", "interactor.")
RECONSTRUCTION_HEAD = "reconstruction_head."


def make_optimizer(
    model: I3Retriever, recipe: OptimizerRecipe, temperature: LearnedTemperature | None = None
) -> Optimizer:
    """The optimizer of a model's trainable parameters, and of a learned temperature.

    LAMB is that of `pytorch_optimizer`, set to the original's (torch_optimizer 0.3.0): no bias
    correction, decay added to the update before the trust ratio. It adds its epsilon to the
    update's norm, which the original does not: `tests/parity` shows by how much updates differ.

    Args:
        model: the model; parameters that need no gradient are left out.
        recipe: name, rates and decay.
        temperature: is not decayed; None if it is not learned.
    """
    groups: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in _groups(model, recipe).items()
    ]
    if temperature is not None:
        rate = recipe.temperature_learning_rate or recipe.learning_rate
        group = {"params": list(temperature.parameters()), "lr": rate, "weight_decay": 0.0}
        if recipe.name == "lamb":
            # A step of LAMB is a share of the parameter's norm: near T = 1, whose logarithm is 0,
            # it would stay. With this key of a group there is no trust ratio, and LAMB is Adam.
            group["adam"] = True
        groups.append(group)
    if recipe.name == "adamw":
        return AdamW(groups, lr=recipe.learning_rate, fused=True)  # a third of the time on a CPU
    lamb: Optimizer = Lamb(
        groups, lr=recipe.learning_rate, eps=1e-6, weight_decouple=False, adam_debias=True
    )
    return lamb


def make_schedule(optimizer: Optimizer, recipe: OptimizerRecipe, steps: int) -> LRScheduler:
    """The schedule of the learning rates over a run of `steps` optimizer steps."""
    warmup = round(steps * recipe.warmup_ratio)
    name = "constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule
    schedule: LRScheduler = get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=steps
    )
    return schedule


def _groups(
    model: I3Retriever, recipe: OptimizerRecipe
) -> dict[tuple[float, float], list[nn.Parameter]]:
    """Trainable parameters by learning rate and weight decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # Biases and LayerNorms are not decayed, except by LAMB, as in the original.
            decayed = recipe.name == "lamb" or parameter.dim() > 1
            key = (_rate(name, recipe), recipe.weight_decay if decayed else 0.0)
            groups.setdefault(key, []).append(parameter)
    return groups


def _rate(name: str, recipe: OptimizerRecipe) -> float:
    head = recipe.head_learning_rate or recipe.learning_rate
    if name.startswith(HEADS):
        return head
    if name.startswith(RECONSTRUCTION_HEAD):
        return recipe.reconstruction_head_learning_rate or head
    return recipe.learning_rate

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from i3_pyserini import I3Retriever
from i3_pyserini.train.optimizers import make_optimizer, make_schedule
from i3_pyserini.train.recipe import OptimizerRecipe

RATES: dict[str, Any] = {
    "learning_rate": 1e-5,
    "head_learning_rate": 1e-3,
    "reconstruction_head_learning_rate": 1e-4,
}
HEADS = ("reconstructor.", "interactor.")
MakeModel = Callable[..., I3Retriever]


@pytest.fixture
def make_model(tiny_bert: str) -> MakeModel:
    return lambda **settings: I3Retriever.from_backbone(tiny_bert, **settings)


def settings_of(model: I3Retriever, recipe: OptimizerRecipe) -> dict[str, tuple[float, float]]:
    """Rate and decay of every parameter, by name; each is in one group."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model, recipe)
    entries = [
        (names[id(parameter)], (group["lr"], group["weight_decay"]))
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(dict(entries)) == len(entries)
    return dict(entries)


def expected_rate(name: str, head: float, reconstruction_head: float) -> float:
    if name.startswith(HEADS):
        return head
    return reconstruction_head if name.startswith("reconstruction_head.") else 1e-5


@pytest.mark.parametrize("name", ["adamw", "lamb"])
@pytest.mark.parametrize(
    ("given", "head", "reconstruction_head"),
    [
        (RATES, 1e-3, 1e-4),
        ({"learning_rate": 1e-5, "head_learning_rate": 1e-3}, 1e-3, 1e-3),
        ({"learning_rate": 1e-5}, 1e-5, 1e-5),
    ],
)
def test_a_rate_for_each_part(
    make_model: MakeModel,
    name: Literal["adamw", "lamb"],
    given: dict[str, Any],
    head: float,
    reconstruction_head: float,
) -> None:
    model = make_model(interactor_init="residual")
    found = settings_of(model, OptimizerRecipe(name=name, weight_decay=0.01, **given))
    parameters = dict(model.named_parameters())
    assert found.keys() == parameters.keys()
    for parameter, (rate, decay) in found.items():
        assert rate == expected_rate(parameter, head, reconstruction_head), parameter
        matrix = parameters[parameter].dim() > 1
        assert decay == (0.01 if matrix or name == "lamb" else 0.0), parameter
    decayed = {parameter for parameter, (_, decay) in found.items() if decay}
    assert ("passage_encoder.embeddings.LayerNorm.weight" in decayed) == (name == "lamb")
    assert "passage_encoder.embeddings.word_embeddings.weight" in decayed


def test_frozen_parameters_are_left_out(make_model: MakeModel) -> None:
    model = make_model()
    model.query_encoder.requires_grad_(False)
    model.reconstruction_head.requires_grad_(False)
    found = settings_of(model, OptimizerRecipe(**RATES))
    assert {name.partition(".")[0] for name in found} == {
        "passage_encoder",
        "reconstructor",
        "interactor",
    }


def test_kinds(make_model: MakeModel) -> None:
    model = make_model(interaction="none")
    assert type(make_optimizer(model, OptimizerRecipe())) is AdamW
    lamb = make_optimizer(model, OptimizerRecipe(name="lamb"))
    assert type(lamb).__name__ == "Lamb"


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_a_step_moves_by_the_rate(make_model: MakeModel, name: Literal["adamw", "lamb"]) -> None:
    model = make_model()
    optimizer = make_optimizer(model, OptimizerRecipe(name=name, weight_decay=0.0, **RATES))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    for part, parameter in model.named_parameters():
        change = parameter.detach() - before[part]
        rate = expected_rate(part, 1e-3, 1e-4)
        if name == "adamw":  # every weight by the rate
            assert change.abs().max().item() == pytest.approx(rate, rel=0.02), part
        elif before[part].norm() > 0:  # the whole parameter by a share of its norm
            share = (change.norm() / before[part].norm().clamp(max=10)).item()
            assert share == pytest.approx(rate, rel=0.02), part


def rates(schedule: str, warmup: float, steps: int) -> list[float]:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer: Optimizer = AdamW(
        [{"params": [p], "lr": lr} for p, lr in zip(parameters, (1.0, 2.0), strict=True)]
    )
    recipe = OptimizerRecipe(schedule=schedule, warmup_ratio=warmup)  # type: ignore[arg-type]
    scheduler = make_schedule(optimizer, recipe, steps)
    found = []
    for _ in range(steps):
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert second == 2 * first
        found.append(first)
        optimizer.step()
        scheduler.step()
    found.append(optimizer.param_groups[0]["lr"])
    return found


def test_schedules_by_hand() -> None:
    warm = [0.0, 0.25, 0.5, 0.75]
    falling = [1 - step / 6 for step in range(7)]
    assert rates("linear", 0.4, 10) == pytest.approx(warm + falling)
    cosine = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(7)]
    assert rates("cosine", 0.4, 10) == pytest.approx(warm + cosine, abs=1e-9)
    assert rates("constant", 0.4, 10) == pytest.approx([*warm, *[1.0] * 7])
    assert rates("constant", 0.0, 4) == [1.0] * 5
    assert rates("linear", 0.0, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])

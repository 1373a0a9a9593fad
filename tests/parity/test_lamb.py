"""LAMB's updates against those of torch_optimizer 0.3.0, the original's, dropout off.

An update is a parameter after a step minus the parameter before. Ours adds epsilon to the norm of
the update when it makes the trust ratio, which shortens updates by epsilon / norm. On set A:

    parameter                                 norm     deviation
    c_head's crossattention.self.key.bias     6e-5     1.5%   distillation, by decay alone
    c_head's crossattention.self.query.bias   7e-5     1.3%   likewise
    zero_gradient of the toy                  2.5e-4   0.4%   likewise
    c_head's crossattention.self.*.weight     1e-3     0.1%   likewise
    all others                                > 0.01   0.03%  float32 rounding
"""

import re
from typing import Any

import pytest
import torch
from torch import nn

from i3_pyserini.train.optimizers import make_optimizer

from .conftest import Golden
from .training import (
    DISTILL_RECIPE,
    RECIPE,
    golden_batch,
    original_parameters,
    original_recipe,
    ready,
    relative,
    run_pass,
)

TOLERANCE = 0.02
EPSILON = 1e-6
LARGEST_WEIGHT_NORM = 10.0  # in the trust ratio
TRAININGS = {
    "lamb_dual_encoder": (RECIPE, "train", "best"),
    "lamb_distill": (DISTILL_RECIPE, "kd", "retriever"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_optimizer_alone(golden: Golden, dtype: torch.dtype) -> None:
    toy = golden.json("training/lamb_toy.json")
    runs = [run for run in toy["runs"] if run["dtype"] == str(dtype)]
    assert runs
    tolerance = 1e-5 if dtype == torch.float64 else TOLERANCE
    for run in runs:
        # `make_optimizer` asks a model for nothing but its named parameters.
        module: Any = nn.ParameterDict(
            {name: torch.tensor(value, dtype=dtype) for name, value in toy["init"].items()}
        )
        rates = (f"learning_rate={run['lr']}", f"weight_decay={run['weight_decay']}")
        recipe = original_recipe(*(f"--optimizer.{rate}" for rate in rates))
        optimizer = make_optimizer(module, recipe.optimizer)
        stored = {name: value.detach().clone() for name, value in module.items()}
        for gradients, after in zip(toy["grads"], run["after_step"], strict=True):
            before = {name: value.detach().clone() for name, value in module.items()}
            for name, parameter in module.items():
                given = gradients[name]
                parameter.grad = None if given is None else torch.tensor(given, dtype=dtype)
            optimizer.step()
            for name, parameter in module.items():
                value = torch.tensor(after[name]["value"], dtype=dtype)
                deviation = relative(parameter.detach() - before[name], value - stored[name])
                short = EPSILON / update_norm(stored[name], after[name].get("trust_ratio"))
                assert deviation < tolerance + short, (rates, name)
                stored[name] = value


def update_norm(weight: torch.Tensor, trust_ratio: float | None) -> float:
    """Norm of an update before the trust ratio (weight norm / this norm) and the rate."""
    norm = min(weight.norm().item(), LARGEST_WEIGHT_NORM)
    return norm / trust_ratio if trust_ratio and norm else 1.0


@pytest.mark.parametrize("name", list(TRAININGS))
def test_two_steps_of_training(golden: Golden, name: str) -> None:
    path, batches, checkpoint = TRAININGS[name]
    rate = golden.args.learning_rate
    recipe = original_recipe(
        f"--optimizer.learning_rate={rate}",
        f"--optimizer.reconstruction_head_learning_rate={rate}",
        recipe=path,
    )
    reference, arrays = golden.json(f"training/{name}.json"), golden.arrays(f"training/{name}.npz")
    model = ready(golden.load(checkpoint)[0], recipe)
    parameters = original_parameters(model)
    start = {name: value.detach().clone() for name, value in parameters.items()}
    optimizer = make_optimizer(model, recipe.optimizer)
    losses: list[float] = []
    skipped: set[str] = set()
    for number, step in reference["steps"].items():
        batch = golden_batch(golden, f"{batches}{int(number) - 1}")
        losses.append(run_pass(model, batch, recipe)["loss"].item())
        optimizer.step()
        optimizer.zero_grad()
        mean = re.search(r"mean loss: ([^,]+),", step["stdout"][-1])
        assert mean
        assert sum(losses) / len(losses) == pytest.approx(float(mean[1]), rel=1e-5)
        updates = {name: value.detach() - start[name] for name, value in parameters.items()}
        assert updates.keys() == step["parameters"].keys()
        skipped |= {f"step{number}/{parameter}" for parameter in step["not_reproducible"]}
        for parameter in updates.keys() - set(step["not_reproducible"]):
            norm = step["parameters"][parameter]["delta_norm"]
            assert updates[parameter].norm().item() == pytest.approx(norm, rel=TOLERANCE), parameter
            if f"step{number}/{parameter}" in arrays:
                update = arrays.pop(f"step{number}/{parameter}") - start[parameter]
                assert relative(updates[parameter], update) < TOLERANCE, parameter
    assert arrays.keys() <= skipped  # all others were compared
    changed = {name: not torch.equal(start[name], value) for name, value in parameters.items()}
    decayed = bool(recipe.optimizer.weight_decay)
    unseen = [name for name in changed if re.search(r"crossattention\.self\.(query|key)", name)]
    assert len(unseen) == 4 * golden.args.n_head_layers
    assert all(changed[name] is decayed for name in unseen)  # without a gradient

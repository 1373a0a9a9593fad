"""A learned temperature: its gradient in every way of training, its steps, and what is kept."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import start_processes

from i3_pyserini import I3Retriever
from i3_pyserini.errors import I3Error
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.gradcache import Pass, TrainingModule
from i3_pyserini.train.losses import weighted_losses
from i3_pyserini.train.optimizers import make_optimizer
from i3_pyserini.train.recipe import LossRecipe, OptimizerRecipe, Recipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Inputs
from i3_pyserini.train.temperature import LearnedTemperature
from i3_pyserini.train.trainer import Trainer, train
from tests.train.conftest import MakeRecipe
from tests.train.task import log_lines, teacher_flags, values

START = 0.05
LEARNED = "loss.learned_temperature=true"
ONE_STEP = ("validation=null", "training.max_steps=1", "optimizer.max_grad_norm=null")
KEYS = torch.arange(6)


def test_gradient_by_hand() -> None:
    """Two queries with one positive and two negatives each; T = 1/2, so that scores double."""
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    passages = torch.tensor(
        [[3.0, 1.0], [1.0, 2.0], [0.0, 4.0], [2.0, 5.0], [1.0, 1.0], [4.0, 0.0]]
    )
    scores, targets = [[3.0, 1.0, 0.0, 2.0, 1.0, 4.0], [1.0, 2.0, 4.0, 5.0, 1.0, 0.0]], (0, 3)
    loss = slope = 0.0
    for row, target in zip(scores, targets, strict=True):
        total = sum(math.exp(2 * one) for one in row)
        loss += (math.log(total) - 2 * row[target]) / 2
        expected = sum(one * math.exp(2 * one) for one in row) / total
        slope += 2 * (expected - row[target]) / 2  # by t = log(1/T), of which 1/T = exp(t)
    nothing = torch.zeros(0, 0, dtype=torch.long)
    inputs = Inputs(nothing, nothing, nothing, nothing, None)
    batch = Batch(inputs, None, KEYS, torch.tensor([[0], [3]]))
    temperature = LearnedTemperature(0.5)
    recipe = LossRecipe(learned_temperature=True, temperature=0.5)
    found, parts = weighted_losses(
        temperature(queries), passages, batch, recipe, NegativesRecipe(), normalize=False
    )
    found.backward()
    assert parts["contrastive"].item() == pytest.approx(loss, rel=1e-6)
    assert temperature.log_inverse.grad is not None
    assert temperature.log_inverse.grad.item() == pytest.approx(slope, rel=1e-5)
    assert temperature.log_inverse.dtype == torch.float32


def without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def run_in_double(recipe: Recipe) -> tuple[float, float]:
    """The loss of a run's first step, and the gradient of log(1/T), which is 0 if it is given."""
    trainer = Trainer(recipe)
    trainer.module.double()
    without_dropout(trainer.model)
    found: list[Tensor] = []

    def keep(*_: Any) -> None:
        if trainer.temperature is not None:
            assert trainer.temperature.log_inverse.grad is not None
            found.append(trainer.temperature.log_inverse.grad.clone())

    trainer.optimizer.optimizer.register_step_pre_hook(keep)
    trainer.run()
    return values(recipe.output, "loss")[0], float(sum(found))


HEADS = "optimizer.head_learning_rate=1e-3"
FROZEN = ("training.freeze=encoders", HEADS, "optimizer.learning_rate=2e-5")
DISTILLED = "loss.contrastive=0"
WAYS: dict[str, tuple[str, ...]] = {
    "contrastive": (),
    "symmetric": ("loss.symmetric=true",),
    "group": ("negatives.shared=group",),
    "matryoshka": ("loss.matryoshka=[16, 8]",),
    "matryoshka of any length": ("loss.matryoshka=[16, 8]", "model.normalize=false"),
    "kl": (DISTILLED, "loss.distillation_kind=kl"),
    "margin_mse": (DISTILLED, "loss.distillation_kind=margin_mse"),
    "infonce": (DISTILLED, "loss.distillation_kind=infonce"),
    "both": ("loss.distillation=0.5",),
    "accumulation": ("training.batch_size=4", "training.gradient_accumulation=2"),
    "plain": ("model.interaction=none",),
    "frozen query encoder": ("training.freeze=query_encoder",),
    "frozen encoders": FROZEN,
    "cached vectors": (*FROZEN, "training.cache_vectors=true", "model.interaction=released"),
    "lora": ("lora.rank=2",),
}


def losses_in_double(queries: Tensor, passages: Tensor, *args: Any, **options: Any) -> Any:
    """Vectors of unit length are in single precision, which is too coarse for differences."""
    return weighted_losses(queries.double(), passages.double(), *args, **options)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_gradient_is_that_of_the_given_temperature(
    make_recipe: MakeRecipe, task: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Against the losses of runs whose given temperature is a little higher and lower."""
    if way == "lora":
        pytest.importorskip("peft", reason="needs the extra lora")
    distils = any("distillation" in flag for flag in WAYS[way])
    common = (*(teacher_flags(task) if distils else ()), *WAYS[way], *ONE_STEP)
    numbers = iter(range(9))
    monkeypatch.setattr("i3_pyserini.train.stepping.weighted_losses", losses_in_double)

    def run(*flags: str) -> tuple[float, float]:
        return run_in_double(make_recipe(*common, *flags, f"output={task}/{next(numbers)}"))

    step = 1e-3
    given = [run(f"loss.temperature={START * math.exp(one)!r}")[0] for one in (-step, 0.0, step)]
    expected = (given[0] - given[2]) / (2 * step)
    assert abs(expected) > 1e-3
    for chunks in ("null", "5", "1"):
        loss, gradient = run(LEARNED, f"training.chunk_passages={chunks}")
        assert loss == pytest.approx(given[1], rel=1e-6)
        assert gradient == pytest.approx(expected, rel=1e-4)


# Two devices against one with a batch twice as large, in double precision.
DEVICES, PASSES, QUERIES, GROUP, LENGTH = 2, 2, 4, 3, 5


def batches(rank: int, devices: int) -> list[Batch]:
    """A device's part of each of the accumulated batches."""
    generator = torch.Generator().manual_seed(5)
    found = []
    for _ in range(PASSES):
        sizes = ((QUERIES, LENGTH), (QUERIES * GROUP, LENGTH))
        queries, passages = (torch.randint(5, 15, size, generator=generator) for size in sizes)
        own = slice(rank * QUERIES // devices, (rank + 1) * QUERIES // devices)
        rows = slice(own.start * GROUP, own.stop * GROUP)
        one, other = queries[own], passages[rows]
        inputs = Inputs(one, torch.ones_like(one), other, torch.ones_like(other), None)
        keys = torch.arange(QUERIES * GROUP)
        found.append(Batch(inputs, None, keys[rows], keys[::GROUP][own].unsqueeze(1)))
    return found


def gradients(
    backbone: str, own: list[Batch], chunk: int | None, gradient: str
) -> dict[str, Tensor]:
    """Gradients of accumulated passes; DDP averages them over devices in the last one."""
    torch.manual_seed(3)
    model = I3Retriever.from_backbone(backbone, interaction="none", normalize=True)
    without_dropout(model)
    plain = TrainingModule(model, temperature=LearnedTemperature(START)).double().train()
    module: nn.Module = plain
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext
    if dist.is_initialized():
        module = nn.parallel.DistributedDataParallel(plain)
        no_sync = module.no_sync
    losses = partial(
        weighted_losses,
        loss=LossRecipe(symmetric=gradient == "all", matryoshka=(8,), learned_temperature=True),
        negatives=NegativesRecipe(gradient=gradient),  # type: ignore[arg-type]  # of a parameter
        normalize=True,
    )
    # As with fp16, whose scaler multiplies what goes backward, and divides the gradients.
    run = Pass(losses, lambda loss: (1024 * loss).backward(), no_sync, chunk)
    for number, batch in enumerate(own, start=1):
        with nullcontext() if number == len(own) else no_sync():
            run.run(module, batch, scale=1 / len(own))
    named = plain.named_parameters()
    return {name: one.grad / 1024 for name, one in named if one.grad is not None}


CHUNKS: dict[str, int | None] = {"whole": None, "chunks": 4, "small chunks": 1}


def device(rank: int, folder: str, backbone: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=DEVICES,
        timeout=timedelta(seconds=60),
    )
    own = batches(rank, DEVICES)
    found = {
        (gradient, name): gradients(backbone, own, chunk, gradient)
        for gradient in ("all", "own_slice")
        for name, chunk in CHUNKS.items()
    }
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> list[dict[Any, Any]]:
    folder = tmp_path_factory.mktemp("devices")
    torch.set_num_threads(1)  # threads do not survive a fork
    start_processes(device, args=(str(folder), tiny_bert), nprocs=DEVICES, start_method="fork")
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(DEVICES)]


@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.parametrize("gradient", ["all", "own_slice"])
def test_two_devices_are_one_with_a_batch_twice_as_large(
    devices: list[dict[Any, Any]], tiny_bert: str, name: str, gradient: str
) -> None:
    expected = gradients(tiny_bert, batches(0, 1), None, gradient)
    share = 1 if gradient == "all" else 1 / DEVICES  # of all parameters: see `NegativesRecipe`
    assert expected["temperature.log_inverse"].abs() > 1e-3
    for found in devices:
        assert found[gradient, name].keys() == expected.keys()
        for parameter, value in found[gradient, name].items():
            error = (value - share * expected[parameter]).norm()
            assert error <= 1e-6 * expected[parameter].norm() + 1e-12, parameter


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_a_group_of_its_own(tiny_bert: str, name: str) -> None:
    model, temperature = I3Retriever.from_backbone(tiny_bert), LearnedTemperature(1.0)
    for rate, expected in ((0.25, 0.25), (None, 1e-3)):
        recipe = OptimizerRecipe(
            name=name,  # type: ignore[arg-type]  # of a parameter
            learning_rate=1e-3,
            head_learning_rate=1e-4,
            weight_decay=0.5,
            temperature_learning_rate=rate,
        )
        optimizer = make_optimizer(model, recipe, temperature)
        *others, own = optimizer.param_groups
        assert own["params"] == [temperature.log_inverse]
        assert (own["lr"], own["weight_decay"]) == (expected, 0.0)
        plain = make_optimizer(model, recipe).param_groups
        assert [len(group["params"]) for group in others] == [len(one["params"]) for one in plain]
    for step in range(1, 6):  # from T = 1, whose logarithm has no norm
        temperature.log_inverse.grad = torch.tensor(1.0)
        optimizer.step()
        assert -temperature.log_inverse.item() >= 0.99e-3 * step
        if name == "adamw":
            assert temperature.value == pytest.approx(math.exp(1e-3 * step), rel=1e-6)


def test_it_does_not_vanish(make_recipe: MakeRecipe) -> None:
    trainer = Trainer(make_recipe(LEARNED, *ONE_STEP))
    assert trainer.temperature is not None
    assert trainer.temperature.value == pytest.approx(START)
    trainer.temperature.clip()
    assert trainer.temperature.value == pytest.approx(START)
    with torch.no_grad():
        trainer.temperature.log_inverse.fill_(9.0)
    trainer.run()
    assert values(trainer.output, "temperature") == pytest.approx([0.01])
    with pytest.raises(I3Error, match=r"loss\.temperature is 0\.009.* at least 0\.01"):
        make_recipe(LEARNED, "loss.temperature=0.009")


def test_a_run_learns_it(make_recipe: MakeRecipe, task: Path) -> None:
    """A student of random vectors needs a high temperature; its rate is its own."""
    common = ("training.max_steps=3", "validation=null")
    off = train(make_recipe(*common)).output
    fast = ("optimizer.temperature_learning_rate=0.5", f"output={task}/fast")
    trainer = Trainer(make_recipe(*common, LEARNED, *fast))
    trainer.run()
    learned = values(trainer.output, "temperature")
    assert START < learned[0] < learned[1] < learned[2]  # the schedule ends at 0, as the others'
    assert trainer.temperature is not None
    assert learned[-1] == trainer.temperature.value
    first, other = log_lines(off)[0], log_lines(trainer.output)[0]
    assert "temperature" not in first
    assert other["loss"] == pytest.approx(first["loss"], rel=1e-5)
    card = (trainer.output / "last" / "README.md").read_text(encoding="utf-8")
    assert f"\n| learned temperature | {learned[-1]:.4g} |\n| seeds |" in card
    assert "learned temperature" not in (off / "last" / "README.md").read_text(encoding="utf-8")
    states = [load_model_directory(one / "last")[0].state_dict() for one in (off, trainer.output)]
    assert states[0].keys() == states[1].keys()
    kept = [torch.load(one / "state.pt") for one in (off, trainer.output)]
    assert kept[1].keys() - kept[0].keys() == {"temperature"}
    assert [len(one["optimizer"]["param_groups"]) for one in kept] == [2, 3]


def test_the_norm_of_the_gradient_is_of_the_temperature_too(make_recipe: MakeRecipe) -> None:
    trainer = Trainer(make_recipe(LEARNED, "validation=null", "optimizer.max_grad_norm=0.25"))
    norms: list[float] = []

    def keep(*_: Any) -> None:
        found = [one.grad for one in trainer.module.parameters() if one.grad is not None]
        norms.append(float(torch.cat([one.flatten() for one in found]).norm()))

    trainer.optimizer.optimizer.register_step_pre_hook(keep)
    trainer.run()
    assert norms == pytest.approx([0.25] * 4, rel=1e-4)

"""Single steps: their gradients, what is logged of them, and what ends them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i3_pyserini.errors import I3Error
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.stepping import out_of_memory_is_explained
from i3_pyserini.train.trainer import Trainer, train
from tests.train.conftest import MakeRecipe
from tests.train.task import log_lines, values

Weights = dict[str, Tensor]
# Clipping would hide a gradient of the wrong size.
ONE_STEP = ("validation=null", "training.max_steps=1", "optimizer.max_grad_norm=null")


def first_gradient(recipe: Recipe) -> Weights:
    """The gradient before a run's first step, without dropout and in double precision."""
    trainer = Trainer(recipe)
    trainer.model.double()
    for module in trainer.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    gradient: Weights = {}

    def keep(*_: Any) -> None:
        for name, parameter in trainer.model.named_parameters():
            if parameter.grad is not None:
                gradient.setdefault(name, parameter.grad.clone())

    trainer.optimizer.optimizer.register_step_pre_hook(keep)
    trainer.run()
    return gradient


def assert_same_direction_and_size(own: Weights, other: Weights) -> None:
    assert own.keys() == other.keys()
    for name, gradient in own.items():
        error = (gradient - other[name]).norm()
        assert error <= 1e-5 * other[name].norm() + 1e-10, f"{name}: {error}"


SAME = {
    "chunks": ("training.chunk_passages=5",),
    "buckets": ("training.length_buckets=3",),
    "both": ("training.chunk_passages=7", "training.length_buckets=2"),
    "checkpointing": ("training.gradient_checkpointing=true",),
    "workers": ("training.workers=2",),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")  # renamed in transformers 6
@pytest.mark.parametrize("way", SAME)
def test_settings_of_speed_change_no_gradient(
    make_recipe: MakeRecipe, tmp_path: Path, way: str
) -> None:
    plain = first_gradient(make_recipe(*ONE_STEP))
    other = first_gradient(make_recipe(*ONE_STEP, *SAME[way], f"output={tmp_path}/other"))
    assert_same_direction_and_size(other, plain)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # renamed in transformers 6
@pytest.mark.parametrize("way", ["both", "checkpointing"])
@pytest.mark.parametrize("model", ["model.tie_encoders=true", "lora.rank=3"])
def test_nor_those_of_few_weights(
    make_recipe: MakeRecipe, tmp_path: Path, way: str, model: str
) -> None:
    if "lora" in model:
        pytest.importorskip("peft", reason="needs the extra lora")
    plain = first_gradient(make_recipe(*ONE_STEP, model))
    other = first_gradient(make_recipe(*ONE_STEP, model, *SAME[way], f"output={tmp_path}/other"))
    assert_same_direction_and_size(other, plain)
    assert not any(name.startswith("passage_encoder") for name in plain) or "lora" in model


@pytest.mark.parametrize("chunks", ["null", "5"])
def test_accumulated_batches_are_a_large_one(
    make_recipe: MakeRecipe, tmp_path: Path, chunks: str
) -> None:
    """Where queries share no negatives; a reconstruction is averaged in each pass by itself."""
    common = (
        *ONE_STEP,
        "negatives.shared=group",
        "loss.reconstruction=0",
        f"training.chunk_passages={chunks}",
    )
    large = first_gradient(make_recipe(*common))
    small = ("training.batch_size=4", "training.gradient_accumulation=2")
    accumulated = first_gradient(make_recipe(*common, *small, f"output={tmp_path}/other"))
    assert_same_direction_and_size(accumulated, large)
    (loss,), (mean) = values(tmp_path / "output", "loss"), values(tmp_path / "other", "loss")
    assert mean == pytest.approx([loss])


def test_reconstruction_alone(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    common = (*ONE_STEP, "loss.contrastive=0")
    whole = first_gradient(make_recipe(*common))
    chunks = ("training.chunk_passages=5", f"output={tmp_path}/other")
    assert_same_direction_and_size(first_gradient(make_recipe(*common, *chunks)), whole)
    moved = {name.partition(".")[0] for name, gradient in whole.items() if gradient.abs().max() > 0}
    assert moved == {"passage_encoder", "reconstructor", "reconstruction_head"}


@pytest.mark.parametrize("interaction", ["released", "paper"])
def test_reconstruction_that_teaches_the_heads_only(
    make_recipe: MakeRecipe, tmp_path: Path, interaction: str
) -> None:
    common = (*ONE_STEP, f"model.interaction={interaction}")
    apart = first_gradient(make_recipe(*common, "reconstruction.gradient=heads"))
    ways = {"without": "loss.reconstruction=0", "with": "reconstruction.gradient=all"}
    without, both = (
        first_gradient(make_recipe(*common, flag, f"output={tmp_path}/{way}"))
        for way, flag in ways.items()
    )
    heads = {name for name in apart if name.startswith(("reconstructor.", "reconstruction_head."))}
    encoders = {name for name in apart if name.startswith(("bert.", "passage_encoder."))}
    for names, other in ((heads, both), (encoders, without)):
        own, expected = ({name: one[name] for name in names} for one in (apart, other))
        assert_same_direction_and_size(own, expected)
        assert sum(gradient.norm() for gradient in own.values()) > 0
    assert any((both[name] - apart[name]).norm() > 0 for name in encoders)
    assert apart.keys() - without.keys() == {
        name for name in heads if name.startswith("reconstruction_head.")
    }


def test_heads_alone_are_no_training_of_the_encoders(make_recipe: MakeRecipe) -> None:
    """Weight decay would still shrink them."""
    with pytest.raises(I3Error, match=r"reconstruction\.gradient: heads .* encoders"):
        make_recipe("reconstruction.gradient=heads", "loss.contrastive=0")


def test_steps_of_accumulated_batches(make_recipe: MakeRecipe) -> None:
    """21 queries in passes of 4: six passes, and so two steps of 4 and 2 passes an epoch."""
    trainer = Trainer(
        make_recipe(
            "training.batch_size=4",
            "training.gradient_accumulation=4",
            "training.max_steps=null",
            "training.epochs=2",
            "validation=null",
        )
    )
    assert (trainer.epochs.passes, trainer.epochs.steps, trainer.total_steps) == (6, 2, 4)
    sizes = [
        [len(batch.inputs.query_ids) for batch in batches] for batches in trainer.epochs.rest(1, 0)
    ]
    assert sizes == [[4, 4, 4, 4], [4, 1]]
    trainer.run()
    assert [line["epoch"] for line in log_lines(trainer.output)] == [1, 1, 2, 2]


def test_logged_losses_are_means(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    common = ("validation=null", "training.max_steps=7")
    every = values(train(make_recipe(*common)).output, "loss")
    some = train(
        make_recipe(*common, "training.logging_steps=3", f"output={tmp_path}/other")
    ).output
    assert [line["step"] for line in log_lines(some)] == [3, 6, 7]
    means = [sum(every[:3]) / 3, sum(every[3:6]) / 3, every[6]]
    assert values(some, "loss") == pytest.approx(means)


def test_norm_of_the_gradient(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(
        "accelerate.Accelerator.clip_grad_norm_",
        lambda _self, _parameters, norm: asked.append(norm),
    )
    common = ("validation=null", "training.max_steps=2")
    train(make_recipe(*common, "optimizer.max_grad_norm=0.5"))
    assert asked == [0.5, 0.5]
    train(
        make_recipe(
            *common, "optimizer.max_grad_norm=null", "output=" + str(make_recipe().output) + "2"
        )
    )
    assert asked == [0.5, 0.5]


def test_the_weight_of_reconstruction_falls(make_recipe: MakeRecipe) -> None:
    output = train(
        make_recipe("loss.reconstruction=10^-epoch", "training.max_steps=6", "validation=null")
    ).output
    for line in log_lines(output):
        weight = 0.1 if line["epoch"] == 1 else 0.01
        expected = line["contrastive"] + weight * line["reconstruction"]
        assert line["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_half_precision_on_a_cpu(make_recipe: MakeRecipe, task: Path) -> None:
    """Whatever ran in the same process before."""
    common = ("training.max_steps=2", "loss.reconstruction=0.1")
    single = values(train(make_recipe(*common)).output, "loss")
    for chunks in ("null", "5"):
        half = make_recipe(
            *common,
            "training.precision=bf16",
            f"training.chunk_passages={chunks}",
            f"output={task}/{chunks}",
        )
        losses = values(train(half).output, "loss")
        assert losses[0] == pytest.approx(single[0], rel=0.2)  # chunks have other dropout
        assert losses[0] != single[0]
        model, _ = load_model_directory(half.output / "last")
        assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(("in_hardware", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_the_precision_of_the_hardware(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, in_hardware: bool, precision: str
) -> None:
    monkeypatch.setattr("i3_pyserini.train.prepare.computes_bf16", lambda device: in_hardware)
    output = train(make_recipe("training.precision=auto", "training.max_steps=1")).output
    assert load_recipe(output / "recipe.yaml").training.precision == precision


def test_fp16_needs_a_gpu(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(I3Error, match="fp16 needs a GPU; use bf16 or fp32"):
        Trainer(make_recipe("training.precision=fp16"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore lines"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
)
def test_out_of_memory(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("i3_pyserini.train.gradcache.TrainingModule.forward", fail)
    with pytest.raises(I3Error, match=r"out of memory .*training\.chunk_passages") as caught:
        train(make_recipe("validation=null"))
    assert "\n" not in str(caught.value)


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(RuntimeError, match="sizes do not match"), out_of_memory_is_explained():
        raise RuntimeError("sizes do not match")


def test_a_loss_that_is_no_number(make_recipe: MakeRecipe) -> None:
    with pytest.raises(I3Error, match=r"the loss is (nan|inf) at step [23]; lower the learning"):
        train(make_recipe("optimizer.learning_rate=1e30", "optimizer.max_grad_norm=null"))
    assert not (make_recipe().output / "last").exists()

"""Training-mode vectors, losses and gradients against the original's, dropout off.

Everything goes through `Pass`, once with the whole batch and once with GradCache's chunks; in
float32, and more strictly in float64 (where the reconstruction loss is a float32 one even so).
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever
from i3_pyserini.model.original import HEAD_BIAS, HEAD_BIAS_AGAIN, from_original
from i3_pyserini.train.gradcache import TrainingModule
from i3_pyserini.train.losses import kl_divergence
from i3_pyserini.train.recipe import Recipe

from .conftest import Golden
from .training import (
    DISTILL_RECIPE,
    IN_CHUNKS,
    TINY,
    golden_batch,
    original_gradients,
    original_recipe,
    ready,
    relative,
    run_pass,
)

LOSSES = "training/losses_and_gradients.json"
VARIANTS = {
    "in_device": ["--negatives.shared=batch"],
    "x_device_world1": ["--negatives.shared=devices"],
    "in_device_no_grad_ckpt": [
        "--negatives.shared=batch",
        "--training.gradient_checkpointing=false",
    ],
    "own_group_only": ["--negatives.shared=group"],
    "vanilla_in_device": ["--negatives.shared=batch"],
}
GRADIENTS = {
    "in_device": "gradients_in_device_batch0",
    "x_device_world1": "gradients_in_device_batch0",
    "own_group_only": "gradients_own_group_only_batch0",
    "vanilla_in_device": "gradients_vanilla_batch0",
}
CHUNKS = pytest.mark.parametrize("chunks", [(), IN_CHUNKS], ids=["whole", "chunks"])
RELATIVE = pytest.mark.parametrize(
    ("dtype", "suffix", "rel"),
    [(torch.float32, "", 1e-5), (torch.float64, "_float64", 1e-6)],
    ids=["float32", "float64"],
)


def variant(
    golden: Golden, name: str, chunks: tuple[str, ...], dtype: torch.dtype = torch.float32
) -> tuple[I3Retriever, Recipe]:
    recipe = original_recipe(*VARIANTS[name], *chunks)
    checkpoint = "vanilla_best" if name.startswith("vanilla") else "best"
    return ready(golden.load(checkpoint)[0], recipe, dtype), recipe


def assert_gradient_norms(model: I3Retriever, expected: dict[str, Any], rel: float) -> None:
    suffix = "_float64" if model.dtype == torch.float64 else ""
    gradients = original_gradients(model)
    assert gradients.keys() == expected.keys()
    for name, values in expected.items():
        norm = values[f"norm{suffix}"]
        if norm >= TINY:
            assert gradients[name].norm().item() == pytest.approx(norm, rel=rel), name
        elif values["all_zero"]:
            assert not gradients[name].any(), name
        else:
            assert gradients[name].norm().item() < 10 * TINY, name


def test_training_vectors(golden: Golden) -> None:
    model, _ = variant(golden, "in_device", ())
    queries, passages, _ = TrainingModule(model)(golden_batch(golden, "train0").inputs)
    expected = golden.arrays("training/train_reps.npz")
    torch.testing.assert_close(queries, expected["q_reps"], atol=1e-5, rtol=0)
    torch.testing.assert_close(passages, expected["p_reps"], atol=1e-5, rtol=0)
    scores = torch.tensor(golden.json(LOSSES)["ret_loss_false_returns_scores"])
    torch.testing.assert_close(queries @ passages.T, scores, atol=1e-4, rtol=1e-5)


@CHUNKS
@RELATIVE
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", list(VARIANTS))
def test_losses(
    golden: Golden,
    name: str,
    number: int,
    dtype: torch.dtype,
    suffix: str,
    rel: float,
    chunks: tuple[str, ...],
) -> None:
    expected = golden.json(LOSSES)[name][f"batch{number}"]
    model, recipe = variant(golden, name, chunks, dtype)
    batch = golden_batch(golden, f"train{number}", model.has_reconstructor)
    losses = run_pass(model, batch, recipe)
    weight = recipe.loss.reconstruction_weight(1) if model.has_reconstructor else 0.0
    ce, mlm = expected[f"ce{suffix}"], expected[f"mlm{suffix}"]
    assert losses["contrastive"].item() == pytest.approx(ce, rel=rel)
    assert losses["loss"].item() == pytest.approx(ce + weight * mlm, rel=rel)
    assert ("reconstruction" in losses) is not expected["mlm_is_python_float"]
    if model.has_reconstructor:
        assert losses["reconstruction"].item() == pytest.approx(mlm, rel=rel)


@CHUNKS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(GRADIENTS))
def test_gradient_norms(
    golden: Golden, name: str, dtype: torch.dtype, chunks: tuple[str, ...]
) -> None:
    model, recipe = variant(golden, name, chunks, dtype)
    reference = golden.json(LOSSES)
    assert recipe.loss.reconstruction_weight(1) == reference["weight_of_mlm_in_the_backward"]
    run_pass(model, golden_batch(golden, "train0", model.has_reconstructor), recipe)
    rel = 1e-4 if dtype == torch.float32 else 1e-6
    assert_gradient_norms(model, reference[GRADIENTS[name]], rel)


@CHUNKS
def test_whole_gradients(golden: Golden, chunks: tuple[str, ...]) -> None:
    model, recipe = variant(golden, "in_device", chunks)
    run_pass(model, golden_batch(golden, "train0"), recipe)
    gradients = original_gradients(model)
    for name, expected in golden.arrays("training/gradients_small.npz").items():
        if expected.norm() >= TINY:
            assert relative(gradients[name], expected) < 1e-4, name


@CHUNKS
def test_attention_to_one_vector_has_no_gradient(golden: Golden, chunks: tuple[str, ...]) -> None:
    model, recipe = variant(golden, "in_device", chunks)
    run_pass(model, golden_batch(golden, "train0"), recipe)
    unseen = [
        parameter
        for name, parameter in model.reconstructor.named_parameters()
        if ".passage_attention.query." in name or ".passage_attention.key." in name
    ]
    assert len(unseen) == 4 * golden.args.n_head_layers
    for parameter in unseen:
        assert parameter.grad is not None  # zero, not absent: LAMB's weight decay acts on it
        assert parameter.grad.abs().max() == 0


@pytest.mark.slow
@CHUNKS
@RELATIVE
def test_distillation_losses(
    golden: Golden, dtype: torch.dtype, suffix: str, rel: float, chunks: tuple[str, ...]
) -> None:
    runs = golden.json("training/distill.json")["runs"]
    for run in runs:
        temperature = f"--loss.temperature={run['Temperature']}"
        # `negatives_x_device` has no effect on distillation, whose negatives are each query's own.
        recipe = original_recipe(temperature, *chunks, recipe=DISTILL_RECIPE)
        model = ready(golden.load("retriever")[0], recipe, dtype)
        losses = run_pass(model, golden_batch(golden, "kd0"), recipe)
        assert str(losses["distillation"].dtype) == run["s2t_dtype"]
        expected = {"distillation": "s2t_loss", "reconstruction": "mlm_loss", "loss": "total_loss"}
        for ours, original in expected.items():
            if f"{original}{suffix}" in run:
                assert losses[ours].item() == pytest.approx(run[f"{original}{suffix}"], rel=rel)
        if "total_loss_dtype" in run:
            assert str(losses["loss"].dtype) == run["total_loss_dtype"]
    assert len({run["Temperature"] for run in runs}) > 1


@CHUNKS
@RELATIVE
@pytest.mark.parametrize("shared", ["batch", "devices"])
def test_contrastive_loss_of_the_distiller(
    golden: Golden,
    shared: str,
    dtype: torch.dtype,
    suffix: str,
    rel: float,
    chunks: tuple[str, ...],
) -> None:
    """It is computed (with weight 0); the temperature is distillation's alone there."""
    recipe = original_recipe(
        "--loss.contrastive=1", f"--negatives.shared={shared}", *chunks, recipe=DISTILL_RECIPE
    )
    model = ready(golden.load("retriever")[0], recipe, dtype)
    loss = run_pass(model, golden_batch(golden, "kd0"), recipe)["contrastive"].item()
    for run in golden.json("training/distill.json")["runs"]:
        if run["negatives_in_device"]:
            assert loss == pytest.approx(run[f"retriever_ce_loss{suffix}"], rel=rel)


@CHUNKS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distillation_gradients(
    golden: Golden, dtype: torch.dtype, chunks: tuple[str, ...]
) -> None:
    (run,) = (run for run in golden.json("training/distill.json")["runs"] if "gradients" in run)
    recipe = original_recipe(
        f"--loss.temperature={run['Temperature']}", *chunks, recipe=DISTILL_RECIPE
    )
    model = ready(golden.load("retriever")[0], recipe, dtype)
    run_pass(model, golden_batch(golden, "kd0"), recipe)
    assert_gradient_norms(model, run["gradients"], 1e-4 if dtype == torch.float32 else 1e-6)


def test_kl_divergence_alone(golden: Golden) -> None:
    given = golden.json("training/distill.json")["DistillKL"]
    student = torch.tensor(given["student_float32"])
    teacher = torch.tensor(given["teacher_float64"], dtype=torch.float64)
    for temperature, expected in given["loss"].items():
        ours = kl_divergence(student, teacher, float(temperature))
        assert ours.dtype == torch.float64
        assert ours.item() == pytest.approx(expected, rel=1e-5)
        single = kl_divergence(student, teacher.float(), float(temperature))
        rounded = given["loss_teacher_as_float32"][temperature]
        assert single.item() == pytest.approx(rounded, rel=1e-5)


@pytest.fixture(scope="module")
def hidden_768(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint of hidden size 768 with weights from their recipe, and its backbone."""
    recipe = golden.json("training/recipe768.json")
    backbone = tmp_path_factory.mktemp("backbone768")
    for file in ("vocab.txt", "tokenizer_config.json"):
        shutil.copyfile(Path(golden.backbone) / file, backbone / file)
    (backbone / "config.json").write_text(json.dumps(recipe["config"]), encoding="utf-8")
    random = np.random.RandomState(recipe["seed"])
    tensors = {}
    for entry in recipe["parameters"]:
        noise = random.standard_normal(entry["shape"])
        value = (entry["offset"] + entry["scale"] * noise).astype(np.float32)
        assert value.sum(dtype=np.float64) == pytest.approx(entry["check_sum_float64"], rel=1e-9)
        assert value.ravel()[: len(entry["check_first"])].tolist() == entry["check_first"]
        tensors[entry["name"]] = torch.from_numpy(value)
    tensors[HEAD_BIAS] = tensors[HEAD_BIAS_AGAIN]
    torch.save(tensors, backbone / "model.p")
    return backbone / "model.p", backbone


@pytest.mark.slow
@RELATIVE
def test_hidden_size_768(
    golden: Golden, hidden_768: tuple[Path, Path], dtype: torch.dtype, suffix: str, rel: float
) -> None:
    expected = golden.json("training/recipe768.json")
    double = bool(suffix)
    settings = replace(golden.settings, normalize=expected["l2_normalize"])
    model, _ = from_original(hidden_768[0], str(hidden_768[1]), settings)
    assert model.config.num_head_layers == expected["n_head_layers"]
    assert model.config.hidden_size == 768
    ready(model, original_recipe(), dtype)
    batch = golden_batch(golden, "train0")
    for run in expected["dual_encoder"]:
        if run["float64"] is double:
            shared = "batch" if run["negatives_in_device"] else "group"
            recipe = original_recipe(f"--negatives.shared={shared}")
            losses = run_pass(model, batch, recipe)
            assert losses["contrastive"].item() == pytest.approx(run["ce"], rel=rel)
            assert losses["reconstruction"].item() == pytest.approx(run["mlm"], rel=rel)
        if "p_reps_first4_columns" in run and run["float64"] is double:
            with torch.no_grad():
                vectors = TrainingModule(model)(batch.inputs)[1]
            columns = torch.tensor(run["p_reps_first4_columns"], dtype=dtype)
            torch.testing.assert_close(vectors[:, :4], columns, atol=1e-5, rtol=0)
    for run in expected["distiller"]:
        if run["float64"] is double:
            recipe = original_recipe(
                f"--loss.temperature={run['Temperature']}", recipe=DISTILL_RECIPE
            )
            losses = run_pass(model, golden_batch(golden, "kd0"), recipe)
            assert losses["distillation"].item() == pytest.approx(run["s2t_loss"], rel=rel)
            assert losses["reconstruction"].item() == pytest.approx(run["mlm_loss"], rel=rel)

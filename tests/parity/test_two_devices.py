"""Two gloo processes, rank r on training batch r.

With `gradient: own_slice`, the original's losses and averaged gradients; with `gradient: all`, the
gradient of one process that has both batches at once.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from i3_pyserini.train.gradcache import TrainingModule
from i3_pyserini.train.samples import Batch, Inputs

from .conftest import Golden
from .training import (
    IN_CHUNKS,
    TINY,
    golden_batch,
    original_gradients,
    original_recipe,
    ready,
    relative,
    run_pass,
)

pytestmark = pytest.mark.slow

WORLD = 2
CASES = {
    "own_slice": (),
    "own_slice in chunks": IN_CHUNKS,
    "all": ("--negatives.gradient=all",),
    "all in chunks": ("--negatives.gradient=all", *IN_CHUNKS),
}
Results = dict[str, list[dict[str, Any]]]


def device(rank: int, golden: Golden, folder: Path) -> None:
    """One of the processes: runs every case, and writes its losses and gradients."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD)
    for case, overrides in CASES.items():
        recipe = original_recipe(*overrides)
        # With rounding out of the way, "all" is compared more strictly.
        dtype = torch.float64 if case.startswith("all") else torch.float32
        model = ready(golden.load("best")[0], recipe, dtype)
        module = DistributedDataParallel(TrainingModule(model, recipe.training.length_buckets))
        batch = golden_batch(golden, f"train{rank}")
        losses = run_pass(module, batch, recipe, no_sync=module.no_sync)
        result = {"losses": losses, "gradients": original_gradients(model)}
        torch.save(result, folder / f"{case} {rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What each rank wrote, by case."""
    folder = tmp_path_factory.mktemp("two_devices")
    spawn(device, args=(golden, folder), nprocs=WORLD)
    return {
        case: [torch.load(folder / f"{case} {rank}.pt") for rank in range(WORLD)] for case in CASES
    }


@pytest.mark.parametrize("case", list(CASES))
def test_losses(golden: Golden, results: Results, case: str) -> None:
    expected = golden.json("training/two_process_gloo.json")
    assert expected["world"] == WORLD
    losses = [result["losses"] for result in results[case]]
    reconstruction = [one["reconstruction"].item() for one in losses]
    assert reconstruction == pytest.approx(expected["mlm_by_rank"], rel=1e-5)
    contrastive = [one["contrastive"].item() for one in losses]
    mean = expected["ce_single_process_over_all"]
    assert sum(contrastive) / WORLD == pytest.approx(mean, rel=1e-5)
    if case.startswith("own_slice"):
        assert contrastive == pytest.approx(expected["ce_by_rank"], rel=1e-5)


@pytest.mark.parametrize("case", ["own_slice", "own_slice in chunks"])
def test_the_original_s_gradients(golden: Golden, results: Results, case: str) -> None:
    norms = golden.json("training/two_process_gloo.json")["gradient_norms_after_ddp_averaging"]
    arrays = golden.arrays("training/two_process_gloo_gradients_small.npz")
    assert arrays.keys() <= norms.keys()
    for result in results[case]:
        gradients = result["gradients"]
        assert gradients.keys() == norms.keys()
        for name, norm in norms.items():
            if norm < TINY:
                assert gradients[name].norm().item() < 10 * TINY, name
                continue
            assert gradients[name].norm().item() == pytest.approx(norm, rel=1e-4), name
            if name in arrays:
                assert relative(gradients[name], arrays[name]) < 1e-4, name


@pytest.mark.parametrize("case", ["all", "all in chunks"])
def test_the_gradient_of_the_whole_batch(
    whole_gradients: dict[str, Tensor], results: Results, case: str
) -> None:
    for result in results[case]:
        gradients = result["gradients"]
        assert gradients.keys() == whole_gradients.keys()
        for name, expected in whole_gradients.items():
            if expected.norm() >= TINY:
                assert relative(gradients[name], expected) < 1e-5, name


def test_own_slices_give_another_gradient(
    whole_gradients: dict[str, Tensor], results: Results
) -> None:
    name = "lm_q.embeddings.LayerNorm.weight"  # reached by the contrastive loss alone
    gradient = results["own_slice"][0]["gradients"][name]
    assert relative(gradient * WORLD, whole_gradients[name]) < 1e-4


@pytest.fixture(scope="module")
def whole_gradients(golden: Golden) -> dict[str, Tensor]:
    """One process: the contrastive loss of both batches at once, reconstruction's of each."""
    recipe = original_recipe()
    model = ready(golden.load("best")[0], recipe, torch.float64)
    batches = [golden_batch(golden, f"train{rank}") for rank in range(WORLD)]
    run_pass(model, joined(batches), original_recipe("--loss.reconstruction=0"))
    for batch in batches:
        run_pass(model, batch, original_recipe("--loss.contrastive=0"), scale=1 / WORLD)
    return original_gradients(model)


def joined(batches: list[Batch]) -> Batch:
    inputs = {
        name: together([getattr(batch.inputs, name) for batch in batches])
        for name in vars(batches[0].inputs)
    }
    keys = torch.arange(len(inputs["passage_ids"]))
    positives = keys.view(len(inputs["query_ids"]), -1)[:, :1]
    return Batch(Inputs(**inputs), None, keys, positives)


def together(parts: list[Tensor]) -> Tensor:
    """Rows of all parts, filled up with [PAD] (0) to the widest."""
    width = max(part.size(1) for part in parts)
    return torch.cat([nn.functional.pad(part, (0, width - part.size(1))) for part in parts])

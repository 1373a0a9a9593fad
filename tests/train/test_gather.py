"""Two devices against one with a batch twice as large."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import start_processes

from i3_pyserini.train.batch_negatives import gather_keys
from i3_pyserini.train.gather import gather, world
from i3_pyserini.train.losses import contrastive_loss, distilled_infonce, reverse_loss
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Guidance, Inputs, Keys

WORLD, QUERIES, GROUP, SIZE = 2, 6, 2, 4
PASSAGE_KEYS = torch.tensor([0, 1, 2, 3, 0, 4, 5, 2, 6, 7, 8, 1])  # some occur on both devices
POSITIVE_KEYS = torch.tensor([[0, 5], [2, 2], [0, 0], [5, 5], [6, 6], [8, 0]])


def data() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    sizes = ((SIZE, SIZE), (QUERIES, SIZE), (QUERIES * GROUP, SIZE))
    weights, queries, passages = (torch.randn(size, generator=generator) for size in sizes)
    return weights.requires_grad_(), queries, passages


LOSSES: dict[str, Callable[[Tensor, Tensor, Batch], Tensor]] = {
    "all": lambda q, p, batch: contrastive_loss(q, p, batch, NegativesRecipe(), 0.7),
    "own_slice": lambda q, p, batch: contrastive_loss(
        q, p, batch, NegativesRecipe(gradient="own_slice"), 0.7
    ),
    "reverse": lambda q, p, batch: reverse_loss(q, p, batch, NegativesRecipe(), 0.7),
    "infonce": lambda q, p, batch: distilled_infonce(q, p, batch, NegativesRecipe(), 0.7),
}
LOSSES |= {f"guided {name}": LOSSES[name] for name in ("all", "reverse", "infonce")}


def loss_and_gradient(name: str, rank: int, devices: int) -> tuple[float, Tensor]:
    """One device's loss, and its gradient for weights behind all vectors."""
    weights, queries, passages = data()
    own = slice(rank * QUERIES // devices, (rank + 1) * QUERIES // devices)
    rows = slice(own.start * GROUP, own.stop * GROUP)
    ids = torch.zeros(0, 0, dtype=torch.long)
    positive_keys = POSITIVE_KEYS[own]
    if devices > 1 and rank == 0:  # devices may know different numbers of positives
        positive_keys = torch.cat([positive_keys, positive_keys[:, :1]], dim=1)
    batch = Batch(
        Inputs(ids, ids, ids, ids, None),
        torch.arange(QUERIES * GROUP, dtype=torch.float64).sin().view(QUERIES, GROUP)[own],
        PASSAGE_KEYS[rows],
        positive_keys,
        Keys(PASSAGE_KEYS[rows] % 7, positive_keys % 7),  # 7 and 8 are twins of 0 and 1
        guidance=Guidance(queries[own], passages[rows]) if "guided" in name else None,
    )
    loss = LOSSES[name](queries[own] @ weights, passages[rows] @ weights, batch)
    loss.backward()
    assert weights.grad is not None
    return loss.item(), weights.grad


def device(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=30),
    )
    found: dict[str, Any] = {"world": world()}
    for name in LOSSES:
        found[name] = loss_and_gradient(name, rank, WORLD)
    own = torch.full((2, 3), float(rank), requires_grad=True)
    found["gathered"] = gather(own).detach()
    found["keys"] = gather_keys(torch.tensor([[rank, 7]] if rank else [[rank]]))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("devices")
    torch.set_num_threads(1)  # threads do not survive a fork
    start_processes(device, args=(str(folder),), nprocs=WORLD, start_method="fork")
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "own_slice"])
def test_gradients_through_all_devices_are_those_of_one_large_batch(
    devices: list[dict[str, Any]], name: str
) -> None:
    loss, gradient = loss_and_gradient(name, 0, 1)
    losses, gradients = zip(*(found[name] for found in devices), strict=True)
    assert sum(losses) / WORLD == pytest.approx(loss, rel=1e-6)
    assert losses[0] != losses[1]
    mean = torch.stack(gradients).mean(dim=0)  # as DDP averages them
    torch.testing.assert_close(mean, gradient, rtol=1e-5, atol=1e-6)
    if "guided" in name:  # the guide finds something
        assert loss != loss_and_gradient(name.removeprefix("guided "), 0, 1)[0]


def test_own_slice_divides_the_gradient_by_the_devices(devices: list[dict[str, Any]]) -> None:
    loss, gradient = loss_and_gradient("own_slice", 0, 1)
    assert loss == loss_and_gradient("all", 0, 1)[0]
    losses, gradients = zip(*(found["own_slice"] for found in devices), strict=True)
    assert losses == pytest.approx((loss, loss), rel=1e-6)  # every device has all queries
    mean = torch.stack(gradients).mean(dim=0)
    torch.testing.assert_close(mean, gradient / WORLD, rtol=1e-5, atol=1e-6)


def test_rows_come_in_the_order_of_the_devices(devices: list[dict[str, Any]]) -> None:
    assert [found["world"] for found in devices] == [(0, 2), (1, 2)]
    expected = torch.tensor([0.0, 0.0, 1.0, 1.0]).unsqueeze(1).expand(4, 3)
    assert all(torch.equal(found["gathered"], expected) for found in devices)
    assert all(found["keys"].tolist() == [[0, 0], [1, 7]] for found in devices)


def test_one_device_gathers_nothing() -> None:
    vectors = torch.ones(2, 3, requires_grad=True)
    assert gather(vectors) is vectors
    assert gather(vectors, own_slice=True) is vectors
    assert gather_keys(PASSAGE_KEYS) is PASSAGE_KEYS
    assert world() == (0, 1)

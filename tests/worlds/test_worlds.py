"""Fifty worlds, the same ones always; the first are quick tests. Thousands: `make soak`."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.worlds.routes import Route, check_world
from tests.worlds.slow_routes import milvus, openvino, stock, two_devices
from tests.worlds.soak import replay
from tests.worlds.world import random_world

QUICK = 6


@pytest.mark.parametrize(
    "seed",
    [*range(QUICK), *(pytest.param(n, marks=pytest.mark.slow) for n in range(QUICK, 50))],
)
def test_routes_agree(seed: int, tmp_path: Path) -> None:
    try:
        check_world(random_world(seed), tmp_path)
    except Exception as error:
        error.add_note(f"again: {replay(seed, error)}")
        raise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("route", "seed", "needed"),
    [
        (two_devices, 53, "torch"),
        (openvino, 51, "openvino"),
        (milvus, 52, "milvus_lite"),
        (stock, 52, "pyserini"),  # the model's own query encoder
        (stock, 50, "pyserini"),  # queries that are encoded before
    ],
)
def test_slow_routes_agree(route: Route, seed: int, needed: str, tmp_path: Path) -> None:
    if find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    check_world(random_world(seed), tmp_path, [route])

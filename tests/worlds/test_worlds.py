"""Fifty worlds, the same ones always. Thousands: `make soak WORLDS=2000`."""

from pathlib import Path

import pytest

from tests.worlds.routes import check_world
from tests.worlds.soak import replay
from tests.worlds.world import random_world


@pytest.mark.parametrize("seed", range(50))
def test_routes_agree(seed: int, tmp_path: Path) -> None:
    try:
        check_world(random_world(seed), tmp_path)
    except Exception as error:
        error.add_note(f"again, through all routes: {replay(seed)}")
        raise

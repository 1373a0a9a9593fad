"""Fixtures of training: a tiny task with its recipe, and no state left from the run before."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from i3_pyserini.train.recipe import Recipe
from tests.train.task import small_recipe, write_recipe, write_task

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(autouse=True)
def _one_thread_and_no_accelerator() -> Iterator[None]:
    """Models this small are slower on more threads, the more so the busier the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.set_num_threads(threads)


@pytest.fixture
def task(tmp_path: Path, tiny_bert: str) -> Path:
    """A folder with the task's files and `recipe.yaml`."""
    write_task(tmp_path)
    write_recipe(tmp_path, tiny_bert)
    return tmp_path


@pytest.fixture
def make_recipe(task: Path) -> MakeRecipe:
    """Reads the task's recipe, with overrides such as `training.epochs=2`."""
    return lambda *overrides: small_recipe(task, *overrides)

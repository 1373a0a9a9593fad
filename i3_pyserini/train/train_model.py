"""Trains a model with a recipe."""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from os import fspath
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import NameOrPath, TrainedModel

NEEDED = ("accelerate", "pydantic", "pytorch_optimizer", "tensorboard", "yaml")


def train_model(
    recipe: NameOrPath,
    *,
    show: bool = False,
    overrides: Sequence[str] | Mapping[str, Any] = (),
) -> TrainedModel | str:
    """Trains a model with a recipe; the same command resumes an interrupted run.

    Every key of the recipe is also an option: --training.batch_size 32 --output=runs/mine. For
    multiple devices: torchrun --nproc-per-node 8 -m i3_pyserini train RECIPE.yaml.

    Args:
        recipe: a YAML file, or the name of an included recipe, such as "msmarco-contrastive".
        show: print the recipe with all defaults, without training.
        overrides: values that override the recipe, as "section.key=value"; in Python also a
            mapping, such as {"training.batch_size": 32}, also of what other functions returned.

    Returns:
        The path of the model directory. With `show`, the recipe.

    Raises:
        I3Error: the recipe is invalid, or its files, model or output cannot be used.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise I3Error(f"training needs {', '.join(missing)}: pip install 'i3-pyserini[train]'")
    from i3_pyserini.train.recipe_file import load_recipe

    if isinstance(overrides, Mapping):
        overrides = [
            f"{key}={fspath(value) if isinstance(value, os.PathLike) else value}"
            for key, value in overrides.items()
        ]
    read = load_recipe(fspath(recipe), [f"--{one}" for one in overrides])
    if show:
        return read.as_yaml().rstrip("\n")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # batches are made by forked workers
    from i3_pyserini.train.trainer import train

    return train(read)

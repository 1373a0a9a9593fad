"""`python -m i3_pyserini.train`: trains a model as a recipe says."""

import argparse
import os
import sys
from collections.abc import Sequence, Set
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command

NEEDED = ("accelerate", "pydantic", "pytorch_optimizer", "tensorboard", "yaml")


def main() -> None:
    """Parses the command line, checks the recipe, trains."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.train",
        description="Train a model as a recipe says; the same command resumes an interrupted run.",
        usage="%(prog)s [-h] [--show] RECIPE.yaml [--section.key VALUE …]",
        epilog="Any key of the recipe can be set: --training.batch_size 32 --output=runs/mine. "
        "Several devices: torchrun --nproc-per-node 8 -m i3_pyserini.train RECIPE.yaml",
        allow_abbrev=False,
    )
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="see recipes/")
    parser.add_argument(
        "--show", action="store_true", help="print the recipe with all defaults, and stop"
    )
    words, overrides = split_overrides(sys.argv[1:], {"--help", "--show"})
    args = parser.parse_args(words)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise I3Error(f"training needs {', '.join(missing)}: pip install 'i3-pyserini[train]'")
    from i3_pyserini.train.recipe_file import load_recipe

    recipe = load_recipe(args.recipe, overrides)
    if args.show:
        print(recipe.as_yaml(), end="")
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # batches are made by forked workers
    from i3_pyserini.train.trainer import train

    train(recipe)


def split_overrides(arguments: Sequence[str], own: Set[str]) -> tuple[list[str], list[str]]:
    """Takes overrides out of a command's arguments.

    Args:
        arguments: among them `--section.key=value` or `--section.key value`.
        own: the command's own flags, none of which takes a value.

    Returns:
        The other arguments, and the overrides as `--section.key=value`.

    Raises:
        I3Error: an override has no value.
    """
    others, overrides = [], []
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("--") or word in own:
            others.append(word)
        elif "=" in word:
            overrides.append(word)
        else:
            value = next(rest, None)
            if value is None or value.startswith("--"):
                raise I3Error(f"{word}: expected a value, as in {word}=VALUE")
            overrides.append(f"{word}={value}")
    return others, overrides


if __name__ == "__main__":
    run_command(main)

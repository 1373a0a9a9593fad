"""Reads, changes, compares and writes recipes as YAML files."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from i3_pyserini.errors import I3Error
from i3_pyserini.formats import records
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.yaml_files import parse_yaml, read_yaml
from i3_pyserini.shipped import find_shipped
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_inputs import ModelRecipe
from i3_pyserini.train.unused import settled

# Settings of speed, memory and reporting: a run may be resumed with other values.
MAY_CHANGE = frozenset(
    {
        "output",
        "data.cache",
        "training.workers",
        "training.checkpoint_steps",
        "training.logging_steps",
        "training.chunk_passages",
        "training.length_buckets",
        "training.cache_vectors",
        "training.gradient_checkpointing",
        "validation.batch_size",
    }
)


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe.

    A note names settings of the file that an override disables; see `unused.settled`.

    Args:
        path: a YAML file, or the name of an included recipe. Paths in it are relative to the
            working directory.
        overrides: `--section.key=value`, which override the file. Values are YAML, except that
            paths and names are taken literally.

    Raises:
        I3Error: it cannot be read, a key or value is unknown, or a setting has no effect.
    """
    path = find_shipped("recipe", path)
    fields = read_yaml(path)
    if not isinstance(fields, dict):
        raise I3Error(f"{path}: expected keys and values, as in `train small-contrastive --show`")
    overridden = frozenset(_override(fields, override) for override in overrides)
    try:
        return settled(Recipe.model_validate(fields), overridden)
    except ValidationError as error:
        raise I3Error(f"{path}: {_first_problem(error)}") from error
    except I3Error as error:
        raise I3Error(f"{path}: {error}") from error


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The differences of two recipes, as `key: before -> after`; see `MAY_CHANGE`."""
    found = records.differences(before, after)
    return [one for one in found if one.partition(":")[0] not in MAY_CHANGE]


def _override(fields: dict[str, Any], override: str) -> str:
    """Sets a key, and returns its dotted name."""
    name, equals, value = override.partition("=")
    if not name.startswith("--") or not equals:
        raise I3Error(f"{override!r}: expected --section.key=value")
    *sections, key = name.removeprefix("--").split(".")
    for section in sections:
        inner = fields.setdefault(section, {})
        if inner is None:
            inner = fields[section] = {}
        if not isinstance(inner, dict):
            raise I3Error(f"{name}: {section} is not a section of the recipe")
        fields = inner
    fields[key] = _override_value(name, value)
    return name.removeprefix("--")


def _override_value(name: str, text: str) -> Any:
    kinds = _kinds(name.removeprefix("--").split("."))
    try:
        value = parse_yaml(text, name)
    except I3Error as error:
        if not kinds & {str, Path}:
            raise I3Error(f"{f'{name}={text}'!r}: the value is not valid YAML") from error
        return text
    if value is None and NoneType in kinds:
        return None
    if kinds <= {str, Path, NoneType} or (str in kinds and isinstance(value, dict | list)):
        return text  # a path or a name may contain any characters
    return value


def _kinds(keys: Sequence[str]) -> frozenset[type]:
    """The types that a key may have; a setting of the model may have any but a structure."""
    if keys[0] == "model" and len(keys) > 1 and keys[1] not in ModelRecipe.model_fields:
        return frozenset({str, int, float, bool, NoneType})
    section: type[BaseModel] | None = Recipe
    kinds: frozenset[type] = frozenset()
    for key in keys:
        field = section.model_fields.get(key) if section else None
        if field is None:
            return frozenset({object})  # not known: pydantic says so
        members = get_args(field.annotation) or (field.annotation,)
        kinds = frozenset(one if isinstance(one, type) else object for one in members)
        section = next((one for one in kinds if issubclass(one, BaseModel)), None)
    return kinds


def _first_problem(error: ValidationError) -> str:
    """One line for the first of pydantic's errors, with the nearest known key."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        known = sorted(_known_keys(Recipe))
        close = difflib.get_close_matches(key, known, n=1) or [
            name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]
        ]
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"unknown key {key!r}{hint}"
    # Which member of a union was tried, such as "constrained-float", is pydantic's affair.
    key = ".".join(str(part) for part in problem["loc"] if str(part).isidentifier())
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{message}"
    return f"{key} is {problem['input']!r}: {message[0].lower()}{message[1:]}"


def _known_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _known_keys(part, f"{prefix}{name}.")


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe; the file appears only when it is complete."""
    with new_file(path, overwrite=True) as file:
        file.write(recipe.as_yaml())

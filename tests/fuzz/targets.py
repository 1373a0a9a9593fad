"""What is fuzzed, by family; a family is a module with `TARGETS`, imported when it is needed."""

import importlib

from tests.fuzz.target import Target

FAMILIES = (
    *("passages", "columns", "lists", "vectors", "settings", "models", "declared", "archives"),
    "requests",
)


def targets_of(family: str) -> dict[str, Target]:
    """The targets of a family by name."""
    found: list[Target] = importlib.import_module(f"tests.fuzz.{family}").TARGETS
    return {one.name: one for one in found}


def all_targets() -> dict[str, Target]:
    """All targets by name."""
    found = [one for family in FAMILIES for one in targets_of(family).values()]
    by_name = {one.name: one for one in found}
    assert len(by_name) == len(found), "two targets of one name"
    return by_name

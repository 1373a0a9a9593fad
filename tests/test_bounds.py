"""The lower bounds of pyproject.toml are the versions that `make test-lowest` runs with."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
EXTRAS = ("demo", "datasets", "train", "score", "engine", "serve", "report", "test")
APART = {"torch"}  # its bound is Pyserini's; what is tested is 2.13
CAPPED = {"openai", "pyserini"}  # each with its reason in pyproject.toml


def requirements() -> Iterator[Requirement]:
    """Those of Python 3.11, with the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    for line in [*project["dependencies"], *(line for name in EXTRAS for line in optional[name])]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.11"}):
            yield requirement


def lowest() -> dict[str, Version]:
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version.split(" ")[0]) for name, version in pinned}


@pytest.mark.parametrize("requirement", list(requirements()), ids=lambda one: one.name)
def test_bounds_are_tested_versions(requirement: Requirement) -> None:
    """`make lowest` writes the file again; a bound below its version is not true."""
    bounds = [part.version for part in requirement.specifier if part.operator == ">="]
    assert len(bounds) == 1
    if requirement.name not in APART:
        assert Version(bounds[0]) == lowest()[canonicalize_name(requirement.name)]


def test_only_what_breaks_is_capped() -> None:
    capped = {
        one.name for one in requirements() if {part.operator for part in one.specifier} != {">="}
    }
    assert capped <= CAPPED

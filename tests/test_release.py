"""What would be published has everything, the same bytes each time, and one version."""

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import i3_pyserini
from tests.release import ROOT, built, check

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def files_of(folder: str) -> set[str]:
    """The files of a folder, without what Python makes when it runs them."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if path.suffix != ".pyc"}


def test_one_version() -> None:
    assert "version" not in PROJECT["project"]  # the package says it
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == i3_pyserini.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## Unreleased" in changes or f"## {i3_pyserini.__version__}" in changes


@pytest.mark.slow
def test_what_would_be_published(tmp_path: Path) -> None:
    wheel, source = files = built(tmp_path)
    check(files)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == files_of("i3_pyserini")
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    needed = files_of("i3_pyserini") | files_of("tests") | {"README.md", "LICENSE", "Makefile"}
    assert needed <= inside

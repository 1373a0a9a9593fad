from pathlib import Path

import pytest

from i3_pyserini.experiments.demo.collection import Docstring, collect_docstrings

LONG = "This sentence is here to make the description as long as it has to be. " * 2
MODULE = f'''"""A module that is documented well enough.

{LONG}"""

def plain():
    """Do one of the things that are done.

    {LONG}first.
    """
    def inner():
        """Not reached because it is local.

        {LONG}local.
        """

class Thing:
    def method(self):
        """Do another of those same things.

        {LONG}second.
        """

    def _private(self):
        """Do what nobody should know about.

        {LONG}third.
        """

def repeated():
    """Do one of the things that are done.

    {LONG}fourth.
    """

def short():
    """Too short."""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "sample_package"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('parsed, not run')", encoding="utf-8")
    (folder / "_inner.py").write_text(MODULE, encoding="utf-8")
    (folder / "broken.py").write_text("def (:", encoding="utf-8")
    (folder / "tests" / "test_it.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder.name


def test_collects_public_documented_names_once(package: str) -> None:
    collection = collect_docstrings([package, "not_installed"])
    names = ["sample_package", "sample_package.plain", "sample_package.Thing.method"]
    assert [entry.name for entry in collection] == names
    assert collection[1] == Docstring(
        "sample_package.plain", "Do one of the things that are done.", f"{LONG}first.".strip()
    )


@pytest.mark.slow
def test_the_standard_library_is_a_collection() -> None:
    collection = collect_docstrings(["stdlib"])
    assert collection == collect_docstrings(["stdlib"])
    assert len(collection) > 500
    assert len({entry.name for entry in collection}) == len(collection)
    assert len({entry.summary.lower() for entry in collection}) == len(collection)

from pathlib import Path

import pytest

from i3_pyserini.formats import exchange as module
from i3_pyserini.formats.exchange import replace_folder
from i3_pyserini.system import exchange


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("new", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    return tmp_path / "new", tmp_path / "target"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_names_are_exchanged_in_one_step(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    new, target = folders
    if not exchange(new, target):
        pytest.skip("this file system cannot exchange names")
    assert (names(new), names(target)) == (["target"], ["new"])
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("two steps"))
    replace_folder(new, target, target.with_name("spare"))
    assert names(target) == ["target"] and names(target.parent) == ["target"]


def test_what_cannot_be_exchanged_changes_nothing(folders: tuple[Path, Path]) -> None:
    new, target = folders
    assert not exchange(new, target.with_name("none"))
    assert (names(new), names(target)) == (["new"], ["target"])


def test_two_steps_where_one_is_not_to_be_had(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    new, target = folders
    monkeypatch.setattr(module, "exchange", lambda *_: False)
    spare = target.with_name("spare")
    replace_folder(new, target, spare)
    assert (names(target), names(spare)) == (["new"], ["target"])
    with pytest.raises(FileNotFoundError):
        replace_folder(new, target, target.with_name("spare2"))  # there is no new folder
    assert names(target) == ["new"]

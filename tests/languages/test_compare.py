"""`compare` in other languages: BM25 takes the given or the declared one."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from i3_pyserini import compare
from i3_pyserini.errors import I3Error
from i3_pyserini.experiments import comparison
from i3_pyserini.experiments.compare import _identify
from i3_pyserini.stock.java import Java
from tests.letters import write_collection
from tests.test_compare import JAVA, LUCENE, MAIN
from tests.test_comparison import SMALL, a_study

COMPARING = "i3_pyserini.experiments.comparing"


def test_bm25_has_the_language_that_is_given_or_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(f"{MAIN}._identify", lambda _, studies, __: found.extend(studies))
    monkeypatch.setattr(f"{COMPARING}.compare_systems", lambda *_: None)
    monkeypatch.setattr(f"{LUCENE}.find_java", lambda: java)
    found: list[comparison.Study] = []
    data, manifest = write_collection(tmp_path / "letters"), tmp_path / "letters" / "manifest.json"
    declared = {"dataset": "letters", "files": {}}

    def bm25(tag: str | None, given: str | None = None) -> tuple[str, str, str]:
        manifest.write_text(
            json.dumps({**declared, **({"language": tag} if tag else {})}), encoding="utf-8"
        )
        compare(data, **SMALL, backbone="b", output=tmp_path / "out", language=given)
        (command,) = found[-1].beginning().steps["bm25"].commands
        (option,) = re.findall(r"--language (\S+)", command.run) or [""]
        return found[-1].engine, found[-1].language, option

    java: tuple[Java | None, list[str]] = (JAVA, [])
    assert bm25(None) == ("lucene", "en", "")
    assert bm25("de-AT") == ("lucene", "de", "")
    assert bm25("de", "french") == ("lucene", "fr", "french")
    assert "declares de" in capsys.readouterr().err
    assert bm25("ca") == ("sqlite", "ca", "")  # Anserini has none
    assert "Catalan (ca)" in capsys.readouterr().err
    java = (None, [])
    assert bm25("de") == ("sqlite", "de", "")
    assert bm25("bn", "none") == ("sqlite", "none", "none")
    count = len(found)
    for given in (None, "te"):
        with pytest.raises(I3Error, match=r"(Bengali|Telugu) \(.*Java"):
            bm25("bn", given)
    assert len(found) == count and not (tmp_path / "out" / "index").exists()


def test_another_language_is_another_comparison(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    study = a_study(tmp_path)
    for language, differs in (("de", False), ("german", False), ("fr", True), (None, True)):
        options = replace(study.options, language=language)
        study = comparison.Study(study.data, study.folder, options, "lucene")
        if differs:
            with pytest.raises(I3Error, match=r"letters\.language: de -> "):
                _identify(tmp_path / "output", [study], options)
        else:
            _identify(tmp_path / "output", [study], options)

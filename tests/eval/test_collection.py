"""What is said of the collection and of judgements, and the presets themselves."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.provenance import collection_notes, collection_of_index
from i3_pyserini.eval.task import graded_note, relevance_level
from i3_pyserini.formats.datasets import PRESETS
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.topics import PYSERINI_NAMES


def index_of(folder: Path, name: str, passages: int) -> Path:
    manifest = {"corpus": {"name": name, "path": "corpus"}, "passages": passages}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_a_part_of_the_collection_is_told(tmp_path: Path) -> None:
    (told,) = collection_notes(
        ["trec-dl-2019"], [collection_of_index(index_of(tmp_path, "pool", 30_005))]
    )
    assert told.startswith("pool (30,005 passages) is a part") and "8,841,823" in told
    assert "not comparable" in told
    whole = collection_of_index(index_of(tmp_path, "msmarco-passage-titled", 8_841_823))
    assert collection_notes(["trec-dl-2019", "beir"], [whole]) == []


def test_an_unknown_collection_is_told_where_it_matters() -> None:
    (told,) = collection_notes(["msmarco-passage-dev"], [])
    assert "official and titled" in told
    assert collection_notes(["beir"], []) == []
    assert collection_notes([], []) == []


def test_an_index_that_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(I3Error, match="its collection is unknown"):
        collection_of_index(tmp_path)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    measures, note = choose_measures([name])
    assert [str(measure) for measure in measures] == list(PRESETS[name].measures)
    assert note == PRESETS[name].note
    if name.startswith("trec-dl"):
        binary = [measure for measure in measures if "rel" in measure.SUPPORTED_PARAMS]
        assert {measure["rel"] for measure in binary} == {2}
        assert relevance_level(measures) == 2
        assert PRESETS[name].dataset in PYSERINI_NAMES.values()


def test_graded_judgements_are_told() -> None:
    measures, _ = choose_measures(["nDCG@10", "RR@10", "R(rel=2)@100", "NumRet"])
    (told,) = graded_note(measures, 3)
    assert told.startswith("graded judgments, up to 3; RR@10: ")
    assert graded_note(measures[:2], 1) == []
    assert graded_note(measures[:1], 3) == []
    with pytest.raises(I3Error, match=r"R\(rel=2\)@100: the qrels have no level above 1"):
        graded_note(measures, 1)


def test_the_command_tells_both(run_module: Any, tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 a 3\n", encoding="utf-8")
    (tmp_path / "run").write_text("q Q0 a 1 1 t\n", encoding="utf-8")
    command = ("i3_pyserini.eval", tmp_path / "qrels", tmp_path / "run", "--measures")
    told = run_module(*command, "trec-dl-2020", check=True).stderr.splitlines()
    assert (
        told[0]
        == "note: graded judgments 0-3; AP, RR and R count levels of 2 and above as relevant"
    )
    assert told[1].startswith("note: the collection is unknown")
    told = run_module(*command, "P@1", check=True).stderr.splitlines()
    assert told[0].startswith("note: graded judgments, up to 3; P@1")

"""What the report of a comparison says of each system: model, training, costs and commands."""

import json
from pathlib import Path

import pytest

from i3_pyserini.experiments.compare_inputs import Options
from i3_pyserini.experiments.comparison import Study
from i3_pyserini.experiments.study_report import model_name, report_study, systems
from tests.letters import write_collection

RATES = {"dual-encoder": 1e-4, "i3-released": 1e-5}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A comparison whose trainings have a log, and nothing else."""
    backbone = tmp_path / "private" / "mini_lm" / "model"
    backbone.mkdir(parents=True)
    options = Options(
        backbone=str(backbone),
        rates=(1e-5, 1e-4),
        seeds=range(1, 3),
        steps=60,
        warm_up=0,
        validations=1,
        variants=("released",),
        negatives="mined",
        negatives_per_query=3,
        teacher=None,
        measure="RR@10",
        query_length=8,
        passage_length=12,
        batch_size=4,
        hits=20,
        split="test",
    )
    data = write_collection(tmp_path / "letters")
    study = Study(data, tmp_path / "out{put}", options, "sqlite")
    for model, rate in RATES.items():
        folder = study.trainings.folder(model, rate, 1)
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text(json.dumps({"step": 1, "seconds": 2.0}), encoding="utf-8")
    return study


def test_facts_of_each_system(study: Study, tmp_path: Path) -> None:
    found = systems(study, RATES)
    assert list(found) == list(study.runs())
    assert found["backbone"]["model"] == "mini_lm"
    assert "training" not in found["backbone"]
    trained = found["I³ released"]
    assert "mini_lm" in trained["model"] and trained["training time"] == "2.0 min"
    assert all(word in trained["training"] for word in ("60 steps", "1e-05", "2 seeds"))
    assert str(tmp_path) not in str(found) and "private" not in str(found)


def test_commands_of_each_system(study: Study) -> None:
    commands = {
        name: facts["commands"].split("\n") for name, facts in systems(study, RATES).items()
    }
    verbs = {name: [line.split()[1] for line in lines] for name, lines in commands.items()}
    assert verbs["SQLite BM25 (tuned)"] == ["bm25"]
    assert verbs["backbone"] == ["encode", "search"]
    # negatives are mined from the backbone's index
    assert verbs["I³ released"] == ["encode", "data", "train", "encode", "search"]
    assert [one[:1] for name, one in verbs.items() if "+" in name] == [["fuse"], ["fuse"]]
    train = commands["I³ released"][2].split()
    assert train[0] == "i3-pyserini"
    assert {"--model.init=mini_lm", "--data.collection=DATA/corpus"} <= {*train}
    assert "--optimizer.learning_rate=1e-05" in train
    assert any(word.startswith("--output=OUTPUT/models/i3-released") for word in train)


def test_names_of_models() -> None:
    assert model_name("sentence-transformers/all-MiniLM-L6-v2") == "all-MiniLM-L6-v2"
    assert model_name("/a/mini/model/") == "mini" and model_name("model") == "model"


@pytest.mark.slow
def test_the_page(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    for files in study.runs().values():
        for run in files:
            run.parent.mkdir(parents=True, exist_ok=True)
            run.write_text(
                "".join(f"q{n} Q0 p{n} 1 1 t\n" for n in range(0, 21, 3)), encoding="utf-8"
            )
    page = report_study(study, RATES, ["RR@10"])
    assert page == study.folder / "report.html"
    text = page.read_text(encoding="utf-8")
    title = "SQLite BM25, mini_lm, dual encoder and I³ released compared on letters"
    assert f"<title>{title}</title>" in text
    assert '<p class="finding">In RR@10 over 7 queries of letters' in text
    assert "I³ released: means of 2 runs" in text
    assert "OUTPUT/index/i3-released.seed-1" in text
    monkeypatch.setattr("i3_pyserini.experiments.study_report.find_spec", lambda _: None)
    assert report_study(study, RATES, ["RR@10"]) is None

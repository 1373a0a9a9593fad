import json
from pathlib import Path

import pytest

from i3_pyserini import doctor
from i3_pyserini.cli import run
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.stock.encoders import ALWAYS, trap_words
from tests.model.odd_tokenizers import KINDS, make_odd_model
from tests.model.st_models import st_model


@pytest.mark.parametrize(
    ("pyserini", "openai", "key", "needs_fix"),
    [
        ("1.6.0", "2.32.0", "", False),
        ("1.6.0", "2.36.0", "", True),
        ("1.6.0", "2.36.0", "key", False),
        ("2.4.0", "2.36.0", "", False),
        (None, None, "", True),
    ],
)
def test_openai(
    monkeypatch: pytest.MonkeyPatch,
    pyserini: str | None,
    openai: str | None,
    key: str,
    needs_fix: bool,
) -> None:
    versions = {"pyserini": pyserini, "openai": openai}
    monkeypatch.setattr(doctor, "_version", versions.get)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert (doctor.check_openai().fix is not None) == needs_fix


def test_paths_that_do_not_exist_are_named(tmp_path: Path) -> None:
    here, gone = doctor.check_paths([tmp_path, tmp_path / "gone"])
    assert "does not exist" in gone.state and "does not exist" not in here.state


def test_paths() -> None:
    fine, other, worse = doctor.check_paths([Path("model"), Path("balance/q"), Path("eclipse")])
    assert fine.fix is None
    assert "contains ance" in other.state
    assert other.fix is not None
    assert "--encoder-class auto" in other.fix
    assert worse.fix is not None
    assert "rename it" in worse.fix
    assert trap_words("a/MODSE", ALWAYS) == ["dse"]


def test_models_are_not_written_where_stock_pyserini_goes_astray(
    tiny_model: tuple[object, object], tmp_path: Path
) -> None:
    from i3_pyserini import I3Error, save_model_directory

    with pytest.raises(I3Error, match="another encoder class for paths with 'clip'"):
        save_model_directory(*tiny_model, tmp_path / "eclipse")  # type: ignore[arg-type]


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor", "balance"])
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[1] for line in lines if not line.startswith("   ")]
    assert subjects == ["python", "java", "pyserini", "faiss", "torch", "hub", "path"]
    run(["doctor", "balance", "--json"])
    assert [one["subject"] for one in json.loads(capsys.readouterr().out)] == subjects


@pytest.mark.parametrize("kind", ["plain", "accents", "Unigram, no class"])
def test_tokenizers_that_stock_reads_otherwise(kind: str, tmp_path: Path) -> None:
    model = Path(make_odd_model(KINDS[kind], tmp_path / "odd"))
    (found,) = doctor.check_tokenizers([model, tmp_path])
    assert KINDS[kind].changed in found.state
    assert bool(found.fix) == bool(KINDS[kind].changed)


def test_models_and_indexes_say_what_holds(
    tiny_bert: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = st_model(tiny_bert, tmp_path / "m", transformer={"max_seq_length": 64})
    (tmp_path / "c.jsonl").write_text(
        '{"id": "d", "title": "eggs", "text": "boil an egg"}\n', encoding="utf-8"
    )
    spec = EncoderSpec(model, "auto", contradicted=("--max-length: 24 declared, 9 given",))
    run_encoding(Corpus(tmp_path / "c.jsonl"), spec, IndexOutput(tmp_path / "ix"))
    capsys.readouterr()
    found = list(doctor.check_directories([Path(model), tmp_path / "ix"]))
    assert [one.subject for one in found] == ["model", "index", "index", "search"]
    assert "mean pooling, unit length, 64 ids" in found[0].state
    assert "titles: yes, 64 ids, 0% of passages are cut" in found[1].state
    assert "--max-length: 24 declared, 9 given" in found[2].state
    assert "--encoder-class auto --pooling mean --l2-norm" in found[3].state
    assert not any(one.fix for one in found)
    (plain,) = doctor.check_directories([Path(tiny_bert)])
    assert "first token, not normalized, 256 ids" in plain.state and "defaults" in plain.state
    changed = Path(st_model(tiny_bert, tmp_path / "changed"))
    (changed / "config.json").write_text(
        (changed / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8"
    )
    other = list(doctor.check_directories([changed, tmp_path / "ix"]))[1]
    assert other.fix is not None and "is not the model" in other.fix
    (tmp_path / "ix" / "manifest.json").write_text("{}", encoding="utf-8")
    (unknown,) = doctor.check_directories([tmp_path / "ix"])
    assert unknown.fix is not None
    refused = st_model(tiny_bert, tmp_path / "r", modules=("sentence_transformers.models.CNN",))
    (finding,) = doctor.check_directories([Path(refused)])
    assert finding.fix is not None and "CNN" in finding.fix

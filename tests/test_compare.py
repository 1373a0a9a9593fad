"""`compare`: from a collection with judgements to a table, resumable, with one identity."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3_pyserini import compare
from i3_pyserini.cli import run
from i3_pyserini.errors import I3Error
from i3_pyserini.experiments import runner
from i3_pyserini.experiments.compare import _identify
from i3_pyserini.experiments.compare_inputs import Options
from i3_pyserini.experiments.compared import Agreement, Comparison
from i3_pyserini.processes import Worker
from i3_pyserini.stock.java import Java
from tests.letters import write_collection
from tests.test_comparison import SMALL, a_study
from tests.worlds.commands import attempt

MAIN, LUCENE = "i3_pyserini.experiments.compare", "i3_pyserini.stock.lucene_bm25"
JAVA = Java(Path("/java"), "java on the path", 21, True)
STOCK = "pyserini.search.faiss"
DONE = subprocess.CompletedProcess[str]
SYSTEMS = ["BM25 (tuned)", "backbone", "dual encoder", "I³ released"]
SYSTEMS += ["BM25 + I³ released (rrf)", "BM25 + I³ released (tuned)"]
FILES = dict(zip(SYSTEMS, ("bm25-lucene", "backbone", "dual-encoder", "i3-released"), strict=False))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """Commands that plans ran, in this process; there seems to be Java, but SQLite has its part."""
    commands: list[list[str]] = []

    def attempted(program: str, arguments: Sequence[str]) -> None:
        done = attempt(program, *("sqlite" if w == "lucene" else w for w in arguments))
        assert not done.code, done.err

    def start(words: list[str], *_: object, **__: object) -> str:
        assert words[:4] == [sys.executable, "-m", "i3_pyserini.stock.offline", STOCK]
        commands.append(words[3:])
        attempted("i3_pyserini.search", words[4:])  # accepts its command line
        return ""

    class Here(Worker):
        def __init__(self, *_: object) -> None: ...

        def close(self) -> None: ...

        def run(self, words: Sequence[str]) -> int:
            commands.append([*words])
            attempted("i3_pyserini", words)
            return 0

    monkeypatch.setattr(runner, "run_or_fail", start)
    monkeypatch.setattr(runner, "Worker", Here)
    monkeypatch.setattr(f"{LUCENE}.find_java", lambda: (JAVA, []))
    yield commands


def timeless(result: Comparison) -> dict[str, Any]:
    """All that a result says, but how long searches took, and when and where runs were made."""
    found: dict[str, Any] = json.loads(result.to_json())
    for one in found["collections"].values():
        for system in one["systems"].values():
            system.pop("queries_per_second", None)
        for made in one["provenance"].values():
            assert made["run"].pop("date")
            del made["platform"], made["implementation"]
            for each in made.get("inputs", ()):
                del each["metadata"]
    return found


def names(commands: list[list[str]]) -> list[str]:
    return [words[0] for words in commands]


@pytest.mark.slow
def test_from_a_collection_to_a_table(
    tiny_bert: str, tmp_path: Path, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = write_collection(tmp_path / "letters"), tmp_path / "output"
    result = compare(data, **SMALL, backbone=tiny_bert, output=output, seeds=2)
    (compared,) = result.collections
    assert [one.run for one in compared.means] == SYSTEMS
    assert compared.rates == {"dual encoder": 1e-3, "I³ released": 1e-3}
    assert {one.run for one in compared.differences} == {*SYSTEMS} - {"dual encoder"}
    assert compared.report == output / "report.html" and compared.report.is_file()
    queries = len(compared.means[0].queries)
    assert compared.stock == Agreement(queries, queries) and names(ran).count(STOCK) == 1
    assert names(ran).count("train") == 4 and names(ran).count("fuse") == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert "$ python -m i3_pyserini train small-contrastive" in said.err

    header, *rows = str(result).partition("\n\n")[0].splitlines()
    assert header.startswith("system ")
    assert all(name in header for name in ("Judged@10", "queries/s", "index MB", "training min"))
    assert sum(", seed " in row for row in rows) == 2 * 4
    seeds = compared.seeds["I³ released"]
    mean = np.mean([one.means["nDCG@10"] for one in seeds])
    assert compared.scores["I³ released"] == pytest.approx(mean)
    assert result.sentence in str(result) and "nDCG@10" in result.sentence
    assert "compared with the backbone (" in result.sentence and "Keep in mind: " in str(result)
    found = json.loads(result.to_json())["collections"]["letters"]
    assert list(found["systems"]) == SYSTEMS
    assert found["systems"]["I³ released"]["training_minutes"] > 0
    for system in SYSTEMS[:4]:
        stored = min((output / "runs").glob(f"{FILES[system]}*test.speed.json"))  # the first seed
        speed = json.loads(stored.read_text(encoding="utf-8"))["queries_per_second"]
        assert found["systems"][system]["queries_per_second"] == speed > 0
    frame = result.to_pandas()
    assert len(frame) == 4 * len(SYSTEMS)
    assert frame[frame.system == "dual encoder"].p.isna().all()
    assert "| system" in result.to_markdown() and "<table>" in result._repr_html_()


@pytest.mark.slow
def test_two_collections_without_java_by_the_command_line(
    tiny_bert: str,
    tmp_path: Path,
    ran: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(f"{LUCENE}.find_java", lambda: (None, []))
    folders = [write_collection(tmp_path / name) for name in ("first", "second")]
    numbers = "--steps 2 --rates 1e-3 --batch-size 4 --query-length 8 --passage-length 12"
    words = ["--backbone", tiny_bert, "--output", str(tmp_path / "output"), *numbers.split()]
    run(["compare", *map(str, folders), *words, "--measures", "RR@10", "--json"])
    said = capsys.readouterr()
    assert "BM25 by SQLite, not Lucene: Pyserini's Lucene needs Java" in said.err
    found = json.loads(said.out)
    assert list(found["collections"]) == ["first", "second"]
    scores = found["macro_mean"]
    assert list(scores) == [
        system if "BM25" not in system else f"SQLite {system}" for system in SYSTEMS
    ]
    both = [
        one["systems"]["I³ released"]["means"]["RR@10"] for one in found["collections"].values()
    ]
    assert scores["I³ released"] == pytest.approx(sum(both) / 2)
    assert [names(ran).count(name) for name in ("train", "bm25", "fuse")] == [4, 2, 4]
    words = next(words for words in ran if words[0] == "bm25")
    assert words[words.index("--engine") + 1] == "sqlite"
    for run_of in ("dev", "test"):  # by the same k1 and b
        assert (tmp_path / "output" / "second" / "runs" / f"bm25-sqlite.{run_of}.txt").is_file()
    assert (tmp_path / "output" / "second" / "report.html").is_file()


@pytest.mark.slow
def test_dev_is_split_off_train_and_the_same_call_resumes(
    tiny_bert: str, tmp_path: Path, ran: list[list[str]]
) -> None:
    data, output = write_collection(tmp_path / "letters", dev=False), tmp_path / "output"
    given: dict[str, Any] = {**SMALL, "backbone": tiny_bert, "output": output}
    result = compare(data, **given, negatives="mined")
    assert ran[0][:2] == ["data", "split"]
    assert not (data / "topics.dev.tsv").exists()
    parts = [
        (output / "queries" / f"topics.{part}.tsv").read_text(encoding="utf-8")
        for part in ("dev", "train")
    ]
    both = sorted(line for text in parts for line in text.splitlines())
    assert both == sorted((data / "topics.train.tsv").read_text(encoding="utf-8").splitlines())
    (training, *_) = [words for words in ran if words[0] == "train"]
    assert f"--data.negatives={output / 'negatives.tsv'}" in training
    assert f"--validation.topics={output / 'queries' / 'topics.dev.tsv'}" in training

    ran.clear()
    lost = output / "runs" / "i3-released.seed-1.test.txt"
    before = lost.read_bytes()
    lost.unlink()
    again = compare([data], **given, negatives="mined")
    assert names(ran) == ["search"] and lost.read_bytes() == before
    assert timeless(again) == timeless(result)

    ran.clear()
    with pytest.raises(I3Error, match=r"belongs to other options \(steps: 2 -> 3\)"):
        compare(data, **{**given, "steps": 3}, negatives="mined")
    with pytest.raises(I3Error, match="negatives: mined -> None"):
        compare(data, **given)
    (data / "qrels.test.txt").write_text("q0 0 p1 1\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"collections\.letters\.qrels\.test\.txt: "):
        compare(data, **given, negatives="mined")
    assert not ran


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seeds": 0}, "seeds is 0, must be at least 1"),
        ({"steps": 0}, "steps is 0, must be at least 1"),
        ({"batch_size": 1}, "batch_size is 1, must be at least 2"),
        ({"rates": (0.0,)}, "rates are 0"),
        ({"variants": ("other",)}, "variants are other"),
        ({"negatives": "nowhere.tsv"}, "negatives nowhere.tsv: neither a file nor 'mined'"),
        ({"measures": ("nDGC@10",)}, "nDGC@10"),
        ({"teacher": "nowhere.jsonl"}, "teacher nowhere.jsonl: no such file"),
        ({"warm_up": -1}, "warm_up is -1, must be at least 0"),
        ({"first_seed": -1}, "first_seed is -1, must be from 0 to"),
        ({"negatives_per_query": 0}, "negatives_per_query is 0, must be at least 1"),
        ({"negatives_per_query": 2}, "negatives_per_query has no effect without negatives"),
        ({"split": "eval"}, "no judged queries 'eval'; it has dev, test, train"),
        ({"split": "train"}, "split is train"),
    ],
)
def test_mistakes_are_named_before_any_work(
    changed: dict[str, Any], said: str, tmp_path: Path, ran: list[list[str]]
) -> None:
    data, output = write_collection(tmp_path / "letters"), tmp_path / "output"
    with pytest.raises(I3Error, match=re.escape(said)):
        compare(data, **{**SMALL, "backbone": "b", "output": output, **changed})
    assert not ran and not output.exists()


def test_missing_queries_and_foreign_folders(tmp_path: Path, ran: list[list[str]]) -> None:
    data, output = write_collection(tmp_path / "letters"), tmp_path / "output"
    with pytest.raises(I3Error, match="two collections are named letters"):
        compare([data, data], backbone="b", output=output)
    with pytest.raises(I3Error, match="no folder 'corpus'"):
        compare(tmp_path, backbone="b", output=output)
    with pytest.raises(I3Error, match=r"contains corpus, but no compare\.json"):
        compare(data, backbone="b", output=shutil.copytree(data, tmp_path / "copy"))
    (data / "topics.train.tsv").unlink()
    (data / "qrels.train.txt").unlink()
    with pytest.raises(I3Error, match=r"no judged queries 'train'.*data split"):
        compare(data, backbone="b", output=output)
    assert not ran


def test_quick_is_few_steps_and_one_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Options] = []

    def keep(_: object, __: object, options: Options, *___: object) -> Comparison:
        found.append(options)
        return Comparison([])

    monkeypatch.setattr(f"{MAIN}._compare", keep)
    given: dict[str, Any] = {"backbone": "b", "output": tmp_path / "o"}
    compare(tmp_path, **given, quick=True)
    compare(tmp_path, **given, teacher="t")
    compare(tmp_path, **given, quick=True, steps=7, rates=(1e-3, 1e-2))
    assert [(one.steps, len(one.rates), one.seeds, one.validations) for one in found] == [
        (60, 1, range(1, 2), 0),
        (300, 3, range(1, 2), 4),
        (7, 2, range(1, 2), 1),
    ]
    assert [one.negatives for one in found] == [None, "mined", None]


def test_negatives_that_no_training_could_read_are_refused_first(tmp_path: Path) -> None:
    data = [write_collection(tmp_path / name) for name in ("one", "two")]
    file, other = tmp_path / "n.tsv", tmp_path / "n.jsonl"
    for path in (file, other):
        path.write_text("q1\tp1\n", encoding="utf-8")
    undivided = write_collection(tmp_path / "three", dev=False)
    for places, negatives, said in (
        (data[:1], tmp_path / "none.tsv", "neither a file nor 'mined'"),
        (data[:1], other, "expected the .tsv file"),
        (data, file, "are of one collection"),
        ([undivided], file, "has no dev queries"),
    ):
        with pytest.raises(I3Error, match=said):
            compare(places, backbone="b", output=tmp_path / "out", negatives=negatives)
    assert not (tmp_path / "out").exists()


def test_a_backbone_is_hashed_with_all_its_folders(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "2_Dense").mkdir(parents=True)
    (model / "config.json").write_text("{}", encoding="utf-8")
    study = a_study(tmp_path, backbone=str(model))
    for number, weights in enumerate((b"a", b"b")):
        (model / "2_Dense" / "model.safetensors").write_bytes(weights)
        (tmp_path / "output").mkdir(exist_ok=True)
        if not number:
            _identify(tmp_path / "output", [study], study.options)
            continue
        with pytest.raises(I3Error, match=r"2_Dense/model.safetensors"):
            _identify(tmp_path / "output", [study], study.options)

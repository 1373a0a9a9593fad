"""Experiments: their form, their commands, and what is said of the scores."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from cyclopts import App

from i3_pyserini import cli
from i3_pyserini.errors import I3Error
from i3_pyserini.experiments.check import run_and_check
from i3_pyserini.experiments.experiment import Prepared, load_experiment, prepare
from i3_pyserini.experiments.plan import commands
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.shipped import shipped
from i3_pyserini.stock.java import find_java
from i3_pyserini.train.recipe_file import load_recipe
from tests.conftest import Done, Run

ROOT = Path(__file__).parents[1]
SHARED = Path(__file__).parents[2] / "shared" / "collections"
NAMES = shipped("experiment")
PATHS = {"output": "out", "collections": "collections", "minilm": "MODEL"}
RUN = ("experiment", "run")


class Parsed(BaseException):
    """A command has parsed its arguments; nothing else is wanted of it."""


def prepared(name: str) -> Prepared:
    return prepare(load_experiment(name), PATHS, {})


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_complete(name: str) -> None:
    experiment, ready = load_experiment(name), prepared(name)
    assert experiment.about
    assert experiment.needs
    made = {str(one.makes) for step in ready.steps for one in commands(ready.plan, step)}
    for one in ready.scores:
        path = Path(one.run)
        assert {str(path), *map(str, path.parents)} & made, f"no command makes {path}"
        assert len(choose_measures(list(one.measures))[0]) == len(one.measures)
        for score in one.measures.values():
            assert experiment.gpu or (score.expected and score.tolerance and score.source)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_understood(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command's own parser, up to where its work would begin."""
    monkeypatch.chdir(ROOT)
    ready = prepared(name)
    seen = 0
    for step in ready.steps:
        for command in commands(ready.plan, step):
            words = list(command.words)
            start = words.index("-m") + 1
            if not words[start].startswith("i3_pyserini"):
                continue  # stock Pyserini's, which tests/test_plans.py runs
            with pytest.raises(Parsed):
                _parse(words[start], words[start + 1 :], monkeypatch)
            seen += 1
    assert seen
    assert not capsys.readouterr().err


def _parse(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if arguments[:1] == ["train"]:
        load_recipe(arguments[1], arguments[2:])
        raise Parsed
    if module in ("i3_pyserini", "i3_pyserini.eval"):
        parse_words = App.parse_args

        def parse_words_only(self: App, *args: Any, **kwargs: Any) -> Any:
            parse_words(self, *args, **kwargs)
            raise Parsed

        with monkeypatch.context() as patch:
            patch.setattr(App, "parse_args", parse_words_only)
            cli.run(arguments if module == "i3_pyserini" else ["eval", *arguments])
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
        found = parse(self, *args, **kwargs)
        if self.prog.endswith((" encode input", " encode output")):  # the first of its sections
            return found
        raise Parsed

    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
        import_module(f"{module}.__main__").main()


TINY_PLAN = f"""
about: a test
settings: {{output: out, topics: none, word: one}}
steps:
  run:
    about: ranks
    commands:
      - run: {sys.executable} -c "open('{{out}}', 'w').write('1 Q0 b 1 2 x\\n1 Q0 a 2 1 x\\n')"
        makes: "{{output}}/run.txt"
  other: {{about: fails, commands: [{{run: "false"}}]}}
"""
TINY = """
about: a test
needs: nothing
plan: plans/tiny.yaml
steps: [run]
files:
  topics: ["{collections}/tiny/topics.tsv"]
  qrels: ["{collections}/tiny/none.txt", "{collections}/tiny/qrels.txt"]
get: python -m i3_pyserini data import tiny --output {collections}/tiny
scores:
  - run: "{output}/run.txt"
    qrels: "{qrels}"
    measures:
      RR@10: {expected: 0.5, tolerance: 0.01, source: arithmetic}
      nDCG@10: {}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of experiments with one, and its collection beside it."""
    folder, collection = tmp_path / "experiments", tmp_path / "collections" / "tiny"
    (folder / "plans").mkdir(parents=True)
    collection.mkdir(parents=True)
    (folder / "plans" / "tiny.yaml").write_text(TINY_PLAN, encoding="utf-8")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    (collection / "topics.tsv").write_text("1\ta query\n", encoding="utf-8")
    (collection / "qrels.txt").write_text("1 0 a 1\n", encoding="utf-8")
    return folder


@pytest.fixture
def run_tiny(tiny: Path, run_module: Run) -> Run:
    def run(*args: object) -> Done:
        base = tiny.parent
        places = ("--output", base / "out", "--collections", base / "collections")
        return run_module("i3_pyserini", *RUN, "tiny", "--folder", tiny, *places, *args)

    return run


def test_scores_within_tolerance_are_ok_and_nothing_is_made_twice(
    run_tiny: Run, tmp_path: Path
) -> None:
    done = run_tiny()
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[-2:]]
    assert rows[0] == ["run.txt", "RR@10", "0.5000", "±", "0.0100", "0.5000", "ok"]
    assert rows[1] == ["run.txt", "nDCG@10", "unknown", "0.6309", "no", "target"]
    (tmp_path / "out" / "run.txt").write_text("1 Q0 a 1 2 x\n", encoding="utf-8")
    again = run_tiny()
    assert f"done: {tmp_path}/out/run.txt" in again.stdout
    assert again.returncode == 1  # what is there now is evaluated


def test_a_score_out_of_tolerance_fails(tiny: Path, run_tiny: Run) -> None:
    (tiny / "tiny.yaml").write_text(
        TINY.replace("expected: 0.5", "expected: 0.52"), encoding="utf-8"
    )
    done = run_tiny()
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2].split()[-1] == "FAIL"
    assert done.stderr.splitlines()[-1].startswith("note: 1 of 2 scores are out of tolerance; ")


def test_a_dry_run_prints_commands_and_expectations(run_tiny: Run, tmp_path: Path) -> None:
    done = run_tiny("--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/out/run.txt" in done.stdout
    assert "0.5000 ± 0.0100" in done.stdout
    assert "arithmetic" in done.stdout
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_said_with_the_command_that_gets_it(
    run_tiny: Run, tmp_path: Path
) -> None:
    (tmp_path / "collections" / "tiny" / "qrels.txt").unlink()
    done = run_tiny()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"{tmp_path}/collections/tiny/none.txt: not found" in line
    assert f"data import tiny --output {tmp_path}/collections/tiny" in line
    assert not (tmp_path / "out").exists()


def test_a_command_that_fails_is_no_failed_score(tiny: Path, run_tiny: Run) -> None:
    (tiny / "tiny.yaml").write_text(TINY.replace("[run]", "[run, other]"), encoding="utf-8")
    done = run_tiny()
    assert done.returncode == 2
    assert "step other: the command above failed" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{output}/run", "{out}/run", "scores.run: '{out}/run.txt' names an unknown setting"),
        ("[run]", "[ran]", "no step 'ran'; the plan has run, other"),
        (
            "needs: nothing",
            "need: nothing",
            r"tiny\.yaml: not an experiment: needs: Field required",
        ),
        ("0.5", "half", r"tiny\.yaml: not an experiment: scores.0.measures.RR@10.expected"),
        ("plans/tiny", "plans/none", r"none\.yaml: cannot be read"),
    ],
)
def test_mistakes_in_an_experiment_are_named(
    tiny: Path, before: str, after: str, said: str
) -> None:
    (tiny / "tiny.yaml").write_text(TINY.replace(before, after), encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        prepare(load_experiment("tiny", tiny), PATHS, {})


def test_settings_can_be_changed_and_unknown_ones_are_named(tiny: Path) -> None:
    experiment = load_experiment("tiny", tiny)
    changed = prepare(experiment, PATHS, {"word": "two"})
    assert changed.plan.settings["word"] == "two"
    assert changed.plan.settings["topics"] == "collections/tiny/topics.tsv"
    with pytest.raises(I3Error, match="no setting 'wrd'"):
        prepare(experiment, PATHS, {"wrd": "two"})


def test_an_unknown_name_says_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"nfcorpus-bm52: .*; did you mean nfcorpus-bm25"):
        load_experiment("nfcorpus-bm52")
    with pytest.raises(I3Error, match=r"x: neither a file nor an experiment.*: demo, "):
        load_experiment("x")
    with pytest.raises(I3Error, match="none"):
        load_experiment("demo", tmp_path)


def test_only_the_wanted_repetitions_are_left() -> None:
    ready = prepared("msmarco-i3-distil")
    words = [word for one in commands(ready.plan, "evaluate-trained") for word in one.words]
    assert "runs/index/msmarco-distil" in words
    assert not any("contrastive" in word for word in words)


def test_without_a_gpu_its_experiments_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(I3Error, match=r"no GPU found, but this requires one \(8 GPUs"):
        run_and_check(load_experiment("msmarco-i3-distil"), prepared("msmarco-i3-distil"))


def test_the_list_has_all_and_a_name_has_its_commands(run_module: Run) -> None:
    done = run_module("i3_pyserini", "experiment", "list", check=True)
    assert all(f"\n{name}: " in f"\n{done.stdout}" for name in NAMES)
    done = run_module("i3_pyserini", "experiment", "list", "--json", check=True)
    assert list(json.loads(done.stdout)) == NAMES
    done = run_module("i3_pyserini", *RUN, "msmarco-i3-contrastive", "--dry-run", check=True)
    assert "i3_pyserini train msmarco-contrastive" in done.stdout
    assert "0.393" in done.stdout


@pytest.mark.slow
def test_the_commands_run_on_a_small_collection(
    tiny_bert: str, tmp_path: Path, run_module: Run
) -> None:
    """As the experiment has them, on three passages: of course with other scores."""
    folder = tmp_path / "vaswani"
    (folder / "corpus").mkdir(parents=True)
    texts = ["boil an egg", "hot water", "the eggs"]
    lines = [json.dumps({"id": f"d{row}", "text": text}) for row, text in enumerate(texts)]
    (folder / "corpus" / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "topics.tsv").write_text("1\tboil an egg\n2\twater\n", encoding="utf-8")
    (folder / "qrels.txt").write_text("1 0 d0 1\n2 0 d1 1\n", encoding="utf-8")
    done = run_module(
        *("i3_pyserini", *RUN, "vaswani-minilm", "--collections", tmp_path),
        *("--output", tmp_path / "out", "--values", f"minilm={tiny_bert}"),
    )
    assert done.returncode == 1, done.stderr
    assert "R@100 " in done.stdout
    assert "1.0000  FAIL" in done.stdout  # all three passages are retrieved


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs NFCorpus")
@pytest.mark.skipif(find_java()[0] is None, reason="BM25 needs Java")
def test_bm25_on_nfcorpus_has_the_published_scores(tmp_path: Path, run_module: Run) -> None:
    done = run_module(
        *("i3_pyserini", *RUN, "nfcorpus-bm25"),
        *("--collections", SHARED, "--output", tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0.3218 ± 0.0002      0.3218  ok" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_expected_score(name: str) -> None:
    page = (ROOT / "docs" / "how-to" / "experiments.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page
    for one in load_experiment(name).scores:
        for measure, score in one.measures.items():
            if score.expected is not None:
                expected = f"{score.expected:.4f} ± {score.tolerance:.4f}"
                assert f"| `{name}`, `{Path(one.run).name}` | {measure} | {expected} |" in page

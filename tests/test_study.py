"""The study of whether implicit interaction pays: its runs, its choice of rates, its tests."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.study import explored, figure, gpu, pack, plan, report, worker
from benchmarks.study.conditions import (
    EXPLORED,
    HYPOTHESES,
    LONGER,
    SHARED,
    TESTED,
    WARM_UP,
    Condition,
)
from benchmarks.study.effects import Effect, effect, holm
from benchmarks.study.plan import RATES, Run, rate_run, runs_of, seeds
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.unused import settled
from tests.test_comparison import a_study

PLAIN, I3, *_ = TESTED


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan, "RECORDS", tmp_path)
    monkeypatch.setattr(plan, "HERE", tmp_path)
    (tmp_path / "protocol.json").write_text('{"commit": "00000ffabc"}', encoding="utf-8")
    return tmp_path


def write(
    run: Run, value: float = 0.0, minutes: float = 1.0, values: Sequence[float] | None = None
) -> None:
    path = plan.RECORDS / run.file
    path.parent.mkdir(parents=True, exist_ok=True)
    own = values or [value, value]
    content = {
        "seed": run.seed,
        "values": dict.fromkeys(plan.MEASURES, own),
        "minutes": minutes,
        "processor": "a",
        "versions": {"python": "3"},
        "curves": {"contrastive": [2.0, 1.0]},
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def test_seeds_follow_from_the_commit(records: Path) -> None:
    assert seeds() == [0xFF, 0x100, 0x101, 0x102, 0x103]
    assert {run.seed for run in runs_of("rates", ["c"])} == {0xFE}


def test_each_run_has_its_own_record(records: Path) -> None:
    for condition in TESTED:
        for rate in RATES:
            write(rate_run("c", condition, rate), 0.5)
    for stage, count in (("explore", len(EXPLORED)), ("rates", 15), ("test", 30)):
        found = [run.file for run in runs_of(stage, ["c"])]
        assert len(found) == len({*found}) == count


def test_rates_are_chosen_on_dev_and_time_is_made_equal(records: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(runs_of("test", ["c"]))
    for condition in TESTED:
        for number, rate in enumerate(RATES):
            best = 2 if condition is I3 else 1
            minutes = 3.0 if condition is I3 else 2.0
            write(rate_run("c", condition, rate), 0.9 - abs(number - best) / 10, minutes)
    keys = {run.condition.name: run.keys for run in runs_of("test", ["c"])}
    assert keys["plain"] == {"optimizer.learning_rate": RATES[1]}
    assert keys["I³"] == {"optimizer.learning_rate": RATES[2]}
    steps = SHARED["training.max_steps"]
    assert keys[LONGER.name] == {**keys["plain"], "training.max_steps": round(1.5 * steps)}


def test_a_difference_must_hold_over_queries_and_over_seeds() -> None:
    base = [[0.0] * 4] * 3
    steady = effect(base, [[0.1, 0.2, 0.1, 0.2], [0.2, 0.1, 0.2, 0.1], [0.1, 0.2, 0.2, 0.1]])
    assert steady.delta == pytest.approx(0.15)
    # Means of queries are 4/30, 5/30, 5/30, 4/30: t = 0.15 / (0.019245 / 2) = 15.588, 3 degrees.
    assert steady.p_queries == pytest.approx(0.000574, rel=0.01)
    assert steady.p_seeds == pytest.approx(0.0, abs=1e-6)
    assert steady.p == steady.p_queries
    by_seed = effect(base, [[0.4] * 4, [-0.1] * 4, [0.0] * 4])
    # Over queries it looks certain; over seeds t = 0.1 / (0.264575 / √3) = 0.6547, 2 degrees.
    assert by_seed.p_queries < 0.001
    assert by_seed.p == by_seed.p_seeds == pytest.approx(0.5799, abs=1e-3)
    assert by_seed.low < 0 < by_seed.high
    assert holm([steady, by_seed], 2) == pytest.approx([2 * steady.p, by_seed.p])
    assert holm([steady, by_seed], 4) == pytest.approx([4 * steady.p, 1.0])


@pytest.mark.parametrize(
    ("deltas", "said"),
    [
        ({}, "0 of 8 tests are known"),
        ({"H1, equal steps": (0.1, 0.1)}, "2 of 8 tests are known"),
        ({"H1, equal steps": (0.1, 0.0)}, "no win"),
        ({"H1, equal steps": (0.1, -0.1)}, "no win"),
        ({"H1, equal steps": (0.1, 0.1), "H1, equal time": (0.1, 0.1)}, "a win"),
        ({"H1, equal steps": (0.1, 0.1), "H1, equal time": (0.1, -0.1)}, "no win"),
        ({"H2": (0.1, 0.1), "H3": (-0.1, -0.1)}, "4 of 8 tests are known"),
    ],
)
def test_the_verdict_is_the_protocols(deltas: dict[str, tuple[float, ...]], said: str) -> None:
    found = {
        (name, collection): Effect(delta, delta, delta, *(0.001 if delta else 1.0,) * 2)
        for name, both in deltas.items()
        for collection, delta in zip(report.COLLECTIONS, both, strict=True)
    }
    assert said in report.verdict(found)
    for p in (0.04, float("nan")):  # not after the correction; and not with one seed
        weak = {test: replace(one, p_seeds=p) for test, one in found.items()}
        assert "a win" not in report.verdict(weak)


@pytest.mark.parametrize("condition", [*EXPLORED, *TESTED], ids=lambda one: one.name)
def test_every_recipe_is_valid(condition: Condition, tmp_path: Path) -> None:
    keys = {**SHARED, **condition.keys}
    stages = [keys] if condition.warm_up is None else [{**keys, **condition.warm_up}, keys]
    for own in stages:
        settled(Recipe.model_validate(worker.recipe(own, "b", tmp_path, 1, tmp_path)))


def test_compare_trains_like_the_study(tmp_path: Path) -> None:
    """With the study's options, its commands have the settings of the main row's runs."""
    rate = RATES[0]
    compared = a_study(
        tmp_path,
        rates=(rate,),
        steps=SHARED["training.max_steps"],
        warm_up=WARM_UP["training.max_steps"],
        batch_size=SHARED["training.batch_size"],
        query_length=SHARED["model.query_length"],
        passage_length=SHARED["model.passage_length"],
        validations=0,
        negatives="n.tsv",
        negatives_per_query=SHARED["training.passages_per_query"] - 1,
    )
    keys = {"optimizer.learning_rate": rate}
    stages = [{**PLAIN.keys, **keys}, {**I3.keys, **(I3.warm_up or {})}, {**I3.keys, **keys}]
    for command, own in zip(compared.beginning().steps["train"].commands, stages, strict=True):
        recipe, *overrides = shlex.split(command.run)[4:]
        fields = worker.recipe({**SHARED, **own}, "b", tmp_path, 1, tmp_path)
        ours, theirs = (
            _without_places(one.as_dict())
            for one in (
                load_recipe(recipe, overrides),
                load_recipe(_written(tmp_path / "study.yaml", fields)),
            )
        )
        if own["model.interaction"] == "none":  # what starts modules that it does not have
            starts = ("interactor_init", "layer_init", "reconstruction_head_init")
            ours["model"] = {key: v for key, v in ours["model"].items() if key not in starts}
        assert ours == theirs


def _written(path: Path, fields: dict[str, Any]) -> Path:
    path.write_text(json.dumps(fields), encoding="utf-8")  # JSON is YAML
    return path


def _without_places(fields: dict[str, Any]) -> dict[str, Any]:
    """A recipe without its paths, and what differs by machine, or for passages without a title."""
    if fields["model"].get("layer_init") == "auto":  # the study's backbone is BERT
        fields["model"]["layer_init"] = "backbone"
    for section, names in {
        "model": ("init", "untitled_template", "missing_value"),
        "data": ("collection", "queries", "qrels", "cache", "negatives"),
        "training": ("precision", "workers"),
    }.items():
        fields[section] = {key: v for key, v in fields[section].items() if key not in names}
    return {section: value for section, value in fields.items() if section != "output"}


def test_runs_of_a_seed_share_a_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Path] = []

    def train(path: Path) -> None:
        trained.append(output := path.with_suffix(""))
        output.mkdir(exist_ok=True)
        steps = json.loads(path.read_text(encoding="utf-8"))["training"]["max_steps"]
        line = {"step": steps, "epoch": 1, "seconds": 2.0, "contrastive": 1.5}
        (output / "log.jsonl").write_text(json.dumps(line), encoding="utf-8")

    monkeypatch.setattr("i3_pyserini.train_model", train)
    monkeypatch.setattr(worker, "measured", lambda *_: {})
    place = worker.Place(tmp_path / "data", tmp_path, tmp_path / "records", tmp_path / "backbone")
    minutes = []
    for condition in (PLAIN, I3, TESTED[4]):
        for seed, rate in ((1, 1e-5), (1, 2e-5), (2, 1e-5)):
            run = Run("gpu", "c", condition, seed, {"optimizer.learning_rate": rate})
            worker.finish(run, place)
            record = json.loads((place.records / run.file).read_text(encoding="utf-8"))
            minutes.append(record["minutes"])
            assert record["curves"]["contrastive"] == [1.5]
    assert len({path for path in trained if "warm-up" in path.parts}) == 2  # one for each seed
    assert len({path for path in trained if "warm-up" not in path.parts}) == 9
    own, before = SHARED["training.max_steps"] / 30, WARM_UP["training.max_steps"] / 30
    assert minutes == pytest.approx([own] * 3 + [own + before] * 6)


def test_minutes_are_summed_by_epoch() -> None:
    log = [
        {"step": 10, "epoch": 1, "seconds": 6.0},
        {"step": 20, "epoch": 2, "seconds": 3.0},
        {"step": 30, "epoch": 2, "seconds": 200.0},  # other work on the machine
        {"step": 40, "epoch": 2, "seconds": 3.0},
        {"step": 45, "epoch": 2, "seconds": 3.0},
    ]
    assert worker.minutes_of(log) == pytest.approx((10 * 6.0 + 35 * 3.0) / 60)


def test_tables_and_figure(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for condition in TESTED:
        for rate in RATES:
            write(rate_run("acl-titles", condition, rate), 0.5)
    assert "H1" not in "\n".join(report.lines())  # nothing to test yet
    for number, condition in enumerate((*TESTED, LONGER)):
        for seed in seeds():
            noise = 0.01 * (seed % 3)
            values = [0.5 + noise + 0.1 * number, 0.52 + noise / 2 + 0.1 * number]
            write(Run("test", "acl-titles", condition, seed), values=values)
    printed = "\n".join(report.lines())
    assert "| plain | 0.5160 | 0.5160 | 0.5160 | 5 | 2e-05 | 150 | 1.0 |" in printed
    assert "| H1, equal steps | acl-titles | +0.1000 | +0.1000 to +0.1000 |" in printed
    figures = {one.name: one for one in report.record().figures}
    assert figures["acl-titles: plain, RR@10"].value == 0.516
    difference = figures["acl-titles: H1, equal steps, difference in RR@10"]
    assert difference.values == [0.1, 0.1, 0.1]
    assert figures["acl-titles: H1, equal steps, p (Holm)"].value == 0.0
    last = Run("test", "acl-titles", LONGER, seeds()[-1])
    (records / last.file).unlink()
    assert LONGER.name not in "\n".join(report.lines())  # until all its seeds are there
    write(last, values=[0.5, 0.5])
    monkeypatch.setattr("sys.argv", ["figure", str(records / "study.svg")])
    figure.main()
    drawn = (records / "study.svg").read_text(encoding="utf-8")
    labels = {"H1, equal steps: acl-titles", "H2: acl-titles", "plain, as long as I³"}
    assert all(f"<!-- {label} -->" in drawn for label in labels)


def test_the_page_has_the_tables_of_the_records() -> None:
    page = (Path(__file__).parents[1] / "docs" / "results" / "study.md").read_text(encoding="utf-8")
    made = page.partition(report.MARKS[0])[2].partition(report.MARKS[1])[0]
    assert made.splitlines() == [*report.lines(), ""], (
        "python -m benchmarks.study.report --page docs/results/study.md"
    )


def test_tables_replace_those_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{report.MARKS[0]}old\n{report.MARKS[1]}\nafter\n")
    report.put_into(page)
    first = page.read_text(encoding="utf-8")
    assert first.startswith("# Before\n") and first.endswith("\nafter\n") and "old" not in first
    assert "### acl-titles" in first
    report.put_into(page)
    assert page.read_text(encoding="utf-8") == first


def test_a_packed_backbone_is_half_as_large(tiny_bert: str, tmp_path: Path) -> None:
    whole, half = Path(tiny_bert), tmp_path / "half"
    pack.halve(whole, half)
    weights = load_file(half / pack.WEIGHTS)
    for name, one in load_file(whole / pack.WEIGHTS).items():
        assert weights[name].dtype == torch.float16
        torch.testing.assert_close(weights[name].float(), one, atol=1e-6, rtol=1e-3)
    gpu.check(half, "cpu")


def test_hypotheses_are_of_conditions() -> None:
    assert {name for pair in HYPOTHESES.values() for name in pair} == {
        *(one.name for one in TESTED),
        LONGER.name,
    }


def test_the_page_has_all_that_was_explored(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(explored.__file__).parent / "README.md").read_text(encoding="utf-8")
    explored.main()
    assert capsys.readouterr().out.strip() in page

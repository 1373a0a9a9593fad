"""A task that a tiny random model can learn: queries and passages in two vocabularies.

Passage "a b" answers the query "hot cold": nothing but training tells a model that they belong
together, so that an untrained one is right by chance alone.
"""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe

WORDS = {"a": "hot", "b": "cold", "c": "egg", "d": "water", "e": "plant", "f": "light"}
LETTERS = [*WORDS, *(" ".join(pair) for pair in combinations(WORDS, 2))]
SIZE = len(LETTERS)


def pid(number: int) -> str:
    return f"p{number % SIZE}"


def query(number: int) -> str:
    return " ".join(WORDS[letter] for letter in LETTERS[number].split())


def write_task(directory: Path) -> None:
    """Writes 21 passages and as many queries; passage `pN` is query `qN`'s only positive."""
    lines = {
        "collection.tsv": [f"{pid(n)}\tna\t{letters}" for n, letters in enumerate(LETTERS)],
        "queries.tsv": [f"q{n}\t{query(n)}" for n in range(SIZE)],
        "qrels.txt": [f"q{n} 0 {pid(n)} 1" for n in range(SIZE)],
        "negatives.tsv": [
            f"q{n}\t{','.join(pid(n + step) for step in (1, 5, 2, 8))}" for n in range(SIZE)
        ],
        "generated.tsv": [f"{pid(n)}\t{query(n)}" for n in range(0, SIZE, 2)],
        "teacher.jsonl": [json.dumps(_scored(number)) for number in range(SIZE)],
    }
    for name, content in lines.items():
        (directory / name).write_text("".join(line + "\n" for line in content), encoding="utf-8")


def write_recipe(directory: Path, backbone: str) -> Path:
    """Writes `recipe.yaml` for the task: four steps of batches of 8 queries, without workers."""
    recipe: dict[str, Any] = {
        "output": str(directory / "output"),
        "model": {
            "init": backbone,
            "interactor_init": "residual",
            "pooling": "mean",
            "normalize": True,
            "query_length": 8,
            "passage_length": 12,
            "pseudo_query_length": 6,
            "training_pseudo_query_length": 5,
        },
        "data": {
            "collection": str(directory / "collection.tsv"),
            "queries": str(directory / "queries.tsv"),
            "qrels": str(directory / "qrels.txt"),
            "negatives": str(directory / "negatives.tsv"),
            "generated_queries": str(directory / "generated.tsv"),
        },
        "loss": {"temperature": 0.05},
        "optimizer": {"learning_rate": 3e-3},
        "training": {
            "batch_size": 8,
            "passages_per_query": 3,
            "max_steps": 4,
            "logging_steps": 1,
            "workers": 0,
        },
        "validation": {
            "topics": str(directory / "queries.tsv"),
            "qrels": str(directory / "qrels.txt"),
        },
    }
    path = directory / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def teacher_flags(directory: Path) -> list[str]:
    """Overrides with which the recipe takes its queries from the teacher's file."""
    teacher = f"--data.teacher={directory}/teacher.jsonl"
    return [teacher, "--data.negatives=null", "--loss.distillation=1"]


def small_recipe(directory: Path, *overrides: str) -> Recipe:
    """The recipe that `write_recipe` wrote, with overrides (without their dashes)."""
    flags = [override if override.startswith("--") else f"--{override}" for override in overrides]
    return load_recipe(directory / "recipe.yaml", flags)


def log_lines(output: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without what time they took."""
    lines = [
        json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [{name: line[name] for name in line if name != "seconds"} for line in lines]


def values(output: Path, name: str) -> list[float]:
    """One value of the log, in the order of its lines."""
    return [line[name] for line in log_lines(output) if name in line]


def _scored(number: int) -> dict[str, Any]:
    negatives = [pid(number + step) for step in (1, 5, 2)]
    return {
        "query": query(number),
        "positives": {"doc_id": [pid(number)], "score": [9.0]},
        "negatives": {"doc_id": negatives, "score": [2.0, 1.0, 0.0]},
    }

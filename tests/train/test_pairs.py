"""Training on imported pairs has the losses of training on the native files."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import import_pairs
from i3_pyserini.train.trainer import train
from tests.train.conftest import MakeRecipe
from tests.train.task import LETTERS, SIZE, query, values

TARGETS = "reconstruction.targets=query"
STEPS = (1, 5, 2, 8)  # to the negatives of a query, as in the task's file


def passages(number: int) -> tuple[str, list[str]]:
    return LETTERS[number], [LETTERS[(number + step) % SIZE] for step in STEPS]


def pairs(number: int) -> dict[str, Any]:
    positive, negatives = passages(number)
    numbered = {f"negative_{place}": text for place, text in enumerate(negatives, start=1)}
    return {"anchor": query(number), "positive": positive, **numbered}


def tevatron(number: int) -> dict[str, Any]:
    positive, negatives = passages(number)
    named = [{"docid": "x", "title": "", "text": text} for text in (positive, *negatives)]
    row = {"positive_passages": named[:1], "negative_passages": named[1:]}
    return {"query_id": str(number), "query": query(number), **row}


def bge(number: int) -> dict[str, Any]:
    positive, negatives = passages(number)
    return {"query": query(number), "pos": [positive], "neg": negatives}


@pytest.mark.slow
def test_losses_are_those_of_the_native_files(task: Path, make_recipe: MakeRecipe) -> None:
    lines = (f"p{number}\t\t{letters}\n" for number, letters in enumerate(LETTERS))
    (task / "collection.tsv").write_text("".join(lines), encoding="utf-8")
    common = ("validation=null", "training.max_steps=3", "data.generated_queries=null", TARGETS)
    native = values(train(make_recipe(*common)).output, "loss")
    for form in (pairs, tevatron, bge):
        source, folder = task / f"{form.__name__}.jsonl", task / form.__name__
        source.write_text(
            "".join(json.dumps(form(number)) + "\n" for number in range(SIZE)), encoding="utf-8"
        )
        import_pairs([source], output=folder)
        files = {
            "collection": "corpus",
            "queries": "topics.train.tsv",
            "qrels": "qrels.train.txt",
            "negatives": "train_negs.tsv",
        }
        flags = [f"data.{key}={folder}/{name}" for key, name in files.items()]
        output = train(make_recipe(*common, *flags, f"output={task}/{form.__name__}-run")).output
        assert values(output, "loss") == native
    assert len(native) == 3

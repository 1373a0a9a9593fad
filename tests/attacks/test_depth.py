"""JSON and YAML so deep that reading them exhausts the stack: one line, and no crash."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini import I3Error, I3Retriever
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.model.tokenizer_file import read_tokenizer_file
from i3_pyserini.train.recipe_file import load_recipe

DEEP = "[" * 100_000


def backbone(path: Path) -> object:
    return I3Retriever.from_backbone(str(path.parent))


READ: dict[str, Callable[[Path], object]] = {
    "corpus.jsonl": lambda path: list(Corpus(path)),
    "topics.jsonl": lambda path: read_topics(str(path)),
    "manifest.json": lambda path: read_manifest(path.parent),
    "recipe.yaml": load_recipe,
    "config.json": backbone,
    "tokenizer.json": lambda path: read_tokenizer_file(str(path.parent)),
    "tokenizer_config.json": lambda path: read_tokenizer_file(str(path.parent)),
}


@pytest.mark.parametrize("start", ["", '{"a": '])
@pytest.mark.parametrize("name", READ)
def test_deep_nesting(name: str, start: str, tiny_bert: str, tmp_path: Path) -> None:
    folder = tmp_path / "MODEL"
    shutil.copytree(tiny_bert, folder)
    (folder / name).write_text(start + DEEP, encoding="utf-8")
    with pytest.raises(I3Error) as error:
        READ[name](folder / name)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000

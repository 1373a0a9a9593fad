"""A small model, its index, topics, and the worlds of all routes: made once, never changed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from tests.conftest import WORDS
from tests.search.routes import KINDS, World, make_world

PASSAGES, QUERIES = 60, 7


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """`model`, `corpus.jsonl`, `index` and `topics.tsv`; passages 50 to 59 are those of 0 to 9."""
    folder = tmp_path_factory.mktemp("search")
    model = I3Retriever.from_backbone(tiny_bert)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, folder / "model")
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, 12)) for _ in range(50)]
    lines = [
        json.dumps({"id": f"d{n}", "title": "eggs", "text": text})
        for n, text in enumerate([*texts, *texts[:10]])
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    queries = [" ".join(random.choice(WORDS, 5)) for _ in range(QUERIES - 1)] + ["hot eggs " * 40]
    topics = [f"q{n}\t{query}\n" for n, query in enumerate(queries)]
    (folder / "topics.tsv").write_text("".join(topics), encoding="utf-8")
    run_encoding(
        Corpus(folder / "corpus.jsonl"),
        EncoderSpec(str(folder / "model"), "i3"),
        IndexOutput(folder / "index"),
    )
    return folder


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Callable[[str], World]:
    """Makes each world once."""
    made: dict[str, World] = {}

    def world(kind: str) -> World:
        if kind not in made:
            flags, settings = KINDS[kind]
            made[kind] = World(tmp_path_factory.mktemp("world"), flags, settings)
            make_world(made[kind], tiny_bert, kind.startswith("declared"))
        return made[kind]

    return world

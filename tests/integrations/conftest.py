"""A trained I³ with prompts, its index of difficult texts, and what we get from both."""

from dataclasses import dataclass
from os import fspath
from pathlib import Path

import pytest
from transformers import AutoModel, AutoTokenizer

import i3_pyserini as i3
from tests.integrations.odd_texts import passages, write_corpus
from tests.model.st_models import st_model

SIZE = 384
TRAINED = 48  # passages with a query


@dataclass(frozen=True)
class Trained:
    """What other tools are compared with.

    Attributes:
        backbone: two layers of MiniLM with a query and a passage prompt.
        model: an I³ model trained from it.
        corpus: `odd_texts.passages` as a file.
        index: the corpus encoded by the model.
    """

    backbone: str
    model: str
    corpus: Path
    index: Path


@pytest.fixture(scope="session")
def trained(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trains a few steps at a high rate, so that no part of the model is what it began with."""
    folder = tmp_path_factory.mktemp("trained")
    backbone = _backbone(minilm, folder)
    corpus = write_corpus(folder)
    asked = [one for one in passages() if len(one["text"].split()) > 2][-TRAINED:]
    topics = "".join(
        f"q{row}\t{' '.join(one['text'].split()[:6])}\n" for row, one in enumerate(asked)
    )
    (folder / "topics.tsv").write_text(topics, encoding="utf-8")
    qrels = "".join(f"q{row} 0 {one['id']} 1\n" for row, one in enumerate(asked))
    (folder / "qrels.txt").write_text(qrels, encoding="utf-8")
    overrides = {
        "output": str(folder / "run"),
        "model.init": backbone,
        "model.query_length": 24,
        "model.passage_length": 40,
        "data.collection": str(corpus),
        "data.queries": str(folder / "topics.tsv"),
        "data.qrels": str(folder / "qrels.txt"),
        "optimizer.learning_rate": 5e-4,
        "optimizer.head_learning_rate": 5e-3,
        "training.max_steps": 12,
        "training.batch_size": 16,
    }
    model = fspath(i3.train_model("small-contrastive", overrides=overrides))
    index = folder / "INDEX"
    i3.encode_corpus(corpus, model=model, output=index)
    return Trained(backbone, model, corpus, index)


def _backbone(minilm: str, folder: Path) -> str:
    plain = folder / "plain"
    AutoModel.from_pretrained(minilm, num_hidden_layers=2).save_pretrained(plain)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(plain)
    return st_model(
        str(plain),
        folder / "backbone",
        pooling={"word_embedding_dimension": SIZE, "pooling_mode_mean_tokens": True},
        prompts={"query": "query: ", "document": "passage: "},
        transformer={"max_seq_length": 64, "do_lower_case": False},
    )

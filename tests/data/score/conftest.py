"""A small cross-encoder, and what it is to score."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from i3_pyserini.data.scoring import Scoring
from i3_pyserini.data.unscored import Mined
from i3_pyserini.search.pair_scorer import PairOptions
from tests.conftest import tiny_bert_config

Make = Callable[..., str]
COLLECTION = (
    "p1\teggs\tboil an egg in hot water\n"
    "p2\t\tplace the plant in cold light\n"
    "p3\tlight\tphotosynthesis\n"
    "p4\tNone\ta b c d e f a b c d e f a b c d e f a b c d e f a b c d e f\n"
)
READ = {  # what the teacher is to read of them, by the default template
    "p1": "eggs boil an egg in hot water",
    "p2": "place the plant in cold light",
    "p3": "light photosynthesis",
    "p4": "None a b c d e f a b c d e f a b c d e f a b c d e f a b c d e f",
}
QUERIES = {"q1": "how long to boil an egg", "q2": "what is photosynthesis"}
OPTIONS = PairOptions(max_length=24, batch_size=3, device="cpu")


@pytest.fixture(scope="session")
def make_teacher(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: PreTrainedTokenizerFast
) -> Make:
    """Writes a random cross-encoder whose tokenizer joins pairs as BERT's does."""
    core = Tokenizer.from_str(tiny_tokenizer.backend_tokenizer.to_str())
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    special = {name: getattr(tiny_tokenizer, name) for name in ("pad_token", "unk_token")}
    special |= {name: getattr(tiny_tokenizer, name) for name in ("cls_token", "sep_token")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **special,
    )

    def make(labels: int = 1, bias: float = 0.0) -> str:
        torch.manual_seed(labels)
        config = tiny_bert_config()
        config.num_labels = labels
        model = BertForSequenceClassification(config)
        torch.nn.init.constant_(model.classifier.bias, bias)
        directory = tmp_path_factory.mktemp(f"teacher{labels}-")
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        return str(directory)

    return make


@pytest.fixture(scope="session")
def teacher(make_teacher: Make) -> str:
    return make_teacher()


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "c.tsv").write_text(COLLECTION, encoding="utf-8")
    (tmp_path / "q.tsv").write_text(
        "".join(f"{qid}\t{text}\n" for qid, text in QUERIES.items()), encoding="utf-8"
    )
    (tmp_path / "r.txt").write_text("q1 0 p1 1\nq1 0 p3 2\nq2 0 p3 1\n", encoding="utf-8")
    (tmp_path / "n.tsv").write_text("q2\tp4,p1\nq1\tp2,p4\n", encoding="utf-8")
    return tmp_path


def scoring(task: Path, teacher: str, options: PairOptions = OPTIONS, **mined: Any) -> Scoring:
    named = {"negatives": task / "n.tsv", "queries": task / "q.tsv", "qrels": task / "r.txt"}
    return Scoring(teacher, options, Mined(**{**named, **mined}), task / "c.tsv")


def by_hand(teacher: str, query: str, passage: str, length: int = 24) -> list[float]:
    model = AutoModelForSequenceClassification.from_pretrained(teacher, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(teacher)
    pair = tokenizer(query, passage, truncation=True, max_length=length, return_tensors="pt")
    assert pair["token_type_ids"].sum() > 0
    with torch.no_grad():
        logits: list[float] = model(**pair).logits[0].tolist()
    return logits


def written(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_bytes().splitlines()]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "partial" in path.name)


def many(task: Path, count: int) -> None:
    """Queries enough for several blocks, of many lengths."""
    words = COLLECTION.split()
    texts = [" ".join(words[n % 7 : n % 7 + 1 + n % 11]) for n in range(count)]
    (task / "q.tsv").write_text(
        "".join(f"q{n}\t{text}\n" for n, text in enumerate(texts)), encoding="utf-8"
    )
    (task / "r.txt").write_text(
        "".join(f"q{n} 0 p{1 + n % 4} 1\n" for n in range(count)), encoding="utf-8"
    )
    (task / "n.tsv").write_text(
        "".join(f"q{n}\tp{1 + n % 3},p2,p4\n" for n in range(count)), encoding="utf-8"
    )

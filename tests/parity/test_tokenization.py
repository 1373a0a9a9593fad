"""Ids of queries, passages, reconstructor input and labels, as the original makes them."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertTokenizer

from i3_pyserini import I3Tokenizer

from .conftest import Golden


def titles_and_texts(golden: Golden) -> tuple[list[str], list[str]]:
    rows = golden.rows("collection.tsv")
    return [row[1] for row in rows], [row[2] for row in rows]


def without_padding(batch: Any) -> list[list[int]]:
    return [
        [token for token, kept in zip(ids, mask, strict=True) if kept]
        for ids, mask in zip(
            batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True
        )
    ]


def test_queries(golden: Golden, tokenizer: I3Tokenizer) -> None:
    batch = tokenizer.queries([row[1] for row in golden.rows("dev.query.txt")])
    for name, expected in golden.batch("query").items():
        assert torch.equal(batch[name], expected)


def test_passages(golden: Golden, tokenizer: I3Tokenizer) -> None:
    titles, texts = titles_and_texts(golden)
    expected = [passage["text"] for passage in golden.json("tokenization/tokens.json")["passages"]]
    assert tokenizer.passage_texts(texts, titles) == expected
    batch = tokenizer.passages(texts, titles)
    for name, ids in golden.batch("passage").items():
        assert torch.equal(batch[name], ids)


def test_full_bert_vocabulary(
    golden: Golden, tokenizer: I3Tokenizer, minilm: str, tmp_path: Path
) -> None:
    expected = golden.json("tokenization/full_bert_vocab_ids.json")
    vocabulary = Path(minilm) / "vocab.txt"
    if hashlib.sha256(vocabulary.read_bytes()).hexdigest() != expected["vocab_sha256"]:
        pytest.skip("the vocabulary of the installed MiniLM is not BERT's")
    (tmp_path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    full = I3Tokenizer(BertTokenizer.from_pretrained(tmp_path), tokenizer.config)
    titles, texts = titles_and_texts(golden)
    queries = [row[1] for row in golden.rows("dev.query.txt")]
    assert without_padding(full.queries(queries)) == [q["ids"] for q in expected["queries"]]
    passages = [passage["ids"] for passage in expected["passages"]]
    assert without_padding(full.passages(texts, titles)) == passages


def test_reconstructor_input(golden: Golden, tokenizer: I3Tokenizer) -> None:
    config = tokenizer.config
    batches = golden.arrays("tokenization/batches.npz")
    encoding = config.pseudo_query_ids(config.pseudo_query_length)
    training = config.pseudo_query_ids(config.training_pseudo_query_length)
    assert batches["passage_decoder_input_ids"][0].tolist() == encoding
    assert batches["train0_decoder_input_ids"][0].tolist() == training


@pytest.mark.parametrize("number", [0, 1])
def test_training_batches(golden: Golden, tokenizer: I3Tokenizer, number: int) -> None:
    items = golden.json("tokenization/tokens.json")["train_batches"][number]["items"]
    titles, texts = titles_and_texts(golden)
    rows = {joined: row for row, joined in enumerate(tokenizer.passage_texts(texts, titles))}
    chosen = [rows[passage] for item in items for passage in item["passages"]]
    batch = tokenizer.passages([texts[row] for row in chosen], [titles[row] for row in chosen])
    for name, ids in golden.batch(f"train{number}_passage").items():
        assert torch.equal(batch[name], ids)
    queries = tokenizer.queries([query for item in items for query in item["query"]])
    for name, ids in golden.batch(f"train{number}_query").items():
        assert torch.equal(queries[name], ids)
    labels = tokenizer.reconstruction_labels(
        [query for item in items for query in item["generated_queries"]]
    )
    expected = golden.arrays("tokenization/batches.npz")[f"train{number}_decoder_mlm_labels"]
    assert torch.equal(labels, expected)

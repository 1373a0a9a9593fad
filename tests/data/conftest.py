"""A small T5 that writes queries, and passages for it to read."""

from pathlib import Path

import pytest
import torch
from transformers import (
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.conftest import VOCABULARY, WORDS

FILES = ["generated.tsv", "manifest.json", "qrels.train.txt", "topics.train.tsv"]


@pytest.fixture(scope="session")
def tiny_t5(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: PreTrainedTokenizerFast
) -> str:
    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(VOCABULARY),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=3,
    )
    config.decoder_start_token_id = 0
    directory = tmp_path_factory.mktemp("t5")
    T5ForConditionalGeneration(config).save_pretrained(directory)
    tiny_tokenizer.save_pretrained(directory)
    return str(directory)


def collection(path: Path, count: int) -> Path:
    """Passages of many lengths; every seventh has no title, and the third no words at all."""
    rows = []
    for n in range(count):
        title = "" if n % 7 == 0 else f"{WORDS[n % 20]} egg"
        rows.append(f"p{n}\t{title}\t{' '.join(WORDS[n % 11 : n % 11 + n % 13 + 1])}\n")
    rows[2] = "p2\t \t \n"
    path.write_text("".join(rows), encoding="utf-8")
    return path


def content(folder: Path) -> dict[str, bytes]:
    own = f'"dataset": "{folder.name}"'.encode()  # differs between folders
    return {path.name: path.read_bytes().replace(own, b"") for path in folder.iterdir()}

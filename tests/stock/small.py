"""A small model and collection for stock commands."""

import json
from pathlib import Path

import numpy as np

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from tests.conftest import WORDS


def fill(folder: Path, backbone: str, longest: str = "") -> None:
    """Writes `model`, `corpus.jsonl` with 40 passages, and `topics.tsv` with four queries.

    Args:
        folder: where to.
        backbone: of the model.
        longest: a fifth query, if it is given.
    """
    model = I3Retriever.from_backbone(backbone)
    tokenizer = I3Tokenizer.from_pretrained(backbone, model.config)
    save_model_directory(model, tokenizer, folder / "model")
    random = np.random.default_rng(0)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for number in range(40):
            title, text = (" ".join(random.choice(WORDS, size)) for size in (2, 12))
            corpus.write(json.dumps({"id": f"d{number}", "title": title, "text": text}) + "\n")
    queries = [" ".join(random.choice(WORDS, 6)) for _ in range(4)] + [longest] * bool(longest)
    topics = "".join(f"q{number}\t{query}\n" for number, query in enumerate(queries))
    (folder / "topics.tsv").write_text(topics, encoding="utf-8")

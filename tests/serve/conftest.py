"""A collection with a passage that means harm, its index, and the models to search it with."""

import json
from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.query_encoders import load_query_encoder
from tests.search.test_searcher import write_index

SCRIPT = "<script>document.title='taken over'</script>"
LONG = "light " + "plant " * 200 + "photosynthesis " + "y" * 300
TEXTS = {
    "eggs": "how long to boil an egg in hot water",
    "plant": LONG,
    "evil": f"water {SCRIPT} <img src=x onerror=\"document.title='taken over'\">",
    "<b>&id": "cold water",
}


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """`model`, `plain` (without a reconstructor), `corpus.jsonl` and `index`; never changed."""
    folder = tmp_path_factory.mktemp("serve")
    for name, interaction in (("model", "released"), ("plain", "none")):
        model = I3Retriever.from_backbone(tiny_bert, interaction=interaction)
        model.config.reconstructor_steps = 9
        tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
        save_model_directory(model, tokenizer, folder / name)
    lines = [
        json.dumps(
            {"id": docid, "title": f"title {SCRIPT}" if docid == "evil" else "", "text": text}
        )
        for docid, text in TEXTS.items()
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    vectors = load_query_encoder(str(folder / "model")).encode(list(TEXTS.values()))
    write_index(folder / "index", vectors, list(TEXTS))
    return folder

"""fastembed loads an exported model, in a Python of its own: FASTEMBED_PYTHON names it.

python3.11 -m venv FASTEMBED && FASTEMBED/bin/pip install fastembed
FASTEMBED_PYTHON=FASTEMBED/bin/python pytest tests/integrations/outside/test_fastembed.py
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.integrations import export_model
from i3_pyserini.model.exported import ExportedTokenizer, read_export
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import passages, queries
from tests.pages import block

PYTHON = os.environ.get("FASTEMBED_PYTHON", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="FASTEMBED_PYTHON names no Python with fastembed"),
]
# What the page says, and then vectors and numbers of ids of both sides.
SCRIPT = """
import json
import numpy as np

texts = json.load(open("texts.json", encoding="utf-8"))
for side, model in (("query", queries), ("passage", passages)):
    vectors = np.array(list(model.embed(texts[side], batch_size=7)))
    lengths = [sum(one.attention_mask) for one in model.model.tokenize(texts[side])]
    np.savez(f"{side}.npz", vectors=vectors, lengths=lengths)
"""


def test_both_sides_have_our_vectors(trained: Trained, tmp_path: Path) -> None:
    export_model(trained.model, output=tmp_path / "ONNX")
    some = passages()
    titles = [one["title"] for one in some]
    record = read_export(tmp_path / "ONNX")
    tokenizer = ExportedTokenizer(tmp_path / "ONNX", "passage", record)
    texts = {
        "query": [f"query: {text}" for text in queries()],
        "passage": tokenizer.segments([one["text"] for one in some], titles)[0],
    }
    (tmp_path / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    code = block("With fastembed", "python", "docs/how-to/onnx.md") + SCRIPT
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [PYTHON, "-c", code],
        cwd=tmp_path,
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    model = i3.load(trained.model)
    found = {side: np.load(tmp_path / f"{side}.npz") for side in texts}
    expected = {
        "query": model.encode_queries(queries()),
        "passage": model.encode_passages(some),
    }
    for side, vectors in expected.items():
        np.testing.assert_allclose(found[side]["vectors"], vectors, atol=1e-5, err_msg=side)
    ids = tokenizer.passages([one["text"] for one in some], titles)
    assert found["passage"]["lengths"].tolist() == [len(one) for one in ids]
    assert max(found["passage"]["lengths"]) == 40 and max(found["query"]["lengths"]) == 24

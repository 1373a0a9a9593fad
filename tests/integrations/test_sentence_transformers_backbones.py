"""What sentence-transformers writes today becomes an I³, or is refused in one line."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini import I3Error
from tests.model.test_sentence_transformers import PASSAGES, QUERIES

REASON = "needs sentence-transformers"
PROMPTS = {"query": "what : ", "document": "place : "}
MESSAGE = {
    name: {"method": "forward", "method_output_name": "last_hidden_state"}
    for name in ("text", "message")
}
TAKEN: dict[str, dict[str, Any]] = {
    "mean": {},
    "unit": {"then": ("Normalize",)},
    "last": {"pooling": "lasttoken"},
    "prompts": {"prompts": PROMPTS, "then": ("Normalize",)},
    "default prompt": {"prompts": {"task": "boil "}, "default_prompt_name": "task"},
    "lengths": {"transformer": {"query_length": 7, "document_length": 9}},
    "one length": {"transformer": {"max_seq_length": 8}},
    "lower": {"transformer": {"do_lower_case": True}},
    "dropout": {"then": ("Dropout",)},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "truncate_dim": ({"truncate_dim": 8}, "8 dimensions"),
    "processing_kwargs": (
        {"transformer": {"processing_kwargs": {"text": {"max_length": 5}}}},
        "processing_kwargs",
    ),
    "messages": (
        {"transformer": {"modality_config": MESSAGE, "module_output_name": "token_embeddings"}},
        "chat template",
    ),
    "two poolings": ({"pooling": ("mean", "max")}, "mean and max"),
    "layer norm": ({"then": ("LayerNorm",)}, "LayerNorm"),
    "router": ({"router": True}, "Router"),
    "sparse": ({"kind": "SparseEncoder"}, "SparseEncoder"),
    "cross": ({"kind": "CrossEncoder"}, "CrossEncoder"),
    "multi-vector": ({"kind": "MultiVectorEncoder"}, "MultiVectorEncoder"),
}


def written(backbone: str, folder: Path, **how: Any) -> str:
    """A model that the library itself builds and saves."""
    library = pytest.importorskip("sentence_transformers", reason=REASON)
    from sentence_transformers.sentence_transformer import modules

    transformer, pooling = how.pop("transformer", {}), how.pop("pooling", "mean")
    then, kind = how.pop("then", ()), how.pop("kind", None)
    router = how.pop("router", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind:
            model = getattr(library, kind)(backbone, device="cpu")
        else:
            made: dict[str, Any] = {
                "Normalize": modules.Normalize,
                "Dropout": lambda: modules.Dropout(0.1),
                "LayerNorm": lambda: modules.LayerNorm(32),
            }
            parts = [
                modules.Transformer(backbone, **transformer),
                modules.Pooling(32, pooling),
                *(made[name]() for name in then),
            ]
            if router:
                parts = [modules.Router.for_query_document(parts, parts)]
            model = library.SentenceTransformer(modules=parts, device="cpu", **how)
        model.save_pretrained(str(folder))
    return str(folder)


@pytest.mark.parametrize("kind", TAKEN)
def test_taken_over(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    backbone = written(tiny_bert, tmp_path / "backbone", **TAKEN[kind])
    ours = i3.create(backbone, output=tmp_path / "MODEL")
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(backbone, device="cpu")
    found = ours.encode_queries(QUERIES)
    np.testing.assert_allclose(found, theirs.encode_query(QUERIES), atol=1e-5)
    found = ours.encode_passages(PASSAGES)
    np.testing.assert_allclose(found, theirs.encode_document(PASSAGES), atol=1e-5)


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    how, message = REFUSED[kind]
    backbone = written(tiny_bert, tmp_path / "backbone", **how)
    with pytest.raises(I3Error, match=message) as caught:
        i3.create(backbone, output=tmp_path / "MODEL")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "MODEL").exists()


@pytest.mark.parametrize(("then", "noted"), [((), True), (("Normalize",), False)])
def test_another_similarity_is_noted(
    tiny_bert: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    then: tuple[str, ...],
    noted: bool,
) -> None:
    backbone = written(tiny_bert, tmp_path / "m", then=then, similarity_fn_name="cosine")
    i3.create(backbone, output=tmp_path / "MODEL")
    assert ("cosine similarity" in capsys.readouterr().err) is noted

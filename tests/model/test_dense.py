"""I³ models with dense layers behind the pooling, and with prompts that are not pooled."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import i3_pyserini as i3
from i3_pyserini import I3Config, I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.summary import stock_search
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.original import to_original
from i3_pyserini.model.settings import QUERY_ENCODER, DenseLayer
from tests.model.backbones import vectors
from tests.model.st_models import st_model
from tests.model.test_sentence_transformers import JOINED, PASSAGES, QUERIES, TITLES, theirs

MODULES = ("Dense:48", "Dense:8:linear", "Normalize")
LAYER = {"in_features": 32, "out_features": 16}
PROMPTS = {"query": "what : ", "document": "place : in "}


@pytest.fixture
def backbone(tiny_bert: str, tmp_path: Path) -> str:
    return st_model(tiny_bert, tmp_path / "backbone", modules=MODULES)


def moved(backbone: str, **settings: Any) -> tuple[I3Retriever, I3Tokenizer]:
    """A model of a backbone whose sides, and what lies between, are no longer alike."""
    model = I3Retriever.from_backbone(backbone, **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model, I3Tokenizer.from_pretrained(backbone, model.config)


def dense(model: I3Retriever) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if "_dense." in name}


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("interaction", ["released", "paper", "none"])
def test_round_trip(backbone: str, tmp_path: Path, interaction: str, tie: bool) -> None:
    model, tokenizer = moved(backbone, interaction=interaction, tie_encoders=tie)
    names = {"0.linear.weight", "0.linear.bias", "1.linear.weight"}
    sides = ["query_dense"] if tie else ["query_dense", "passage_dense"]
    assert dense(model).keys() == {f"{side}.{name}" for side in sides for name in names}
    expected = vectors(model, tokenizer)
    assert [one.shape for one in expected] == [(3, 8), (3, 8)]

    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    again, own = load_model_directory(tmp_path / "MODEL")
    assert again.config.settings() == model.config.settings()
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    for found, vector in zip(vectors(again, own), expected, strict=True):
        assert torch.equal(found, vector)
    for row, layer in enumerate(again.config.settings().dense):  # once more, for other tools
        weights = load_file(tmp_path / "MODEL" / QUERY_ENCODER / layer.folder / "model.safetensors")
        assert weights.keys() == again.query_dense[row].state_dict().keys()
        for name, value in weights.items():
            assert torch.equal(value, model.state_dict()[f"query_dense.{row}.{name}"])


def test_the_sides_have_their_own_layers(backbone: str) -> None:
    model, tokenizer = moved(backbone, interaction="none")
    queries, passages = vectors(model, tokenizer)
    with torch.no_grad():
        model.query_dense[0].get_parameter("linear.weight").zero_()
    changed, same = vectors(model, tokenizer)
    assert torch.equal(same, passages) and not torch.allclose(changed, queries)


def test_other_tools_have_the_vectors(backbone: str, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    save_model_directory(*moved(backbone), tmp_path / "MODEL")
    ours = i3.load(tmp_path / "MODEL")
    queries, passages = ours.encode_queries(QUERIES), ours.encode_passages(PASSAGES)
    assert queries.shape[1] == passages.shape[1] == 8
    found = theirs(str(tmp_path / "MODEL" / QUERY_ENCODER), QUERIES, PASSAGES)[0]
    np.testing.assert_allclose(found, queries, atol=1e-5)
    whole = library.SentenceTransformer(
        str(tmp_path / "MODEL"), device="cpu", trust_remote_code=True
    )
    assert whole.get_embedding_dimension() == 8
    np.testing.assert_allclose(whole.encode_query(QUERIES), queries, atol=1e-5)
    np.testing.assert_allclose(whole.encode_document(PASSAGES), passages, atol=1e-5)


def test_a_residual_layer(tiny_bert: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    folder = Path(st_model(tiny_bert, tmp_path / "backbone", modules=("Dense:32",)))
    path = folder / "2_Dense" / "config.json"
    fields = {**json.loads(path.read_text(encoding="utf-8")), "use_residual": True}
    path.write_text(json.dumps(fields), encoding="utf-8")
    queries, passages = theirs(str(folder), QUERIES, PASSAGES)
    ours = i3.create(folder, output=tmp_path / "MODEL")
    np.testing.assert_allclose(ours.encode_queries(QUERIES), queries, atol=1e-5)
    np.testing.assert_allclose(ours.encode_passages(PASSAGES), passages, atol=1e-5)
    found = theirs(str(tmp_path / "MODEL" / QUERY_ENCODER), QUERIES, PASSAGES)[0]
    np.testing.assert_allclose(found, queries, atol=1e-5)


def test_an_index_and_stock_pyserini(backbone: str, tmp_path: Path) -> None:
    i3.create(backbone, output=tmp_path / "MODEL")
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(JOINED)),
        encoding="utf-8",
    )
    index = i3.encode_corpus(tmp_path / "c.jsonl", model=tmp_path / "MODEL", output=tmp_path / "I")
    manifest = read_manifest(Path(index))
    assert (manifest.encoder.dimension, len(manifest.encoder.dense or ())) == (8, 2)
    assert i3.open_index(index).search(QUERIES[0], k=2)
    command = stock_search(Path(index), manifest, {}) or ""
    assert "encode-topics" in command and "--encoded-queries" in shlex.split(command)


def test_the_original_has_no_dense_layers(tiny_bert: str, tmp_path: Path) -> None:
    folder = st_model(tiny_bert, tmp_path / "backbone", "cls", ("Dense:8",))
    alike = {
        "interactor_init": "original",
        "passage_template": "{title} {sep} {text}",
        "missing_value": "NA",
        "untitled_template": "",
        "query_length": 24,
    }
    assert to_original(I3Retriever.from_backbone(tiny_bert, **alike))
    with pytest.raises(I3Error, match="no dense layers"):
        to_original(I3Retriever.from_backbone(folder, **alike))


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([{**LAYER, "in_features": 31}], "has 31 in_features, expected 32"),
        ([LAYER, LAYER], "has 32 in_features, expected 16"),
        ([{**LAYER, "out_features": "8"}], "out_features is '8'"),
        ([{**LAYER, "out_features": 0}], "out_features is 0"),
        ([{**LAYER, "width": 3}], "width"),
        ([{"in_features": 32}], "out_features"),
        ([7], "cannot be read"),
        (7, "cannot be read"),
    ],
)
def test_layers_that_cannot_be(backbone: str, layers: Any, said: str) -> None:
    fields = {**I3Retriever.from_backbone(backbone).config.to_dict(), "dense": layers}
    with pytest.raises(I3Error, match=said):
        I3Config.from_dict(fields)


def test_an_activation_is_not_other_code(backbone: str, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    fields = I3Retriever.from_backbone(backbone).config.to_dict()
    config = I3Config.from_dict({**fields, "dense": [{**LAYER, "activation": "other.Code"}]})
    with pytest.raises(I3Error, match=r"other\.Code is not a class of torch\.nn"):
        I3Retriever(config)


def test_folders_are_those_of_sentence_transformers(backbone: str) -> None:
    found = I3Retriever.from_backbone(backbone).config.settings().dense
    tanh, identity = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"
    assert found == (
        DenseLayer("2_Dense", 32, 48, True, tanh),
        DenseLayer("3_Dense", 48, 8, False, identity),
    )


def unpooled(tiny_bert: str, tmp_path: Path, mode: str = "mean", **how: Any) -> str:
    pooling = {"embedding_dimension": 32, "pooling_mode": mode, "include_prompt": False}
    return st_model(tiny_bert, tmp_path / "backbone", pooling, prompts=PROMPTS, **how)


@pytest.mark.parametrize("mode", ["cls", "mean"])
@pytest.mark.parametrize("interaction", ["released", "paper", "none"])
def test_prompts_that_are_not_pooled(
    tiny_bert: str, tmp_path: Path, mode: str, interaction: Any
) -> None:
    """Trained or not: untrained vectors are the backbone's, and all that reads them agrees."""
    library = pytest.importorskip("sentence_transformers")
    folder = unpooled(tiny_bert, tmp_path, mode, modules=("Dense:8", "Normalize"))
    queries, passages = theirs(folder, QUERIES, [*PASSAGES, *JOINED])
    ours = i3.create(folder, output=tmp_path / "MODEL", interaction=interaction)
    both: list[Any] = [*PASSAGES]
    both += [{"title": t, "text": p} for t, p in zip(TITLES, PASSAGES, strict=True)]
    np.testing.assert_allclose(ours.encode_queries(QUERIES), queries, atol=1e-5)
    np.testing.assert_allclose(ours.encode_passages(both), passages, atol=1e-5)

    model, tokenizer = moved(folder, interaction=interaction)
    save_model_directory(model, tokenizer, tmp_path / "MODEL", overwrite=True)
    ours, again = i3.load(tmp_path / "MODEL"), load_model_directory(tmp_path / "MODEL")[0]
    assert (again.config.unpooled_query_ids, again.config.unpooled_passage_ids) == (3, 4)
    assert not again.config.settings().include_prompt
    queries, passages = ours.encode_queries(QUERIES), ours.encode_passages(PASSAGES)
    found = theirs(str(tmp_path / "MODEL" / QUERY_ENCODER), QUERIES, PASSAGES)[0]
    np.testing.assert_allclose(found, queries, atol=1e-5)
    whole = library.SentenceTransformer(
        str(tmp_path / "MODEL"), device="cpu", trust_remote_code=True
    )
    np.testing.assert_allclose(whole.encode_document(PASSAGES), passages, atol=1e-5)
    with pytest.raises(I3Error, match=r"\(5, 4\) ids, but the first \(3, 4\) are not pooled"):
        whole.encode_query(QUERIES, prompt="how long to : ")


def test_own_prompts_that_are_not_pooled(tiny_bert: str, tmp_path: Path) -> None:
    folder = unpooled(tiny_bert, tmp_path)
    config = I3Retriever.from_backbone(folder, query_prompt="a b c ", passage_prompt="").config
    assert (config.unpooled_query_ids, config.unpooled_passage_ids) == (4, 0)  # with [CLS]
    config.query_prompt = "a b "
    with pytest.raises(I3Error, match=r"\(3, 0\) ids, but the first \(4, 0\)"):
        I3Tokenizer.from_pretrained(folder, config)
    with pytest.raises(I3Error, match="unpooled_query_ids is -1"):
        I3Config(unpooled_query_ids=-1)

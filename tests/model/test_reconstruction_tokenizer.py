"""Pseudo-queries in the tokens of a tokenizer of their own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import i3_pyserini as i3
from i3_pyserini import I3Config, I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.original import to_original
from i3_pyserini.model.pseudo_query import explain
from i3_pyserini.model.word_recall import word_recall
from tests.conftest import OWN_WORDS
from tests.model.backbones import FAMILIES, MakeBackbone, vectors


def created(backbone: str, own_words: str, **settings: Any) -> tuple[I3Retriever, I3Tokenizer]:
    model = I3Retriever.from_backbone(backbone, reconstruction_tokenizer=own_words, **settings)
    return model.eval(), I3Tokenizer.from_pretrained(backbone, model.config, own_words)


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_words_and_labels_are_its_own(
    make_backbone: MakeBackbone, own_words: str, tmp_path: Path, family: str
) -> None:
    backbone = make_backbone(FAMILIES[family])
    model, tokenizer = created(backbone, own_words)
    assert model.reconstruction_head.decoder.weight.shape == (len(OWN_WORDS), 32)
    labels = tokenizer.reconstruction_labels(["How boil eggs", " "])
    assert labels[0, :5].tolist() == [7, 4, 5, 6, -100]
    assert labels[1, :2].tolist() == [0, -100]  # "what" is unknown to it
    with torch.no_grad():
        model.reconstruction_head.decoder.bias[3] += 50
    (first, *_) = explain(model, tokenizer, "plants need light")
    assert first.word == "photosynthesis"
    queries = ["photosynthesis, plant", "eggs"]  # "plant" is unknown to it
    recall = word_recall(model, tokenizer, queries, ["a", "b"], [None, None])
    assert recall is not None and recall.predicted == 0.5 and recall.queries == 2

    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    again, own = load_model_directory(tmp_path / "MODEL")
    assert own.reconstruction.get_vocab() == tokenizer.reconstruction.get_vocab()
    assert torch.equal(own.reconstruction_labels(["how eggs"]), labels_of(tokenizer, "how eggs"))
    assert explain(again, own, "plants need light") == explain(
        model, tokenizer, "plants need light"
    )
    for found, expected in zip(vectors(again, own), vectors(model, tokenizer), strict=True):
        assert torch.equal(found, expected)
    save_model_directory(again, own, tmp_path / "again")
    for path in (path for path in (tmp_path / "MODEL").rglob("*") if path.is_file()):
        copy = tmp_path / "again" / path.relative_to(tmp_path / "MODEL")
        assert copy.read_bytes() == path.read_bytes(), path.name


def test_as_any_model_of_hugging_face(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    model, tokenizer = created(tiny_bert, own_words)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, own = load_model_directory(tmp_path)
    assert explain(again, own, "plants") == explain(model, tokenizer, "plants")


def test_by_create(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    i3.create(tiny_bert, output=tmp_path / "MODEL", reconstruction_tokenizer=own_words)
    model, tokenizer = load_model_directory(tmp_path / "MODEL")
    assert model.config.reconstruction_vocabulary == len(tokenizer.reconstruction) == len(OWN_WORDS)


def labels_of(tokenizer: I3Tokenizer, query: str) -> torch.Tensor:
    return tokenizer.reconstruction_labels([query])


def test_vectors_are_the_backbone_s(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    plain = I3Retriever.from_backbone(tiny_bert).eval()
    expected = vectors(plain, I3Tokenizer.from_pretrained(tiny_bert, plain.config))
    for found, one in zip(vectors(*created(tiny_bert, own_words)), expected, strict=True):
        torch.testing.assert_close(found, one)


def test_word_scores_start_as_means_of_embeddings(tiny_bert: str, own_words: str) -> None:
    model, tokenizer = created(tiny_bert, own_words, reconstruction_head_init="embeddings")
    embeddings: Any = model.passage_encoder.get_input_embeddings()
    ids = tokenizer.tokenizer.convert_tokens_to_ids(["photo", "##syn", "##thesis"])
    weights = model.reconstruction_head.decoder.weight
    torch.testing.assert_close(weights[3], embeddings.weight[ids].mean(dim=0))
    egg = tokenizer.tokenizer.convert_tokens_to_ids("egg")
    torch.testing.assert_close(weights[5], embeddings.weight[egg])
    assert not weights[:2].any()  # special tokens


def test_a_plain_dual_encoder_has_none(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    model, tokenizer = created(tiny_bert, own_words, interaction="none")
    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    assert model.config.reconstruction_vocabulary is None
    assert not (tmp_path / "MODEL" / "reconstruction_tokenizer").exists()


def test_the_wrong_tokenizer_is_refused(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    model, tokenizer = created(tiny_bert, own_words)
    with pytest.raises(I3Error, match="name its reconstruction_tokenizer"):
        I3Tokenizer.from_pretrained(tiny_bert, model.config)
    with pytest.raises(I3Error, match=f"has 35 tokens, but its word scores have {len(OWN_WORDS)}"):
        I3Tokenizer.from_pretrained(tiny_bert, model.config, tiny_bert)
    with pytest.raises(I3Error, match=r"reconstruction_tokenizer \./nowhere: no such directory"):
        I3Retriever.from_backbone(tiny_bert, reconstruction_tokenizer="./nowhere")
    with pytest.raises(I3Error, match="reconstruction_vocabulary is 0"):
        I3Config(reconstruction_vocabulary=0)
    assert to_original(I3Retriever.from_backbone(tiny_bert, interactor_init="original"))
    with pytest.raises(I3Error, match="the backbone's tokens"):
        to_original(created(tiny_bert, own_words, interactor_init="original")[0])
    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    shutil.rmtree(tmp_path / "MODEL" / "reconstruction_tokenizer")
    with pytest.raises(I3Error, match="no tokenizer here"):
        load_model_directory(tmp_path / "MODEL")


def test_in_sentence_transformers(tiny_bert: str, own_words: str, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    from i3_pyserini.integrations.sentence_transformers import load

    save_model_directory(*created(tiny_bert, own_words), tmp_path / "MODEL")
    model = load(tmp_path / "MODEL", device="cpu")
    features = model.preprocess(["how boil"], prompt="what ", task="query")
    assert features["reconstruction_labels"][0, :3].tolist() == [7, 4, -100]
    model.save(str(tmp_path / "SAVED"))
    assert i3.load(tmp_path / "SAVED").encode_queries(["egg"]).shape == (1, 32)
    fields = json.loads((tmp_path / "SAVED" / "config.json").read_text(encoding="utf-8"))
    assert fields["reconstruction_vocabulary"] == len(OWN_WORDS)

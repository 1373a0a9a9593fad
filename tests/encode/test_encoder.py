"""`load` and `create`: an encoder that takes texts, with the vectors of all other routes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini.encode import EncoderOptions
from i3_pyserini.formats.vector_files import open_index

PASSAGES: list[str | dict[str, str]] = [
    "Boil eggs.",
    {"title": "Light", "text": "Plants need light."},
    "roads " * 300,
]
QUERIES = ["how long to boil an egg", "", "Photosynthesis ÉGGS 水"]


@pytest.mark.slow
def test_a_created_model_ranks_as_its_backbone(minilm: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = i3.create(minilm, output=tmp_path / "model")
    backbone = SentenceTransformer(minilm, device="cpu")
    joined = ["Boil eggs.", "Light Plants need light.", "roads " * 300]
    for found, expected in (
        (encoder.encode_queries(QUERIES), backbone.encode(QUERIES)),
        (encoder.encode_passages(PASSAGES), backbone.encode(joined)),
        (i3.load(minilm).encode_queries(QUERIES), backbone.encode(QUERIES)),
        (i3.load(minilm).encode_passages(PASSAGES), backbone.encode(joined)),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "mean pooling, unit length" in repr(encoder)
    assert not encoder.explain("Boil eggs.").trained


def test_vectors_are_those_of_an_index(tiny_bert: str, tmp_path: Path) -> None:
    encoder = i3.create(tiny_bert, output=tmp_path / "model", passage_length=40)
    corpus = tmp_path / "c.tsv"
    corpus.write_text(
        "id\ttitle\ttext\na\t\tBoil eggs.\nb\tLight\tPlants need light.\n", encoding="utf-8"
    )
    index = i3.encode_corpus(corpus, model=encoder.model, output=tmp_path / "index")
    vectors = encoder.encode_passages(PASSAGES[:2])
    np.testing.assert_allclose(open_index(tmp_path / "index" / "index"), vectors, atol=1e-5)
    found = i3.open_index(index).search("light", k=2)
    scores = vectors @ encoder.encode_queries(["light"])[0]
    assert [hit.docid for hit in found] == ["ab"[row] for row in np.argsort(-scores)]


def test_options_overrule_what_a_model_declares(
    minilm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = EncoderOptions(l2_norm=False, query_prefix="query:")
    encoder = i3.load(minilm, encoder=options)
    assert "options override its declarations (--l2-norm" in capsys.readouterr().err
    assert abs(np.linalg.norm(encoder.encode_queries(["eggs"])[0]) - 1) > 0.01


def test_a_length_above_the_positions_is_said_as_it_is(
    tiny_bert: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "c.tsv"
    corpus.write_text("id\ttext\na\t" + "boil eggs " * 200 + "\n", encoding="utf-8")
    index = i3.encode_corpus(
        corpus, model=tiny_bert, output=tmp_path / "index", encoder=EncoderOptions(max_length=512)
    )
    said = capsys.readouterr().err
    assert "passage_length is 160, not 512" in said
    assert "160 ids" in said
    manifest = json.loads((Path(index) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["model"]["passage_length"] == 160


def test_mistakes(tiny_bert: str, tmp_path: Path) -> None:
    encoder: Any = i3.load(tiny_bert)
    for call, said in (
        (lambda: encoder.encode_queries("eggs"), "expected a list of queries"),
        (lambda: encoder.encode_passages({"text": "eggs"}), "expected a list of passages"),
        (lambda: encoder.encode_passages([{"title": "eggs"}]), "passage 0: no text"),
        (lambda: encoder.encode_passages([{"text": "a", "url": "b"}]), "unknown url"),
        (lambda: encoder.encode_queries([None]), "query 0 is a NoneType"),
        (lambda: i3.load(tmp_path / "none"), "no such directory"),
        (lambda: i3.create(tmp_path / "none", output=tmp_path / "m"), "none"),
        (lambda: encoder.explain("a"), "not an I³ model"),
        (lambda: EncoderOptions(max_length=0), "max_length is 0"),
    ):
        with pytest.raises(i3.I3Error, match=said):
            call()
    assert not (tmp_path / "m").exists()

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import open_index
from tests.encode.slow_encode import slow_encoding
from tests.encode.stand_in import LengthEncoder

Same = Callable[[Path], bool]


@pytest.fixture
def model(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> str:
    save_model_directory(*tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


def write(path: Path, texts: dict[str, str]) -> Corpus:
    lines = [json.dumps({"id": docid, "text": text}) for docid, text in texts.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Corpus(path)


@pytest.mark.slow
def test_one_passage_of_a_megabyte_among_short_ones(model: str, tmp_path: Path) -> None:
    texts = {"a": "egg", "long": "boil an egg " * 90_000, "b": "boil an egg " * 10}
    corpus = write(tmp_path / "c.jsonl", texts)
    run_encoding(corpus, EncoderSpec(model), IndexOutput(tmp_path / "index"))
    encoder = I3DocumentEncoder(model, "cpu")
    alone = np.concatenate([encoder.encode([text]) for text in texts.values()])
    np.testing.assert_allclose(open_index(tmp_path / "index" / "index"), alone, atol=1e-5)


def test_ten_thousand_empty_passages(model: str, tmp_path: Path) -> None:
    corpus = write(tmp_path / "c.jsonl", {f"e{number}": "" for number in range(10_000)})
    run_encoding(corpus, EncoderSpec(model), IndexOutput(tmp_path / "index"))
    vectors = open_index(tmp_path / "index" / "index")
    expected = I3DocumentEncoder(model, "cpu").encode([""])
    np.testing.assert_allclose(vectors, np.repeat(expected, 10_000, axis=0), atol=1e-5)


def test_ids_of_all_languages(tmp_path: Path) -> None:
    ids = ["é", "e\u0301", "漢字", "🥚", "a\u200db", "ß", "SS", "مرحبا", "<b>&amp;", '"', "\\n"]
    corpus = write(tmp_path / "c.jsonl", {docid: "x" * n for n, docid in enumerate(ids)})
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "index"))
    assert (tmp_path / "index" / "docid").read_text(encoding="utf-8") == "\n".join(ids) + "\n"


@pytest.mark.parametrize("place", ["/sys/index", "/proc/index"])
def test_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    corpus = write(tmp_path / "c.jsonl", {"a": "egg"})
    with pytest.raises(I3Error, match=r"\.index\.partial: cannot be written"):
        run_encoding(corpus, LengthEncoder(), IndexOutput(Path(place)))


def test_parts_before_a_vector_that_is_not_finite_stay(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c.jsonl", {str(n): "x" * n for n in range(30)})
    with pytest.raises(I3Error, match="passage '17': its vector is not finite"):
        run_encoding(
            corpus, LengthEncoder(bad="x" * 17), IndexOutput(tmp_path / "index"), slow_encoding()
        )
    assert len(list((tmp_path / ".index.partial").glob("part-*"))) == 3
    encoder = LengthEncoder()
    run_encoding(corpus, encoder, IndexOutput(tmp_path / "index"), slow_encoding())
    assert sum(map(len, encoder.batches)) == 15


def test_corpus_that_is_cut_off_while_it_is_encoded(hundred: Corpus, tmp_path: Path) -> None:
    class Cutting(LengthEncoder):
        def load(self, device: str | None) -> "LengthEncoder":
            (hundred.path / "b.jsonl").write_text("", encoding="utf-8")
            return self

    with pytest.raises(I3Error, match="has changed since this encoding began"):
        run_encoding(hundred, Cutting(), IndexOutput(tmp_path / "index"), slow_encoding())
    assert not (tmp_path / "index").exists()


@pytest.mark.slow
def test_two_devices_give_the_bytes_of_one(
    hundred: Corpus, tmp_path: Path, same_bytes: Same
) -> None:
    how = slow_encoding(["cpu", "cpu"])
    run_encoding(hundred, LengthEncoder(), IndexOutput(tmp_path / "index"), how)
    assert same_bytes(tmp_path / "index")


@pytest.mark.slow
def test_mistake_in_a_worker_is_the_command_s(tmp_path: Path) -> None:
    corpus = write(tmp_path / "c.jsonl", {str(n): "x" * n for n in range(30)})
    with pytest.raises(I3Error, match="passage '17': its vector is not finite"):
        run_encoding(
            corpus,
            LengthEncoder(bad="x" * 17),
            IndexOutput(tmp_path / "index"),
            slow_encoding(["cpu", "cpu"]),
        )


@pytest.mark.parametrize("store", ["float32", "float16"])
def test_precisions_agree(model: str, tmp_path: Path, store: str) -> None:
    texts = {str(n): "boil an egg in hot water " * (n % 7) for n in range(60)}
    corpus = write(tmp_path / "c.jsonl", texts)
    vectors = {}
    for dtype in ("fp32", "bf16"):
        target = tmp_path / f"{dtype}-{store}"
        how = Encoding(Batching(tokens=200, store_dtype=store))
        run_encoding(corpus, EncoderSpec(model, dtype=dtype), IndexOutput(target), how)
        vectors[dtype] = np.array(open_index(target / "index"))
    exact = I3DocumentEncoder(model, "cpu").encode(list(texts.values()))
    tolerance = 1e-5 if store == "float32" else 2e-3
    np.testing.assert_allclose(vectors["fp32"], exact, atol=tolerance)
    lengths = np.linalg.norm(vectors["bf16"], axis=1) * np.linalg.norm(exact, axis=1)
    assert ((vectors["bf16"] * exact).sum(axis=1) / lengths).min() > 0.999
    assert not np.array_equal(vectors["bf16"], vectors["fp32"])

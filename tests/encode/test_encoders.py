from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.encode.index_encoder import check_index
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.encode.runner import run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.encoded_queries import save_queries
from i3_pyserini.formats.index import EncoderRecord, IndexManifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.formats.vector_files import Shape
from i3_pyserini.model.devices import torch_device
from i3_pyserini.model.fingerprint import fingerprint
from i3_pyserini.model.settings import EncoderSettings
from tests.model.odd_tokenizers import KINDS, Kind, make_odd_model

TEXTS, TITLES = ["boil an egg", "hot water"], ["eggs", None]


@pytest.fixture
def directory(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> str:
    save_model_directory(*tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


@torch.no_grad()
def test_i3_encoders_are_the_model(
    tiny_model: tuple[I3Retriever, I3Tokenizer], directory: str
) -> None:
    model, tokenizer = tiny_model
    passages = I3DocumentEncoder(directory, "cpu").encode(TEXTS, titles=TITLES, max_length=9)
    ours = model.encode_passages(**tokenizer.passages(TEXTS, TITLES))["vectors"]
    np.testing.assert_allclose(passages, ours.numpy(), atol=1e-6)
    expected = model.encode_queries(**tokenizer.queries(TEXTS)).numpy()
    for place in (directory, f"{directory}/query_encoder"):
        encoder = I3QueryEncoder(encoder_dir=place, device="cpu", prefix=None, tokenizer_name=None)
        np.testing.assert_allclose(encoder.encode_batch(TEXTS), expected, atol=1e-6)
        assert encoder.encode(TEXTS[0], max_length=None).shape == (32,)
        np.testing.assert_allclose(encoder.encode(TEXTS[0]), expected[0], atol=1e-6)


def auto(directory: str, **options: Any) -> AutoDocumentEncoder:
    return AutoDocumentEncoder(directory, "cpu", settings=EncoderSettings(**options))


def test_auto_encoder_pools_as_told(tiny_bert: str) -> None:
    plain = auto(tiny_bert).encode(TEXTS)
    assert plain.dtype == np.float32
    mean = auto(tiny_bert, pooling="mean", normalize=True).encode(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(mean, axis=1), 1, atol=1e-6)
    titled = auto(tiny_bert).encode(TEXTS, TITLES)
    by_hand = auto(tiny_bert).encode(["eggs boil an egg", "hot water"])
    np.testing.assert_allclose(titled, by_hand, atol=1e-6)
    prefixed = auto(tiny_bert, passage_prompt="what : ").encode(TEXTS)
    by_hand = auto(tiny_bert).encode([f"what : {text}" for text in TEXTS])
    np.testing.assert_allclose(prefixed, by_hand, atol=1e-6)
    short = auto(tiny_bert, passage_length=3).encode(["boil an egg"])
    np.testing.assert_allclose(short, auto(tiny_bert).encode(["boil"]), atol=1e-6)


def test_device_that_is_not_here() -> None:
    with pytest.raises(I3Error, match="--device nonsense is not usable"):
        torch_device("nonsense")
    if not torch.cuda.is_available():
        with pytest.raises(I3Error, match="--device cuda:0 is not usable"):
            torch_device("cuda:0")
        assert torch_device(None).type == "cpu"


def test_fingerprint_is_of_config_and_weights(directory: str, tiny_bert: str) -> None:
    before = fingerprint(Path(directory))
    assert before == fingerprint(Path(directory))
    assert before != fingerprint(Path(tiny_bert))
    weights = Path(directory) / "query_encoder" / "model-00001-of-00002.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint(Path(directory)) != before
    assert fingerprint(Path("some/hub-name")) is None


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "2_Dense/pytorch_model.bin"]
)
def test_fingerprint_is_of_pytorchs_own_weights_too(tmp_path: Path, name: str) -> None:
    def changed(file: Path) -> bool:
        before = fingerprint(tmp_path)
        file.write_text(file.name, encoding="utf-8")
        return fingerprint(tmp_path) != before

    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    weights = tmp_path / name
    assert changed(weights)
    assert not changed(weights.with_name("training_args.bin"))
    assert changed(weights.with_name("model.safetensors"))  # which is read, and the other is not
    weights.write_text("of another model", encoding="utf-8")
    assert not changed(weights)


def test_topics_and_encoded_queries(directory: str, tmp_path: Path) -> None:
    import pandas as pd

    topics_file = tmp_path / "topics.tsv"
    topics_file.write_text("q1\tboil an egg \n\nq2\teggs\n", encoding="utf-8")
    topics = read_topics(str(topics_file))
    assert topics == {"q1": "boil an egg", "q2": "eggs"}
    encoder = I3QueryEncoder(directory, "cpu")
    vectors = encoder.encode_batch(list(topics.values()))
    np.testing.assert_allclose(vectors[1], encoder.encode("eggs"), atol=1e-6)
    save_queries(tmp_path / "queries", topics, vectors)
    frame = pd.read_pickle(tmp_path / "queries" / "embedding.pkl")
    assert list(frame["text"]) == ["boil an egg", "eggs"]
    np.testing.assert_array_equal(np.stack(frame["embedding"]), vectors)
    with pytest.raises(I3Error, match="exists"):
        save_queries(tmp_path / "queries", topics, vectors)
    with pytest.raises(I3Error, match="'bpr'"):
        save_queries(tmp_path / "bpr-queries", topics, vectors)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("q1 boil an egg\n", "line 1: no tab"),
        ("q1\tboil\nq2\t \n", "line 2: the query is empty"),
        ("\tboil\n", "line 1: the query id is empty"),
        ("q1\tboil\nq1\tegg\n", "line 2: query id 'q1' occurs a second time"),
        ("\n", "no topics"),
    ],
)
def test_bad_topics_are_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(I3Error, match=f"t.tsv.*{said}"):
        read_topics(str(tmp_path / "t.tsv"))


def test_topics_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="no such topics file"):
        read_topics(str(tmp_path / "none.tsv"))
    (tmp_path / "t.tsv").write_bytes(b"q1\t\xff\n")
    with pytest.raises(I3Error, match=r"t\.tsv, line 1: not valid UTF-8"):
        read_topics(str(tmp_path / "t.tsv"))
    with pytest.raises(I3Error, match=r"neither a file nor|pip install ir_datasets"):
        read_topics("no-such-set")


def test_index_of_another_model(directory: str, tmp_path: Path) -> None:
    encoder = load_query_encoder(directory)

    def index(name: str, dimension: int, made_by: str | None, model: str = "other") -> Path:
        output = IndexOutput(tmp_path / name)
        manifest = IndexManifest(encoder=EncoderRecord(name=model, fingerprint=made_by))
        with output.work():
            block = Block(["d"], np.ones((1, dimension), dtype=np.float32))
            output.finish([block], Shape(1, dimension), manifest)
        return tmp_path / name

    check_index(index("same", 32, fingerprint(Path(directory))), encoder)
    check_index(index("unknown", 32, None), encoder)
    with pytest.raises(I3Error, match=r"encoded by another model \(other\)"):
        check_index(index("other", 32, "0" * 64), encoder)
    with pytest.raises(I3Error, match=r"weights of .* have changed since it was encoded"):
        check_index(index("changed", 32, "0" * 64, directory), encoder)
    with pytest.raises(I3Error, match=r"vectors of 16 dimensions, but those of .* have 32"):
        check_index(index("narrow", 16, None), encoder)
    with pytest.raises(I3Error, match="not an index"):
        check_index(tmp_path / "nowhere", encoder)
    (tmp_path / "same" / "index").write_bytes(b"IxFI")
    with pytest.raises(I3Error, match="FAISS cannot read it"):
        check_index(tmp_path / "same", encoder)
    assert faiss.read_index(str(tmp_path / "unknown" / "index")).ntotal == 1


@pytest.mark.parametrize("kind", ["plain", "accents"])
def test_a_tokenizer_that_stock_reads_otherwise_is_noted(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_odd_model(KINDS[kind], tmp_path / "odd")
    (tmp_path / "c.jsonl").write_text('{"id": "d", "text": "Café"}\n', encoding="utf-8")
    spec = EncoderSpec(model, "auto")
    run_encoding(Corpus(tmp_path / "c.jsonl"), spec, IndexOutput(tmp_path / "index"))
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert sum("strip_accents" in line for line in notes) == bool(KINDS[kind].changed)


def test_a_token_without_an_embedding_is_named(tmp_path: Path) -> None:
    declared = {"added_tokens_decoder": {"999": {"content": "[NEW]", "special": True}}}
    model = make_odd_model(Kind(config=declared), tmp_path / "odd")
    assert auto(model).encode(["an egg"]).shape == (1, 32)
    with pytest.raises(I3Error, match=r"token '\[NEW\]' has id \d+, but the model has only"):
        auto(model).encode(["an egg", "a [NEW] egg"])

"""`index verify` encodes passages again with the model that made the index."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.reference import Flags, reference_of
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.encode.verify import verify
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.model.settings import EncoderSettings
from tests.conftest import Run
from tests.encode.indexes import edit_manifest
from tests.model.odd_tokenizers import KINDS, make_odd_model

EGGS = [
    "boil an egg",
    "hot water",
    "cold eggs",
    "what is photosynthesis",
    "place the plant in light",
]

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def eggs(tmp_path: Path) -> Corpus:
    path = tmp_path / "eggs.jsonl"
    records = [
        {"id": f"e{n}", "title": "eggs" if n % 2 else None, "text": f"{EGGS[n % 5]} {'a ' * n}"}
        for n in range(20)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return Corpus(path)


@pytest.fixture
def i3_model(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> str:
    save_model_directory(*tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("store_dtype", ["float32", "float16"])
def test_real_models_make_their_vectors_again(
    eggs: Corpus, i3_model: str, tiny_bert: str, tmp_path: Path, dtype: str, store_dtype: str
) -> None:
    settings = EncoderSettings("mean", normalize=True, passage_prompt="what : ", passage_length=12)
    for name, spec in (
        ("i3", EncoderSpec(i3_model, "i3", dtype)),
        ("auto", EncoderSpec(tiny_bert, "auto", dtype, settings=settings)),
    ):
        for with_titles in (True, False):
            index = tmp_path / f"{name}-{with_titles}"
            how = Encoding(Batching(with_titles=with_titles, store_dtype=store_dtype))
            run_encoding(eggs, spec, IndexOutput(index, "npy"), how)
            reference = reference_of(index, Flags(eggs.path))
            assert reference.with_titles == with_titles
            assert reference.source == replace(spec, dtype="fp32")
            assert "20 passages encoded again" in list(verify(index, reference))[-1]


def test_flags_of_an_index_of_ours_are_in_its_manifest(
    eggs: Corpus, tiny_bert: str, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    named = Corpus(eggs.path, ("title", "text"), "id", "||")
    run_encoding(named, EncoderSpec(tiny_bert, "auto"), IndexOutput(index))
    assert reference_of(index, Flags(eggs.path)).corpus == named
    assert reference_of(index, Flags()).unit_tolerance is None
    for flags, said in (
        (Flags(options={"pooling": "mean"}), "--pooling: the manifest of "),
        (Flags(fields=("text",)), "--fields: the manifest"),
        (Flags(encoder_class="auto"), "--encoder-class: the manifest"),
    ):
        with pytest.raises(I3Error, match=said):
            reference_of(index, flags)
    edit_manifest(
        index, model={**read_manifest(index).encoder.to_json(), "name": "/gone", "normalize": True}
    )
    assert reference_of(index, Flags()).source is None
    assert reference_of(index, Flags()).unit_tolerance == 1e-3
    with pytest.raises(I3Error, match=r"its model /gone .*; give --model, or --check 0"):
        reference_of(index, Flags(eggs.path))
    assert reference_of(index, Flags(eggs.path, passages=0)).source is None
    moved = reference_of(index, Flags(eggs.path, tiny_bert)).source
    assert moved == EncoderSpec(tiny_bert, "auto", settings=EncoderSettings(normalize=True))


def test_an_index_of_stock_pyserini_with_flags(
    eggs: Corpus, tiny_bert: str, tmp_path: Path
) -> None:
    spec = EncoderSpec(tiny_bert, "auto", settings=EncoderSettings("mean", normalize=True))
    texts = [passage.text for passage in eggs]
    vectors = spec.load("cpu").encode(texts)
    stock = tmp_path / "stock"
    stock.mkdir()
    index = faiss.IndexFlatIP(32)
    index.add(vectors)
    faiss.write_index(index, str(stock / "index"))
    (stock / "docid").write_text("\n".join(passage.docid for passage in eggs), encoding="utf-8")

    def run(**flags: Any) -> list[str]:
        return list(verify(stock, reference_of(stock, Flags(eggs.path, **flags))))

    right = {"pooling": "mean", "normalize": True}
    found = run(model=tiny_bert, encoder_class="auto", options=right)
    assert "20 passages encoded again" in found[-1]
    assert "20 passages" in run(model=tiny_bert, options=right, fields=("text",))[-1]
    with pytest.raises(I3Error, match="have a cosine of"):
        run(model=tiny_bert, options={"pooling": "cls", "normalize": True})
    with pytest.raises(I3Error, match="--l2-norm for one"):
        run(model=tiny_bert, options={"pooling": "mean"})
    with pytest.raises(I3Error, match="have a cosine of"):
        run(model=tiny_bert, options=right, fields=("title", "text"))
    with pytest.raises(I3Error, match="unknown model"):
        run()
    assert run(passages=0)[-1] == "collection  the same 20 ids in the same order"
    with pytest.raises(I3Error, match=r"--pooling: .*--model"):
        run(options={"pooling": "mean"}, passages=0)


def test_a_scaled_index_in_bf16_is_allowed_its_rounding(
    eggs: Corpus, tiny_bert: str, tmp_path: Path
) -> None:
    settings = EncoderSettings(normalize=True)
    for dtype, tolerance in (("fp32", 1e-3), ("bf16", 1e-2)):
        index = tmp_path / dtype
        spec = EncoderSpec(tiny_bert, "auto", dtype, settings=settings)
        run_encoding(eggs, spec, IndexOutput(index))
        assert reference_of(index, Flags()).unit_tolerance == tolerance


def test_an_i3_model_that_scales_vectors(tiny_bert: str, tmp_path: Path, eggs: Corpus) -> None:
    model = I3Retriever.from_backbone(tiny_bert, normalize=True)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "model")
    run_encoding(eggs, EncoderSpec(str(tmp_path / "model")), IndexOutput(tmp_path / "index"))
    assert reference_of(tmp_path / "index", Flags()).unit_tolerance == 1e-3


def test_verify_on_the_command_line(
    eggs: Corpus, i3_model: str, tmp_path: Path, run_module: Run
) -> None:
    index = tmp_path / "index"
    run_encoding(eggs, EncoderSpec(i3_model), IndexOutput(index))
    command = ("i3_pyserini", "index", "verify", index, "--corpus", eggs.path)
    done = run_module(*command, "--check", 7)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("files", "model", "tokenizer", "ids", "vectors", "bytes", "collection", "sample", "ok")
    ]
    assert "7 passages encoded again" in done.stdout
    for flags, said in (
        (("--check", -1), "check is -1, must be at least 0"),
        (("--max-length", 0), "max_length is 0, must be at least 1"),
        (("--add-sep",), f"--add-sep: the manifest of {index}"),
    ):
        done = run_module(*command, *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {said}")
    eggs.path.write_text(
        eggs.path.read_text(encoding="utf-8").replace("e19", "f19"), encoding="utf-8"
    )
    done = run_module(*command, "--check", 7)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {eggs.path}, line 20: id 'f19', but 'e19' in {index / 'docid'}, line 20\n"
    )
    assert "ok" not in done.stdout.splitlines()


@pytest.mark.parametrize("kind", ["plain", "accents", "pre-tokenizer"])
def test_a_tokenizer_that_transformers_changes_is_named(
    eggs: Corpus, tmp_path: Path, kind: str
) -> None:
    model = make_odd_model(KINDS[kind], tmp_path / "odd")
    spec = EncoderSpec(model, "auto")
    run_encoding(eggs, spec, IndexOutput(tmp_path / "index"))
    found = list(verify(tmp_path / "index", reference_of(tmp_path / "index", Flags(eggs.path))))
    (line,) = (line for line in found if line.startswith("tokenizer"))
    assert KINDS[kind].changed in line
    assert ("PreTrainedTokenizerFast" in line) == bool(KINDS[kind].changed)
    assert any(line.startswith("sample") for line in found)

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.merge import merge
from i3_pyserini.encode.reference import Flags, Reference, reference_of
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.encode.verify import look_through, spread, verify
from i3_pyserini.errors import I3Error
from i3_pyserini.formats import jsonl_vectors, vector_files
from i3_pyserini.formats.index import EncoderRecord, IndexManifest, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.vector_files import Kind, Shape
from i3_pyserini.model.settings import EncoderSettings
from tests.conftest import Run
from tests.encode.indexes import (
    PASSAGES,
    content,
    edit_manifest,
    encode,
    vectors_of_corpus,
    write_corpus,
)
from tests.encode.stand_in import LengthEncoder
from tests.model.odd_tokenizers import KINDS, make_odd_model

EGGS = [
    "boil an egg",
    "hot water",
    "cold eggs",
    "what is photosynthesis",
    "place the plant in light",
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_files, "BLOCK", 7)
    monkeypatch.setattr(jsonl_vectors, "BLOCK", 7)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return write_corpus(tmp_path)


@pytest.fixture
def eggs(tmp_path: Path) -> Corpus:
    path = tmp_path / "eggs.jsonl"
    records = [
        {"id": f"e{n}", "title": "eggs" if n % 2 else None, "text": f"{EGGS[n % 5]} {'a ' * n}"}
        for n in range(20)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Corpus(path)


def check(index: Path, corpus: Corpus | None = None, **more: Any) -> list[str]:
    reference = Reference(corpus, source=LengthEncoder())
    return list(verify(index, replace(reference, **more)))


def set_row(index: Path, row: int, vector: Any) -> None:
    """Changes a vector in a FAISS index of two dimensions."""
    with (index / "index").open("r+b") as file:
        file.seek(45 + row * 8)
        file.write(np.array(vector, dtype="<f4").tobytes())


@pytest.mark.parametrize("kind", ["faiss", "jsonl", "npy"])
def test_a_sound_index_passes(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    lengths = np.linalg.norm(vectors_of_corpus(), axis=1)
    found = check(encode(corpus, tmp_path / "index", kind), corpus)
    assert found == [
        f"files       60 vectors of 2 dimensions ({kind}), as its manifest says",
        "model       None, with the fingerprint of the manifest",
        "ids         60, none twice",
        f"vectors     all finite, lengths 1 to {lengths.max():.4g}, {lengths.mean():.4g} on "
        "average, 0 of them 0",
        "collection  the same 60 ids in the same order",
        "sample      60 passages encoded again, cosine 1.000000 at least, 1.000000 on average",
    ]


@pytest.mark.parametrize("kind", ["faiss", "jsonl"])
def test_shards_and_what_is_merged_of_them_pass(corpus: Corpus, tmp_path: Path, kind: Kind) -> None:
    shards = [encode(corpus, tmp_path / f"s{one}", kind, (one, 3)) for one in range(3)]
    for one, shard in enumerate(shards):
        assert len(check(shard, corpus, shard=Shard(one, 3))) == 6
        assert reference_of(shard, Flags(corpus.path, passages=0)).shard == Shard(one, 3)
    with pytest.raises(I3Error, match=r"a\.jsonl, line 1: id 'd0', but 'd\d+' in .*, line 1"):
        check(shards[1], corpus)
    merge(shards, tmp_path / "merged")
    assert len(check(tmp_path / "merged", corpus)) == 6


def test_without_a_collection_the_index_alone_is_looked_at(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    assert len(check(index)) == 4
    (index / "manifest.json").unlink()
    found = check(index, source=None)
    assert found[0].endswith("without a manifest.json")
    assert found[1] == "model       no name, not compared (give it as --model)"


@pytest.mark.parametrize(
    ("name", "value"), [("passages", 61), ("dimension", 3), ("output", "npy"), ("passages", None)]
)
def test_a_manifest_of_other_numbers_is_named(
    corpus: Corpus, tmp_path: Path, name: str, value: Any
) -> None:
    index = encode(corpus, tmp_path / "index")
    found = read_manifest(index).to_json()[name]
    edit_manifest(index, **{name: value})
    with pytest.raises(I3Error, match=rf"index: {name} {found}, but {value} in its manifest\.json"):
        check(index)


def test_damaged_files_are_named(corpus: Corpus, tmp_path: Path) -> None:
    def cut(index: Path, name: str, size: int) -> Path:
        path = index / name
        path.write_bytes(path.read_bytes()[:-size])
        return index

    def index(name: str, kind: Kind = "faiss") -> Path:
        return encode(corpus, tmp_path / name, kind)

    cases = [
        (cut(index("a"), "index", 1), "524 bytes where 525 are due; it was cut off"),
        (cut(index("b"), "docid", 1), "its last line has no end; it was cut off"),
        (cut(index("c"), "docid", 4), "docid: 59 ids for 60 vectors"),
        (cut(index("d", "npy"), "embeddings.npy", 1), "not a .npy file that can be mapped"),
        (cut(index("e", "jsonl"), "embeddings.jsonl", 2), "line 60: not valid JSON"),
        (cut(index("f", "jsonl"), "embeddings.jsonl", 1), "its last line has no end"),
        (tmp_path / "nowhere", "nowhere: no vectors here"),
    ]
    twice = index("twice")
    ids = (twice / "docid").read_text().replace("d59\n", "d7\n")
    (twice / "docid").write_text(ids)
    cases.append((twice, "docid, line 60: id 'd7' occurs a second time"))
    more = index("more")
    (more / "docid").write_text((more / "docid").read_text() + "d60\n")
    cases.append((more, "docid: 61 ids for 60 vectors"))
    for folder, said in cases:
        with pytest.raises(I3Error) as refused:
            check(folder)
        assert said in str(refused.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_is_named(corpus: Corpus, tmp_path: Path, value: float) -> None:
    index = encode(corpus, tmp_path / "index")
    set_row(index, 38, [1, value])
    with pytest.raises(I3Error, match=r"the vector of id 'd38' \(row 38, from 0\) is not finite"):
        check(index)


def test_lengths_of_vectors() -> None:
    vectors = np.array([[3, 4], [0, 0], [0, 1], [0, 0], [6, 8]], dtype=np.float16)
    blocks = [Block(["a", "b"], vectors[:2]), Block(["c", "d", "e"], vectors[2:])]
    lengths, kept = look_through(Path("i"), blocks, [1, 4])
    assert (lengths.least, lengths.mean, lengths.most, lengths.zeros) == (0, 16 / 5, 10, 2)
    np.testing.assert_array_equal(kept, vectors[[1, 4]])


def test_lengths_of_a_model_that_scales_vectors() -> None:
    def look(length: float) -> None:
        vectors = np.array([[0.6, 0.8], [0, length]])
        look_through(Path("i"), [Block(["a", "b"], vectors)], [], 1e-3)

    look(1.0009)
    look(0.9991)
    for length in (1.0011, 0.9989, 0):
        said = rf"id 'b' \(row 1, from 0\) has length {length:.4g}, but its model scales"
        with pytest.raises(I3Error, match=said):
            look(length)


def test_rows_are_spread_and_the_same_for_a_seed() -> None:
    assert spread(5, 10, seed=3) == [0, 1, 2, 3, 4]
    assert spread(5, 0, seed=3) == []
    rows = spread(1003, 10, seed=0)
    assert [row * 10 // 1003 for row in rows] == list(range(10))
    assert rows == spread(1003, 10, seed=0) != spread(1003, 10, seed=1)
    assert {row for seed in range(200) for row in spread(20, 4, seed)} == set(range(20))


def test_the_first_difference_to_the_collection_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    path = corpus.path / "b.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for changed, said in (
        (lines[:-1], r"docid, line 60: id 'd59', but .*corpus ended before it"),
        ([*lines, lines[0]], r"b\.jsonl, line 36: id 'd25' is not in .*docid, which ended before"),
        ([*lines[:3], *lines[4:]], r"b\.jsonl, line 4: id 'd29', but 'd28' in .*docid, line 29"),
        ([lines[1], lines[0]], r"b\.jsonl, line 1: id 'd26', but 'd25' in .*docid, line 26"),
        ([*lines[:2], "\n", '{"text": "x"}\n'], r"b\.jsonl, line 4: no id"),
    ):
        path.write_text("".join(changed))
        with pytest.raises(I3Error, match=said):
            check(index, corpus)
    path.write_text("\n".join(lines))  # blank lines between change nothing
    assert len(check(index, corpus)) == 6


def test_a_vector_of_another_passage_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    set_row(index, 31, [0, 5])  # the passage has no title of five letters
    expected = vectors_of_corpus()[31]
    cosine = expected[1] / np.linalg.norm(expected)
    said = rf"the vector of id 'd31' .* have a cosine of {cosine:.4f}, below 0\.999"
    with pytest.raises(I3Error, match=said):
        check(index, corpus)
    seeds = [
        seed for seed in range(40) if 31 in spread(PASSAGES, 3, seed)
    ]  # only those that choose the passage see it
    assert 0 < len(seeds) < 40
    for seed in range(40):
        if seed in seeds:
            with pytest.raises(I3Error, match=said):
                check(index, corpus, passages=3, seed=seed)
        else:
            assert "3 passages encoded again" in check(index, corpus, passages=3, seed=seed)[-1]


def test_a_vector_of_another_length_is_named(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    expected = vectors_of_corpus()[12]
    set_row(index, 12, expected * 1.04)
    assert len(check(index, corpus)) == 6
    set_row(index, 12, expected * 1.05)
    with pytest.raises(I3Error, match=r"the vector of id 'd12' has length .* --l2-norm for one"):
        check(index, corpus)
    set_row(index, 12, [0, 0])
    with pytest.raises(I3Error, match=r"id 'd12' .* have a cosine of 0\.0000"):
        check(index, corpus)


def test_a_vector_of_zeros_can_be_right(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "empty", "text": ""}\n{"id": "1", "text": "x"}\n')
    index = encode(Corpus(path), tmp_path / "index")
    found = check(index, Corpus(path))
    assert found[3].endswith("1 of them 0")
    assert found[5].startswith("sample      2 passages encoded again, cosine 1.000000 at least")


def test_titles_are_given_to_the_encoder_as_they_were(corpus: Corpus, tmp_path: Path) -> None:
    how = Encoding(Batching(with_titles=False))
    run_encoding(corpus, LengthEncoder(), IndexOutput(tmp_path / "index"), how)
    assert len(check(tmp_path / "index", corpus, with_titles=False)) == 6
    with pytest.raises(I3Error, match="have a cosine of"):
        check(tmp_path / "index", corpus, with_titles=True)


def test_another_model_is_named(corpus: Corpus, tmp_path: Path) -> None:
    class Other(LengthEncoder):
        def __init__(self, **more: Any) -> None:
            super().__init__()
            self.more = more

        def describe(self) -> EncoderRecord:
            return replace(super().describe(), **{"name": "other", **self.more})

    index = encode(corpus, tmp_path / "index", encoder=Other(name="own"))
    with pytest.raises(I3Error, match=r"encoded by another model \(own\) than other"):
        check(index, source=Other(fingerprint="g"))
    with pytest.raises(I3Error, match="vectors of 2 dimensions, but the model's have 3"):
        check(index, source=Other(dimension=3))
    assert "no fingerprint to compare" in check(index, source=Other(fingerprint=None))[1]


@pytest.fixture
def i3_model(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> str:
    save_model_directory(*tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


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
        (Flags(options={"pooling": "mean"}), "--pooling: the manifest of .* says it"),
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
    with pytest.raises(I3Error, match="its model /gone is not here; give --model, or --check 0"):
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
    (stock / "docid").write_text("\n".join(passage.docid for passage in eggs))

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
    with pytest.raises(I3Error, match="of what model"):
        run()
    assert run(passages=0)[-1] == "collection  the same 20 ids in the same order"
    with pytest.raises(I3Error, match="--pooling: says how a model encodes; name it with --model"):
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


def test_an_empty_index(tmp_path: Path) -> None:
    output = IndexOutput(tmp_path / "index")
    with output.work():
        output.finish([], Shape(0, 3), IndexManifest())
    with pytest.raises(I3Error, match="index: no vectors in it"):
        check(tmp_path / "index")


def test_verify_reads_only(corpus: Corpus, tmp_path: Path) -> None:
    index = encode(corpus, tmp_path / "index")
    before = content(index), (index / "manifest.json").read_bytes(), sorted(tmp_path.iterdir())
    assert check(index, corpus) == check(index, corpus)
    after = content(index), (index / "manifest.json").read_bytes(), sorted(tmp_path.iterdir())
    assert before == after


def test_verify_on_the_command_line(
    eggs: Corpus, i3_model: str, tmp_path: Path, run_module: Run
) -> None:
    index = tmp_path / "index"
    run_encoding(eggs, EncoderSpec(i3_model), IndexOutput(index))
    command = ("i3_pyserini", "index", "verify", index, "--corpus", eggs.path)
    done = run_module(*command, "--check", 7)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("files", "model", "tokenizer", "ids", "vectors", "collection", "sample", "ok")
    ]
    assert "7 passages encoded again" in done.stdout
    for flags, said in (
        (("--check", -1), "check is -1, must be at least 0"),
        (("--max-length", 0), "max_length is 0, must be at least 1"),
        (("--add-sep",), f"--add-sep: the manifest of {index} says it; leave it out"),
    ):
        done = run_module(*command, *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: {said}\n"
    eggs.path.write_text(eggs.path.read_text().replace("e19", "f19"))
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

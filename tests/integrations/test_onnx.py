"""An exported model is the model: same vectors, same hits, without torch."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import BertConfig

import i3_pyserini as i3
from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.corpus import ComputeOptions
from i3_pyserini.encode.exported_encoders import ExportedQueryEncoder
from i3_pyserini.encode.flags import ChunkOptions, EncoderOptions, QueryOptions
from i3_pyserini.encode.indexes import verify_index
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.vector_files import open_index as vectors_of
from i3_pyserini.integrations import export_model
from i3_pyserini.model.exported import GRAPH, RECORD
from tests.conftest import Run, tiny_bert_config
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import PASSAGES, passages, queries
from tests.model.backbones import FAMILIES, MakeBackbone
from tests.model.st_models import st_model
from tests.pages import block, run_code, run_python

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="needs the extra onnx")

pytestmark = pytest.mark.slow
TOLERANCE = 1e-5
FEW = passages()[:60]


@pytest.fixture(scope="session")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("exported") / "ONNX"
    export_model(trained.model, output=folder)
    return str(folder)


@pytest.fixture
def same_graphs(exported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports `trained.model` again without the seconds that writing the same graphs takes."""

    def copied(module: Any, path: Path) -> None:
        shutil.copyfile(Path(exported) / path.relative_to(path.parents[2]), path)

    monkeypatch.setattr("i3_pyserini.integrations.onnx_folder.write_graph", copied)


def check_same(folder: str, model: str, encoder: EncoderOptions | None = None) -> None:
    """Both sides of an exported folder have the vectors of its model."""
    ours, theirs = i3.load(model, encoder=encoder), i3.load(folder)
    assert theirs.settings == ours.settings
    for name, texts in (("encode_queries", queries()), ("encode_passages", FEW)):
        expected, found = (getattr(one, name)(texts) for one in (ours, theirs))
        np.testing.assert_allclose(found, expected, atol=TOLERANCE, err_msg=name)
        alone = np.concatenate([getattr(theirs, name)([text]) for text in texts[:13]])
        np.testing.assert_allclose(alone, expected[:13], atol=TOLERANCE, err_msg=name)


def test_vectors_are_those_of_the_model(trained: Trained, exported: str) -> None:
    check_same(exported, trained.model)


@pytest.mark.parametrize(("threads", "at_once", "each"), [(1, 1, 1), (3, 3, 1), (40, 16, 2)])
def test_threads_are_shared_by_batches(
    exported: str, threads: int, at_once: int, each: int
) -> None:
    encoder = ExportedQueryEncoder(Path(exported), threads)
    assert encoder.at_once == at_once
    options = encoder._run._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (each, 1)


def test_an_index_is_the_same_whichever_way_it_is_encoded(
    trained: Trained, exported: str, tmp_path: Path
) -> None:
    expected = vectors_of(trained.index / "index")
    backend = ComputeOptions(backend="onnx")
    for name, model, compute in (
        ("exported", exported, None),
        ("backend", trained.model, backend),
    ):
        index = tmp_path / name
        i3.encode_corpus(trained.corpus, model=model, output=index, compute=compute)
        np.testing.assert_allclose(vectors_of(index / "index"), expected, atol=TOLERANCE)
        made_by, known = (read_manifest(one).encoder for one in (index, trained.index))
        assert (made_by.name, made_by.backend, made_by.dtype) == (model, "onnx", "fp32")
        assert made_by.libraries and "onnxruntime" in made_by.libraries
        for field in ("kind", "fingerprint", "tokenizer", "pooling", "query_prompt", "cut"):
            assert getattr(made_by, field) == getattr(known, field), field
        assert "ok" in str(verify_index(index, corpus=trained.corpus))
        for other in (trained.model, exported):
            assert i3.open_index(index, model=other).search("starch until a cold night")


def test_a_search_finds_the_same_without_torch(
    trained: Trained, exported: str, tmp_path: Path
) -> None:
    topics = tmp_path / "topics.tsv"
    asked = [" ".join(text.split()) for text in queries()]
    lines = [f"q{row}\t{text}\n" for row, text in enumerate(asked) if text]
    topics.write_text("".join(lines), encoding="utf-8")
    runs = [tmp_path / "torch.txt", tmp_path / "onnx.txt"]
    i3.search_topics(trained.index, topics, output=runs[0], hits=1000)
    code = (
        "import sys, i3_pyserini as i3\n"
        f"i3.search_topics({str(trained.index)!r}, {str(topics)!r}, model={exported!r}, "
        f"output={str(runs[1])!r}, hits=1000)\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"
    found = []
    for run in runs:  # whole rankings, so that the order of equal scores does not matter
        rows = [line.split() for line in run.read_text("utf-8").splitlines()]
        found.append({(row[0], row[2]): float(row[4]) for row in rows})
    assert found[0].keys() == found[1].keys() and len(found[0]) == PASSAGES * len(set(lines))
    expected, scores = ([one[pair] for pair in sorted(one)] for one in found)
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)


def test_a_corpus_is_encoded_without_torch(trained: Trained, exported: str, tmp_path: Path) -> None:
    """As by a command, and with several batches at once."""
    index = tmp_path / "index"
    code = (
        "import sys, i3_pyserini as i3\n"
        "from i3_pyserini.encode.corpus import ComputeOptions\n"
        f"i3.encode_corpus({str(trained.corpus)!r}, model={exported!r}, output={str(index)!r}, "
        "compute=ComputeOptions(batch_size=2))\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"
    expected = vectors_of(trained.index / "index")
    np.testing.assert_allclose(vectors_of(index / "index"), expected, atol=TOLERANCE)


@pytest.mark.parametrize(  # all families with "released": test_backbone_matrix.py
    ("family", "interaction"), [("bert", "paper"), ("bert", "none"), ("modernbert", "paper")]
)
def test_every_interaction_and_family(
    family: str, interaction: Any, make_backbone: MakeBackbone, tmp_path: Path
) -> None:
    model = tmp_path / "MODEL"
    i3.create(make_backbone(FAMILIES[family]), output=model, interaction=interaction)
    export_model(model, output=tmp_path / "ONNX")
    check_same(str(tmp_path / "ONNX"), str(model))


def test_one_encoder_for_both(tiny_bert: str, tmp_path: Path) -> None:
    model = I3Retriever.from_backbone(tiny_bert, tie_encoders=True)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    export_model(tmp_path / "MODEL", output=tmp_path / "ONNX")
    check_same(str(tmp_path / "ONNX"), str(tmp_path / "MODEL"))


@pytest.fixture(scope="module")
def one_layer(make_backbone: MakeBackbone) -> str:
    """A backbone for what comes after the layers: an export takes as long as there are layers."""
    return make_backbone(BertConfig(**{**tiny_bert_config().to_dict(), "num_hidden_layers": 1}))


@pytest.mark.parametrize(
    ("pooling", "modules", "options"),
    [
        ({"pooling_mode_mean_tokens": True, "include_prompt": False}, ["Dense:16"], None),
        ("last", ["Normalize"], EncoderOptions(add_sep=True)),
        ("weighted_mean", [], EncoderOptions(prefix="a b", l2_norm=True, max_length=12)),
        ("max", ["Normalize"], None),
    ],
)
def test_any_encoder_with_its_declarations(
    one_layer: str,
    pooling: Any,
    modules: list[str],
    options: EncoderOptions | None,
    tmp_path: Path,
) -> None:
    prompts = {"query": "what is ", "document": "the "}
    model = st_model(one_layer, tmp_path / "st", pooling, modules, prompts)
    export_model(model, output=tmp_path / "ONNX", encoder=options)
    check_same(str(tmp_path / "ONNX"), model, options)


@pytest.mark.usefixtures("same_graphs")
def test_8_bit_weights(trained: Trained, exported: str, tmp_path: Path) -> None:
    done = export_model(trained.model, output=tmp_path / "INT8", int8=True)
    assert done.summary.startswith("int8, 384 dimensions")
    for side in ("query", "passage"):
        sizes = [(Path(one) / side / GRAPH).stat().st_size for one in (done, exported)]
        assert sizes[0] < 0.3 * sizes[1]
    small, whole = (i3.load(one).encode_passages(FEW) for one in (done, exported))
    cosines = (small * whole).sum(axis=1)
    assert 0.9 < cosines.min() < 0.99999
    i3.encode_corpus(trained.corpus, model=done, output=tmp_path / "INDEX")
    assert read_manifest(tmp_path / "INDEX").encoder.dtype == "int8"
    assert "ok" in str(verify_index(tmp_path / "INDEX", corpus=trained.corpus))


def test_documents_are_cut_alike(trained: Trained, exported: str, tmp_path: Path) -> None:
    for name, model in (("torch", trained.model), ("onnx", exported)):
        chunks = ChunkOptions(chunk="tokens")
        i3.encode_corpus(trained.corpus, model=model, output=tmp_path / name, chunks=chunks)
    ids = [(tmp_path / name / "docid").read_text("utf-8") for name in ("torch", "onnx")]
    assert ids[0] == ids[1] and "#1" in ids[0]


def test_other_models_are_refused(
    trained: Trained, exported: str, tmp_path: Path, tiny_bert: str
) -> None:
    i3.create(trained.backbone, output=tmp_path / "NEW")
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "1", "text": "a leaf"}\n', encoding="utf-8")
    i3.encode_corpus(corpus, model=tmp_path / "NEW", output=tmp_path / "INDEX")
    with pytest.raises(I3Error, match="encoded by another model"):
        i3.open_index(tmp_path / "INDEX", model=exported).search("leaf")
    copy = tmp_path / "COPY"
    shutil.copytree(exported, copy)
    with pytest.raises(I3Error, match="pooling"):
        i3.open_index(trained.index, model=copy, queries=QueryOptions(pooling="cls")).search("a")
    with (copy / "query" / GRAPH).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(I3Error, match="has changed since it was exported"):
        i3.load(copy).encode_queries(["leaf"])
    (copy / RECORD).write_text("{}", encoding="utf-8")
    with pytest.raises(I3Error, match="export the model again"):
        i3.load(copy)


def test_what_cannot_be_exported_is_said(
    trained: Trained, exported: str, tmp_path: Path, run_module: Run
) -> None:
    for model, output, said in (
        (trained.model, Path(exported), "exists"),
        (exported, tmp_path / "AGAIN", "is an exported model"),
    ):
        done = run_module("i3_pyserini", "model", "export", model, "--output", str(output))
        assert done.returncode == 2 and said in done.stderr
    with pytest.raises(I3Error, match="omit --max-length"):
        i3.load(exported, encoder=EncoderOptions(max_length=9))
    with pytest.raises(I3Error, match="omit --dtype"):
        i3.load(exported, dtype="bf16")
    with pytest.raises(I3Error, match="CPU"):
        i3.load(exported, device="cuda:0").encode_queries(["a"])


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_other_vectors_are_not_written(
    trained: Trained,
    exported: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
) -> None:
    def damaged(module: Any, path: Path) -> None:
        import onnx

        graph = onnx.load(Path(exported) / path.relative_to(path.parents[2]))
        for one in graph.graph.initializer:
            array = onnx.numpy_helper.to_array(one)
            if array.dtype == np.float32 and array.ndim == 2:
                one.CopyFrom(onnx.numpy_helper.from_array(array * np.float32(factor), one.name))
        onnx.save(graph, path)

    monkeypatch.setattr("i3_pyserini.integrations.onnx_folder.write_graph", damaged)
    with pytest.raises(I3Error, match="computes other vectors than torch"):
        export_model(trained.model, output=tmp_path / "ONNX")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.model.onnx_session.find_spec", lambda name: None)
    with pytest.raises(I3Error, match=r"pip install 'i3-pyserini\[onnx\]'"):
        export_model("MODEL", output=tmp_path / "ONNX")


def test_both_sides_are_complete_for_other_tools(exported: str) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    for side, length in (("query", 24), ("passage", 40)):
        folder = Path(exported) / side
        core = Tokenizer.from_file(str(folder / "tokenizer.json"))
        theirs = AutoTokenizer.from_pretrained(folder)
        texts = list(queries())
        ids = [one.ids for one in core.encode_batch(texts)]
        assert {len(one) for one in ids} == {length}
        padded = theirs(texts, truncation=True, padding="max_length")["input_ids"]
        assert padded == ids
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        assert {key: config[key] for key in config if "max_length" in key} == {
            "model_max_length": length
        }
        assert json.loads((folder / "config.json").read_text("utf-8"))["model_type"] == "bert"


@pytest.mark.usefixtures("same_graphs")
def test_the_page(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.model, tmp_path / "MODEL")
    lines = [{"id": "d0", "text": "Cold water."}, {"id": "d1", "text": "Eggs: boil them."}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "corpus.jsonl").write_text(text, encoding="utf-8")
    i3.encode_corpus(tmp_path / "corpus.jsonl", model=tmp_path / "MODEL", output=tmp_path / "INDEX")
    code = block("In Python", "python", "docs/how-to/onnx.md")
    said = re.findall(r"print\(.*\) +# (.*)", code)
    assert run_code(code, tmp_path).splitlines() == said

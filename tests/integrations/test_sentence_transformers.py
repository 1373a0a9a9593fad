"""Our model directories, read by sentence-transformers itself."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import i3_pyserini as i3
from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.auto_encoders import AutoQueryEncoder
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.model.settings import QUERY_ENCODER
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import passages, queries
from tests.model.odd_tokenizers import KINDS as ODD
from tests.model.odd_tokenizers import TEXTS, make_odd_model
from tests.model.st_models import st_model
from tests.model.test_sentence_transformers import KINDS, PASSAGES, QUERIES
from tests.pages import block, run_code

TinyModel = tuple[I3Retriever, I3Tokenizer]
REASON = "needs sentence-transformers"


def load(model: str | Path) -> Any:
    pytest.importorskip("sentence_transformers", reason=REASON)
    from i3_pyserini.integrations.sentence_transformers import load

    return load(model, device="cpu")


def theirs(folder: str | Path, trust: bool = False) -> Any:
    sentence_transformers = pytest.importorskip("sentence_transformers", reason=REASON)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return sentence_transformers.SentenceTransformer(
            str(folder), device="cpu", trust_remote_code=trust
        )


def same(found: Any, ours: Any) -> None:
    np.testing.assert_allclose(found, ours, atol=1e-5)


@pytest.mark.slow
def test_query_encoder(trained: Trained) -> None:
    folder = Path(trained.model) / QUERY_ENCODER
    ours = i3.load(trained.model).encode_queries(queries())
    model = theirs(folder)
    for size in (1, 32):
        found = model.encode_query(queries(), batch_size=size)
        same(found, ours)
    same(model.encode(queries()), ours)
    unprompted = model.encode(queries(), prompt="")
    assert np.abs(unprompted - ours).max() > 0.01
    assert model.similarity_fn_name == "dot"
    assert model.max_seq_length == 24


@pytest.mark.parametrize("kind", KINDS)
def test_every_declaration(tiny_bert: str, tmp_path: Path, kind: str) -> None:
    backbone = st_model(tiny_bert, tmp_path / "m", **KINDS[kind])
    i3.create(backbone, output=tmp_path / "MODEL")
    ours = i3.load(tmp_path / "MODEL").encode_queries(QUERIES)
    folder = tmp_path / "MODEL" / QUERY_ENCODER
    same(theirs(folder).encode_query(QUERIES), ours)
    same(theirs(backbone).encode_query(QUERIES), ours)
    whole = theirs(tmp_path / "MODEL", trust=True)
    same(whole.encode_query(QUERIES), ours)
    same(whole.encode_document(PASSAGES), i3.load(tmp_path / "MODEL").encode_passages(PASSAGES))
    # Alone, without the model directory around it, the folder is one more model with declarations.
    alone = folder.rename(tmp_path / "alone")
    same(load_query_encoder(str(alone)).encode(QUERIES), ours)
    same(AutoQueryEncoder(str(alone)).encode(QUERIES), ours)


@pytest.mark.parametrize("kind", ["left truncation", "template", "Unigram of XLM-R"])
def test_odd_tokenizers(tmp_path: Path, kind: str) -> None:
    backbone = make_odd_model(ODD[kind], tmp_path / "backbone")
    i3.create(backbone, output=tmp_path / "MODEL", query_length=11)
    texts = [*TEXTS, " blanks around "]
    ours = i3.load(tmp_path / "MODEL").encode_queries(texts)
    folder = tmp_path / "MODEL" / QUERY_ENCODER
    same(theirs(folder).encode_query(texts), ours)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] != "TokenizersBackend"  # unknown to transformers 4


@pytest.mark.slow
def test_both_sides(trained: Trained) -> None:
    ours, corpus = i3.load(trained.model), passages()
    own = ours.encode_passages([{**one, "id": one["id"]} for one in corpus])
    pairs = [(one["title"], one["text"]) for one in corpus]
    for model in (theirs(trained.model, trust=True), load(trained.model)):
        same(model.encode_query(queries()), ours.encode_queries(queries()))
        same(model.encode_document(pairs), own)
        same(model.encode_document(pairs[:100], batch_size=1), own[:100])
        same(model.encode_document([list(pair) for pair in pairs[:9]]), own[:9])
        same(model.encode_document([dict(one, id="x") for one in corpus[:9]]), own[:9])
        texts = [one["text"] for one in corpus[:99]]
        same(model.encode_document(texts), ours.encode_passages(texts))
        assert model.prompts == {"query": "query: ", "document": "passage: "}
        assert model.similarity_fn_name == "dot"
        assert (model.get_embedding_dimension(), model.max_seq_length) == (384, 40)
        scores = model.similarity(model.encode_query(queries()[:2]), own[:3])
        same(scores, ours.encode_queries(queries()[:2]) @ own[:3].T)


@pytest.mark.slow
def test_prompts_are_applied_once_and_can_be_replaced(trained: Trained) -> None:
    model, ours = load(trained.model), i3.load(trained.model)
    same(model.encode_query(["a"], prompt="query: "), ours.encode_queries(["a"]))
    twice = ours.encode_queries(["query: a"])
    same(model.encode_query(["query: a"]), twice)
    same(model.encode_query(["a"], prompt="query: query: "), twice)
    titled = ours.encode_passages([{"title": "b t", "text": "a"}])
    same(model.encode_document([("t", "a")], prompt="passage: b "), titled)
    features = model.preprocess(["a"], task="query")  # as in training, where no prompt is given
    same(model(features)["sentence_embedding"].detach(), ours.encode_queries(["a"]))


@pytest.fixture
def whole(tiny_bert: str, tmp_path: Path) -> Any:
    pytest.importorskip("sentence_transformers", reason=REASON)
    i3.create(tiny_bert, output=tmp_path / "MODEL")
    return load(tmp_path / "MODEL")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.encode(["a"]), "task is None"),
        (lambda model: model.encode(["a"], task="classification"), "task is 'classification'"),
        (lambda model: model.encode_query(["a"], processing_kwargs={}), "processing_kwargs"),
        (lambda model: model.encode_query([("a", "b")]), "query 0 is a tuple"),
        (lambda model: model.encode_document([("a", "b", "c")]), r"pair \(title, text\)"),
        (lambda model: model.encode_document([{"body": "a"}]), "passage 0"),
        (lambda model: setattr(model, "max_seq_length", 9), "lengths"),
        (lambda model: model.save("x", safe_serialization=False), "safetensors"),
    ],
)
def test_refused(
    whole: Any, call: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(I3Error, match=message):
        call(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "onnx"}, "onnx"),
        ({"processor_kwargs": {"model_max_length": 9}}, "processor_kwargs"),
        ({"config_kwargs": {"a": 1}}, "config_kwargs"),
    ],
)
def test_refused_when_loaded(whole: Any, arguments: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=message):
        type(whole)(str(tmp_path / "MODEL"), trust_remote_code=True, **arguments)


def test_precision_is_a_choice(whole: Any, tmp_path: Path) -> None:
    half = type(whole)(
        str(tmp_path / "MODEL"), trust_remote_code=True, model_kwargs={"dtype": "bfloat16"}
    )
    assert str(half.dtype) == "torch.bfloat16"
    np.testing.assert_allclose(half.encode_query(["a"]), whole.encode_query(["a"]), atol=0.1)


def test_weights_in_half_precision(tiny_model: TinyModel, tmp_path: Path) -> None:
    """All routes compute in float32, whatever the weights are stored in."""
    model, tokenizer = tiny_model
    save_model_directory(model.to(torch.bfloat16), tokenizer, tmp_path / "MODEL")  # type: ignore[arg-type]
    ours = i3.load(tmp_path / "MODEL").encode_queries(QUERIES)
    same(theirs(tmp_path / "MODEL" / QUERY_ENCODER).encode_query(QUERIES), ours)
    same(theirs(tmp_path / "MODEL", trust=True).encode_query(QUERIES), ours)
    same(load(as_before(tmp_path / "MODEL")).encode_query(QUERIES), ours)


def as_before(folder: Path) -> Path:
    """The model as it was saved before `modules.json` was written."""
    (folder / "modules.json").unlink()
    return folder


def test_load_runs_no_code_of_the_model(whole: Any, tmp_path: Path) -> None:
    folder = tmp_path / "MODEL"
    ran = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Code: ...\n"
    (folder / "foreign.py").write_text(code, encoding="utf-8")
    (folder / "modeling_i3.py").write_text(code, encoding="utf-8")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules.append({"idx": 1, "name": "1", "path": "", "type": "foreign.Code"})
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(I3Error, match=r"foreign\.Code"):
        load(folder)
    (folder / "modules.json").write_text(json.dumps(modules[:1]), encoding="utf-8")
    same(load(folder).encode_query(["egg"]), whole.encode_query(["egg"]))
    assert not ran.exists()
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(Exception, match="Code"):
        theirs(folder, trust=True)
    assert ran.exists()  # so the code would have been run


@pytest.mark.parametrize("loaded_from", ["elsewhere", "itself"])
def test_saved_again_it_is_the_same_model(whole: Any, tmp_path: Path, loaded_from: str) -> None:
    first, again = tmp_path / "MODEL", tmp_path / "AGAIN"
    if loaded_from == "itself":
        shutil.copytree(first, again)
        whole = load(again)
    whole.save_pretrained(str(again), create_model_card=False)
    own = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert own == {path.relative_to(again) for path in again.rglob("*") if path.is_file()}
    for path in own - {Path("modules.json"), Path("config_sentence_transformers.json")}:
        assert (again / path).read_bytes() == (first / path).read_bytes(), path
    texts = [("eggs", "boil"), ("", "water")]
    same(load(again).encode_document(texts), whole.encode_document(texts))
    same(i3.load(again).encode_queries(["egg"]), whole.encode_query(["egg"]))


@pytest.mark.slow
def test_the_page(tiny_bert: str, tmp_path: Path) -> None:
    """The blocks of docs/how-to/sentence-transformers.md, one after the other."""
    pytest.importorskip("sentence_transformers", reason=REASON)
    page = "docs/how-to/sentence-transformers.md"
    code = "".join(block(heading, "python", page) for heading in ("Encode", "Train"))
    code = code.replace("path/or/hub-name", tiny_bert)
    assert "tensor([[" in run_code(code, tmp_path)
    vectors = i3.load(tmp_path / "TRAINED").encode_queries(["egg"])
    assert np.abs(vectors - i3.load(tmp_path / "MODEL").encode_queries(["egg"])).max() > 1e-6

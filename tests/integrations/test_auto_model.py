"""`AutoModel`, models that were saved before it could load them, and revisions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini import I3Error
from i3_pyserini.encode.query_encoders import kind_of
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.fingerprint import fingerprint, tokenizer_fingerprint
from tests.model.st_models import st_model
from tests.model.test_sentence_transformers import KINDS, PASSAGES, QUERIES
from tests.pages import run_python

NEW = (
    "modeling_i3.py",
    "modules.json",
    "config_sentence_transformers.json",
    "query_encoder/modules.json",
    "query_encoder/config_sentence_transformers.json",
    "query_encoder/sentence_bert_config.json",
    "query_encoder/1_Pooling/config.json",
)


@pytest.fixture
def model(tiny_bert: str, tmp_path: Path) -> Path:
    backbone = st_model(tiny_bert, tmp_path / "backbone", **KINDS["all"])
    i3.create(backbone, output=tmp_path / "MODEL")
    return tmp_path / "MODEL"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "trust"),
    [("", ", trust_remote_code=True"), ("from i3_pyserini import I3Retriever", "")],
)
def test_auto_model(model: Path, first: str, trust: str) -> None:
    """Both ways, in a process of its own each: nothing is registered there before."""
    again = model.with_name("AGAIN")
    code = f"""
{first}
from transformers import AutoConfig, AutoModel
model = AutoModel.from_pretrained({str(model)!r}{trust})
config = AutoConfig.from_pretrained({str(model)!r}{trust})
print(type(model).__module__, type(config).__module__)
from i3_pyserini import I3Tokenizer, save_model_directory
save_model_directory(model, I3Tokenizer.from_pretrained({str(model)!r}), {str(again)!r})
model.save_pretrained({str(model.with_name("plain"))!r})
print(type(AutoModel.from_pretrained({str(model.with_name("plain"))!r}{trust})).__name__)
"""
    classes = "i3_pyserini.model.retriever i3_pyserini.model.config\nI3Retriever\n"
    assert run_python(code, HF_HUB_OFFLINE="0") == classes  # or the saved tokenizer is "local"
    for path in (path for path in model.rglob("*") if path.is_file()):
        same = again / path.relative_to(model)
        assert same.read_bytes() == path.read_bytes(), path.name
    assert not list(again.rglob("retriever.py"))  # what transformers would copy


def test_without_the_package_it_says_what_to_install(model: Path) -> None:
    code = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name == "i3_pyserini":
            raise ModuleNotFoundError("No module named 'i3_pyserini'")
sys.meta_path.insert(0, Absent())
from transformers import AutoModel
try:
    AutoModel.from_pretrained({str(model)!r}, trust_remote_code=True)
except ImportError as error:
    print("pip install i3_pyserini" in str(error))
"""
    assert run_python(code) == "True\n"


def as_saved_before(model: Path) -> Path:
    """The same model without what was not written before."""
    old = shutil.copytree(model, model.with_name("OLD"))
    for name in NEW:
        (old / name).unlink()
    (old / "query_encoder" / "1_Pooling").rmdir()
    config = json.loads((old / "config.json").read_text(encoding="utf-8"))
    del config["auto_map"]
    (old / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return old


def test_older_models(model: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    from transformers import AutoModel

    from i3_pyserini.integrations.sentence_transformers import load

    old, new = as_saved_before(model), i3.load(model)
    queries, passages = new.encode_queries(QUERIES), new.encode_passages(PASSAGES)
    there = load(old, device="cpu")
    here = i3.load(old)
    for found in (here.encode_queries(QUERIES), there.encode_query(QUERIES)):
        np.testing.assert_allclose(found, queries, atol=1e-5)
    for found in (here.encode_passages(PASSAGES), there.encode_document(PASSAGES)):
        np.testing.assert_allclose(found, passages, atol=1e-5)
    assert type(AutoModel.from_pretrained(old)).__name__ == "I3Retriever"
    assert there.prompts == load(model, device="cpu").prompts
    assert kind_of(str(old / "query_encoder")) == "i3"
    # The new files do not count: an index knows both as the model that encoded it.
    (new_config := model / "config.json").write_bytes((old / "config.json").read_bytes())
    assert new_config.is_file() and fingerprint(model) == fingerprint(old)
    assert tokenizer_fingerprint(model) == tokenizer_fingerprint(old)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", ("owner/name", {})),
        ("owner/name@main", ("owner/name", {"revision": "main"})),
        ("owner/name@refs/pr/1", ("owner/name", {"revision": "refs/pr/1"})),
    ],
)
def test_revisions(name: str, expected: tuple[str, dict[str, str]]) -> None:
    assert at_revision(name) == expected
    assert kind_of(name) == "auto"


def test_a_folder_may_have_the_sign_in_its_name(model: Path) -> None:
    folder = model.rename(model.with_name("model@home"))
    assert at_revision(str(folder)) == (str(folder), {})
    folder.with_name("other").mkdir()  # where transformers would ignore the revision
    assert at_revision(f"{folder.with_name('other')}@v2") == (f"{folder.with_name('other')}@v2", {})
    assert i3.load(folder).encode_queries(["egg"]).shape == (1, 32)
    with pytest.raises(I3Error, match="no such directory"):
        i3.load(f"{folder}@main")


def test_an_i3_model_is_no_backbone(model: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="is an I³ model") as caught:
        i3.create(model, output=tmp_path / "NEW")
    assert "\n" not in str(caught.value)

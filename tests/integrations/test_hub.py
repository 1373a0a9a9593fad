"""A model goes to the hub and back; the hub is a stand-in on this machine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import i3_pyserini as i3
from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from tests.integrations.hub import Hub, serving
from tests.model.st_models import st_model
from tests.model.test_sentence_transformers import KINDS, PASSAGES, QUERIES
from tests.pages import block, run_python

pytestmark = pytest.mark.slow
Python = Callable[[str], str]


@pytest.fixture
def model(tiny_bert: str, own_words: str, tmp_path: Path) -> Path:
    backbone = st_model(tiny_bert, tmp_path / "backbone", **KINDS["all"])
    made = I3Retriever.from_backbone(backbone, reconstruction_tokenizer=own_words)
    tokenizer = I3Tokenizer.from_pretrained(backbone, made.config, own_words)
    card = "---\ntags: [of-the-model]\n---\n# A card\n"
    save_model_directory(made, tokenizer, tmp_path / "MODEL", card=card)
    return tmp_path / "MODEL"


@pytest.fixture
def hub() -> Iterator[tuple[Hub, str]]:
    with serving() as found:
        yield found


@pytest.fixture
def python(hub: tuple[Hub, str], tmp_path: Path) -> Python:
    """Runs code in a process that knows no other hub; its address is read at import."""
    environment = {
        "HF_ENDPOINT": hub[1],
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_TOKEN": "hf_none",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
    }
    return lambda code: run_python(code, tmp_path, **environment).strip()


def test_to_the_hub_and_back(model: Path, hub: tuple[Hub, str], python: Python) -> None:
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    code = block("Publish", "python", "docs/how-to/sentence-transformers.md")
    python(code.replace("owner/name", "someone/i3"))  # run beside MODEL
    pushed = hub[0].commits["someone/i3"]["main"]
    own = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    assert own == set(pushed) - {".gitattributes"}
    assert b"of-the-model" in pushed["README.md"]
    first = hub[0].sha("someone/i3", "main")
    # A later commit changes the vectors: of those who asked for the first, nobody gets it.
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    changed = json.dumps({**config, "query_prefix": "how"}).encode()
    hub[0].commit("someone/i3", {"config.json": changed})
    python(
        f"""
import numpy as np, i3_pyserini as i3
from i3_pyserini.integrations.sentence_transformers import load
from sentence_transformers import SentenceTransformer
pinned = "someone/i3@{first}"
encoder = i3.load(pinned)
newest = i3.load("someone/i3")
there = SentenceTransformer("someone/i3", revision="{first}", trust_remote_code=True, device="cpu")
here = load(pinned, device="cpu")
queries, passages = {QUERIES!r}, {PASSAGES!r}
np.savez("found.npz", pinned=encoder.encode_queries(queries), newest=newest.encode_queries(queries),
    there=there.encode_query(queries), here=here.encode_query(queries),
    passages=encoder.encode_passages(passages), documents=there.encode_document(passages))
"""
    )
    found = np.load(model.parent / "found.npz")
    ours = i3.load(model)
    for name in ("pinned", "there", "here"):
        np.testing.assert_allclose(found[name], ours.encode_queries(QUERIES), atol=1e-5)
    for name in ("passages", "documents"):
        np.testing.assert_allclose(found[name], ours.encode_passages(PASSAGES), atol=1e-5)
    assert np.abs(found["newest"] - found["pinned"]).max() > 0.01


def test_the_commit_that_was_read_is_the_one_that_is_loaded(
    model: Path, hub: tuple[Hub, str], python: Python
) -> None:
    """A commit in between could name other code, which `load` allows to run."""
    pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")
    files = {
        path.relative_to(model).as_posix(): path.read_bytes()
        for path in model.rglob("*")
        if path.is_file()
    }
    hub[0].create("someone/i3")
    first = hub[0].commit("someone/i3", files)
    code = """
import i3_pyserini.integrations.sentence_transformers as own
own.SentenceTransformer = lambda *names, **options: print(*names, options["revision"])
own.load("someone/i3")
"""
    assert python(code) == f"someone/i3 {first}"


def test_mteb_knows_the_commit(model: Path, hub: tuple[Hub, str], python: Python) -> None:
    pytest.importorskip("mteb", reason="needs mteb: pip install 'i3-pyserini[mteb]'")
    hub[0].create("someone/i3")
    first = hub[0].commit("someone/i3", {"config.json": (model / "config.json").read_bytes()})
    hub[0].commit("someone/i3", {"config.json": b"{}"})
    code = f"""
from i3_pyserini.integrations.mteb_meta import meta_of
from i3_pyserini.model.settings import EncoderSettings
meta = meta_of("someone/i3@{first}", EncoderSettings(), 3, {{}})
print(meta.name, meta.revision)
"""
    assert python(code) == f"someone/i3 {first}"


def test_transformers_push(model: Path, hub: tuple[Hub, str], python: Python) -> None:
    """`I3Retriever.push_to_hub` sends what `AutoModel` needs, and no more."""
    code = f"""
from i3_pyserini import I3Retriever
I3Retriever.from_pretrained({str(model)!r}).push_to_hub("someone/plain")
"""
    python(code)
    assert {"config.json", "model.safetensors", "modeling_i3.py"} <= set(
        hub[0].commits["someone/plain"]["main"]
    )
    code = """
from transformers import AutoModel
model = AutoModel.from_pretrained("someone/plain", trust_remote_code=True, revision="main")
print(type(model).__name__, model.config.passage_prompt)
"""
    assert python(code) == "I3Retriever place :"


def test_what_the_hub_does_not_have(hub: tuple[Hub, str], python: Python) -> None:
    hub[0].create("someone/i3")
    names = ("someone/i3@nowhere", "someone/else", "someone/i3")
    code = f"""
import i3_pyserini as i3
for name in {names!r}:
    try:
        i3.load(name).encode_queries(["a"])
    except i3.I3Error as error:
        print(error)
"""
    said = python(code).splitlines()
    assert len(said) == len(names)
    assert all(name in one for name, one in zip(names, said, strict=True))

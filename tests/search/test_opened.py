"""`open_index`: hits with texts, from Python."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.encode import encode_corpus
from i3_pyserini.errors import I3Error
from i3_pyserini.search import Index, PassageHit, open_index
from i3_pyserini.search.options import SearchParameters
from i3_pyserini.search.searcher import Searcher
from tests.encode.indexes import edit_manifest
from tests.search.conftest import PASSAGES
from tests.search.test_searcher import random_vectors, write_index


@pytest.fixture
def index(place: Path, tmp_path: Path) -> Index:
    return open_index(place / "index", cache=tmp_path)


def test_hits_are_the_searcher_s_with_texts(index: Index, place: Path) -> None:
    expected = Searcher(place / "index").search(["boil an egg"], 3)[0]
    found = index.search("boil an egg", k=3)
    assert [hit[:2] for hit in found] == expected
    assert [hit.rank for hit in found] == [1, 2, 3]
    lines = (place / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    for hit in found:
        assert isinstance(hit, PassageHit) and hit.title == "eggs"
        assert any(f'"{hit.docid}"' in line and str(hit.text) in line for line in lines)
    assert index.search(["boil an egg"], k=3) == [found]
    vectors = index.searcher.encoder.encode(["boil an egg", "hot water"])
    both = index.search(vectors, k=3)
    assert [hit.docid for hit in both[0]] == [hit.docid for hit in found]
    assert len(both) == 2 and len(index.search("egg")) == 10


def test_what_an_index_is(index: Index, place: Path) -> None:
    assert (len(index), index.dimension) == (PASSAGES, 32)
    assert repr(index).startswith(f"Index({str(place / 'index')!r}: 60 passages of 32 dimensions; ")
    assert "titles: " in repr(index) and "\n" not in repr(index)


def test_without_a_corpus(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(place / "index", tmp_path / "index")
    known = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    gone = {**known["corpus"], "path": str(tmp_path / "gone.jsonl")}
    edit_manifest(tmp_path / "index", corpus=gone)
    index = open_index(tmp_path / "index")
    hits = [*index.search("egg", k=2), *index.search("water", k=2)]
    assert [(hit.title, hit.text) for hit in hits] == [(None, None)] * 4
    said = capsys.readouterr().err
    assert said.count("note: ") == 1 and "gone.jsonl" in said
    named = open_index(tmp_path / "index", corpus=place / "corpus.jsonl", cache=tmp_path)
    assert named.search("egg", k=1)[0].title == "eggs"
    assert open_index(tmp_path / "index", texts=False).search("egg", k=1)[0].text is None
    assert capsys.readouterr().err == ""
    with pytest.raises(I3Error, match="absent"):
        open_index(tmp_path / "index", corpus=tmp_path / "absent")
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": "x", "text": "egg"}\n', encoding="utf-8")
    assert open_index(tmp_path / "index", corpus=other).search("egg", k=1)[0].text is None
    assert "passage 'd0' is not in" in capsys.readouterr().err


def test_an_index_finds_its_corpus_from_any_folder(
    tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"id": "d", "text": "boil an egg"}\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    encode_corpus("corpus.jsonl", model=tiny_bert, output="index")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_index("../index").search("egg", k=1)[0].text == "boil an egg"


def test_an_index_that_nothing_is_known_of(tmp_path: Path) -> None:
    index = open_index(write_index(tmp_path / "plain", random_vectors(5)))
    assert repr(index).endswith("5 passages of 16 dimensions)")
    assert [len(hits) for hits in index.search(random_vectors(2), k=9)] == [5, 5]
    with pytest.raises(I3Error, match="names no model"):
        index.search("egg")
    with pytest.raises(I3Error, match="names no model"):
        index.explain("d0")
    with pytest.raises(I3Error, match="nprobe applies to IVF indexes"):
        open_index(tmp_path / "plain", parameters=SearchParameters(nprobe=3))
    with pytest.raises(I3Error, match="16 dimensions"):
        index.search(np.zeros((1, 3), dtype=np.float32))


def test_words_of_a_pseudo_query(index: Index, place: Path, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="never trained"):
        index.explain("d0")
    shutil.copytree(place / "model", tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace(
            '"reconstructor_steps": 0', '"reconstructor_steps": 9'
        ),
        encoding="utf-8",
    )
    shutil.copytree(place / "index", tmp_path / "index")
    known = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    edit_manifest(tmp_path / "index", model={**known["model"], "name": str(tmp_path / "model")})
    trained = open_index(tmp_path / "index", cache=tmp_path)
    found = trained.explain("d0")
    weights = [word.weight for word in found.words]
    assert weights and weights == sorted(weights, reverse=True)
    assert (found.docid, found.title, found.memory) == ("d0", "eggs", "vector")
    assert trained.explain("d50").words == found.words  # the same passage again
    with pytest.raises(I3Error, match="no passage 'absent'"):
        trained.explain("absent")


def test_a_search_needs_no_torch(place: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from i3_pyserini.search import open_index\n"
        f"index = open_index({str(place / 'index')!r}, cache={str(tmp_path)!r})\n"
        "assert index.search('hot eggs', k=2)[0].text; repr(index)\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'pyserini') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_are_there_and_cheap() -> None:
    import i3_pyserini.search as package

    for name in package.__all__:
        assert getattr(package, name).__doc__
    code = "import sys, i3_pyserini.search as s; s.search_topics; s.build_index; s.open_index\n"
    code += "print([m for m in ('torch', 'transformers', 'pandas') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"

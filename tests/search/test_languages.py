"""BM25 in languages: who decides which, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import make_queries
from i3_pyserini.data.importing import import_collection
from i3_pyserini.data.sources.named import language_in
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import declared_language
from i3_pyserini.formats.languages import language_code, language_tag
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.runs import read_run
from i3_pyserini.search.bm25 import search_bm25
from i3_pyserini.search.languages import ENGINES, LUCENE, SQLITE
from i3_pyserini.search.word_index import text_for
from i3_pyserini.stock.java import find_java

needs_java = pytest.mark.skipif(find_java()[0] is None, reason="stock Pyserini needs Java")
PASSAGES = {
    "d1": "Man kocht ein Ei neun Minuten.",
    "d2": "Die Häuser der Städte sind groß.",
    "d3": "Die Sitzungen dauern lange.",
}
TOPICS = {"q1": "großes Haus", "q2": "kochen", "q3": "Sitzung"}


@pytest.fixture
def german(tmp_path: Path) -> Path:
    lines = (json.dumps({"id": docid, "text": text}) + "\n" for docid, text in PASSAGES.items())
    (tmp_path / "de.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "t.tsv").write_text(
        "".join(f"{q}\t{text}\n" for q, text in TOPICS.items()), encoding="utf-8"
    )
    source, topics = tmp_path / "de.jsonl", {"test": tmp_path / "t.tsv"}
    import_collection(source, output=tmp_path / "de", language="de-AT", topics=topics)
    return tmp_path / "de"


def search(data: Path, name: str = "run.txt", **options: Any) -> tuple[dict[str, str], str, str]:
    """First hits by query, the summary and the tag."""
    usual: dict[str, Any] = {"engine": "sqlite", "output": data.parent / name}
    run = search_bm25(data / "corpus", data / "topics.test.tsv", **{**usual, **options})
    frame = read_run(run.path).frame
    first = frame.groupby("query_id").first()["doc_id"].to_dict()
    return first, run.summary, run.path.read_text(encoding="utf-8").split()[5]


@pytest.mark.parametrize(
    "engine", ["sqlite", pytest.param("lucene", marks=[needs_java, pytest.mark.slow])]
)
def test_a_collection_declares_its_language(
    german: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, summary, tag = search(german, engine=engine)
    assert first["q1"] == "d2" and first["q3"] == "d3"  # by stems: Haus, Häuser
    assert "German (de)" in summary and str(german / MANIFEST) in summary and tag == "bm25-de"
    assert "language" not in capsys.readouterr().err
    (index,) = german.parent.glob(f"{engine}-de-de-*")
    assert json.loads((index / MANIFEST).read_text(encoding="utf-8"))["index"]["language"] == "de"
    with pytest.raises(I3Error, match=r"German \(de\), not French \(fr\)"):
        search(german, "other.txt", engine=engine, index=index, language="fr")


def test_an_option_wins_and_the_contradiction_is_named(
    german: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (german / "topics.test.tsv").write_text("q1\tHaus Häuser\n", encoding="utf-8")
    first, summary, tag = search(german, language="none", tag="mine")
    assert first == {"q1": "d2"} and "words as they are" in summary and tag == "mine"
    said = capsys.readouterr().err
    assert "language is none" in said and "declares de-AT" in said
    search(german, "same.txt", language="German")
    assert "declares" not in capsys.readouterr().err
    folders = {path.name.rsplit("-", 1)[0] for path in german.parent.glob("sqlite-*")}
    assert folders == {"sqlite-de-none", "sqlite-de-de"}


def test_english_is_the_default(german: Path) -> None:
    manifest = german / MANIFEST
    fields = json.loads(manifest.read_text(encoding="utf-8"))
    del fields["language"]
    manifest.write_text(json.dumps(fields), encoding="utf-8")
    (german / "topics.test.tsv").write_text("q1\tkocht\n", encoding="utf-8")
    first, summary, tag = search(german)
    assert first == {"q1": "d1"} and "English (en), by default" in summary and tag == "bm25"
    (index,) = german.parent.glob("sqlite-*")
    assert index.name.startswith("sqlite-de-") and not index.name.startswith("sqlite-de-en")


@pytest.mark.parametrize(
    ("engine", "language", "said"),
    [
        ("sqlite", "bn", r"no analyzer for Bengali \(bn\); use engine lucene, which needs Java"),
        ("lucene", "ca", r"no analyzer for Catalan \(ca\); use engine sqlite"),
        ("lucene", "vi", "no analyzer for vi; use language none"),
        ("sqlite", "Germn", "did you mean de"),
        ("sqlite", "", "expected a code"),
    ],
)
def test_unknown_languages(german: Path, engine: str, language: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        search(german, engine=engine, language=language)
    assert not list(german.parent.glob(f"{engine}-*"))


def test_a_declared_language_without_an_analyzer_names_the_manifest(
    german: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = german / MANIFEST
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("de-AT", "bn"), encoding="utf-8"
    )
    with pytest.raises(I3Error, match=rf"{manifest}: .*Bengali"):
        search(german)
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"bn"', '"no language"'), encoding="utf-8"
    )
    with pytest.raises(I3Error, match=rf"{manifest}: language 'no language'"):
        search(german)
    with pytest.raises(I3Error, match="language 'no language'"):
        import_collection(german, output=german.parent / "again")
    assert not (german.parent / "again").exists()
    search(german, language="de")
    assert "declares no language" in capsys.readouterr().err


def test_codes() -> None:
    tags = {"German": "de", "de_AT": "de-AT", " zh-Hant ": "zh-Hant", "None": "none"}
    assert {given: language_tag(given) for given in tags} == tags
    same = {"DE": "de", "de_AT": "de", "german": "de", "nb": "no", "zh-Hant": "zh", " ja ": "ja"}
    assert {given: language_code(given) for given in same} == same
    assert language_code("None") == "none"
    for code in SQLITE:  # each has its stemmer or pairs of letters
        assert text_for(code)("Ein Text 北京")
    assert {"bn", "ha", "so", "sw", "te", "uk", "yo"} == LUCENE - SQLITE
    assert {"none", "pretokenized"} <= ENGINES["lucene"] & ENGINES["sqlite"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("miracl/de/dev", "de"),
        ("mr-tydi/ar", "ar"),
        ("mmarco/v2/zh/dev", "zh"),
        ("miracl-sw", "sw"),
        ("beir/nfcorpus", None),
        ("neuclir/1/fa/trec-2022", "fa"),
    ],
)
def test_names_of_data_sets_with_a_language(name: str, code: str | None) -> None:
    assert language_in(name) == code


def test_an_import_keeps_the_language_of_a_folder(
    german: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = import_collection(german, output=german.parent / "copy")
    assert json.loads((copy.path / MANIFEST).read_text(encoding="utf-8"))["language"] == "de-AT"
    assert "German (de)" in copy.summary
    other = import_collection(german, output=german.parent / "other", language="fr")
    assert json.loads((other.path / MANIFEST).read_text(encoding="utf-8"))["language"] == "fr"
    assert "declares de-AT" in capsys.readouterr().err
    named = import_collection(german, output=german.parent / "named", language="French")
    assert json.loads((named.path / MANIFEST).read_text(encoding="utf-8"))["language"] == "fr"
    with pytest.raises(I3Error, match="expected a code"):
        import_collection(german, output=german.parent / "third", language="12")


def test_a_corpus_without_its_titles_keeps_the_language_and_the_metadata(tmp_path: Path) -> None:
    rows = (
        {"id": docid, "title": f"{text} Titel", "text": text, "page": len(docid)}
        for docid, text in PASSAGES.items()
    )
    (tmp_path / "de.jsonl").write_text(
        "".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8"
    )
    data = import_collection(
        tmp_path / "de.jsonl", output=tmp_path / "de", language="de", keep="page"
    ).path
    make_queries(data / "corpus", source="titles", output=tmp_path / "made")
    again = import_collection(tmp_path / "made", output=tmp_path / "again").path
    for folder in (tmp_path / "made", again):
        assert declared_language(folder / "corpus") == ("de", folder / MANIFEST)
        assert [one.extra for one in Corpus(folder / "corpus")] == [{"page": 2}] * 3

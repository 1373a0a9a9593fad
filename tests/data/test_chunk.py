"""`data chunk`: a corpus of windows that every command reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.cli import run
from i3_pyserini.data import chunk_corpus, import_collection
from i3_pyserini.encode import chunking
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest, chunks_of
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, collection_name
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.formats.windows import Cutter, Windows
from tests.conftest import numbers

TEXT = "Boil an egg. Take hot water. Place the egg in it. Wait. How long to boil an egg, how long?"


def corpus_of(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text(
        "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), encoding="utf-8"
    )
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return corpus_of(
        tmp_path / "docs.jsonl",
        {"id": "long", "title": "eggs", "text": f"  {TEXT}\n"},
        {"id": "short", "text": "boil an egg"},
        {"id": "none", "title": "nothing else", "text": ""},
    )


def lines(folder: Path) -> list[dict[str, Any]]:
    content = (folder / "corpus" / "corpus.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in content.splitlines()]


def test_windows_have_ids_titles_and_places(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--by", "sentences", "--size", "9", "--overlap", "1"]
    run(["data", "chunk", str(corpus), "--output", str(out), *words])
    found = lines(out)
    assert [one["id"] for one in found] == ["long#0", "long#1", "long#2", "short#0", "none#0"]
    assert [one["title"] for one in found] == ["eggs"] * 3 + ["", "nothing else"]
    for one in found[:3]:
        assert TEXT[one["start"] : one["end"]] == one["text"]
    assert found[1]["text"] == "Take hot water. Place the egg in it. Wait."
    assert found[0]["contents"] == f"eggs\n{found[0]['text']}"
    assert numbers(capsys.readouterr().out.replace(str(out), "")) == ["3", "5", "1", "2", "67", "1"]
    known = chunks_of(out / "corpus")
    assert known is not None
    assert (known.by, known.size, known.overlap, known.delimiter) == ("sentences", 9, 1, "#")
    assert (known.unit, known.documents) == ("words", 3)
    assert [state for _, state in Manifest.load(out).check()] == ["ok"]


def test_the_model_s_ids_are_counted(corpus: Path, tiny_bert: str, tmp_path: Path) -> None:
    written = chunk_corpus(corpus, output=tmp_path / "out", by="tokens", size=12, model=tiny_bert)
    assert "5 windows" in str(written)
    assert chunk_corpus(corpus, output=tmp_path / "whole", by="tokens", model=tiny_bert)
    known = chunks_of(tmp_path / "whole")
    assert known is not None
    assert (known.size, known.unit, known.model) == (160, "ids", tiny_bert)  # its positions


def test_metadata_goes_with_each_window(tmp_path: Path) -> None:
    record = {"id": "1", "text": TEXT, "price": 3.5}
    import_collection(
        corpus_of(tmp_path / "c.jsonl", record),
        output=tmp_path / "in",
        name="shop",
        keep="price",
        language="de",
    )
    chunk_corpus(tmp_path / "in" / "corpus", output=tmp_path / "out", by="tokens", size=8)
    windows = tmp_path / "out" / "corpus"
    store = open_store(windows)
    found = store.get("1#1")
    assert found is not None
    assert sorted(found.extra) == ["end", "price", "start"]
    assert found.extra["price"] == 3.5
    assert TEXT[found.extra["start"] : found.extra["end"]] == found.text
    assert collection_name(windows) == "shop"
    assert Manifest.load(tmp_path / "out").language == "de"
    assert Manifest.load(tmp_path / "out").metadata["start"] == "integer"


def test_a_title_that_is_too_long_is_shortened(tmp_path: Path, tiny_bert: str) -> None:
    record = {"id": "1", "title": "how long to boil an egg " * 9, "text": TEXT}
    written = chunk_corpus(
        corpus_of(tmp_path / "c.jsonl", record),
        output=tmp_path / "out",
        by="tokens",
        size=16,
        model=tiny_bert,
    )
    assert "1 titles" in str(written)
    assert {one["title"] for one in lines(tmp_path / "out")} == {"how long to boil an egg how"}


@pytest.mark.parametrize(("name", "most"), [("BLOCK", 3), ("LETTERS", 7)])
def test_blocks_of_documents_are_all_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(chunking, name, most)
    blocks: list[int] = []
    cut = Cutter.cut

    def counted(self: Cutter, documents: Sequence[Passage]) -> list[Windows]:
        blocks.append(len(documents))
        return cut(self, documents)

    monkeypatch.setattr(Cutter, "cut", counted)
    path = corpus_of(tmp_path / "c.jsonl", *({"id": f"{n}", "text": "a b"} for n in range(10)))
    chunk_corpus(path, output=tmp_path / "out", by="paragraphs", size=9)
    assert [passage.docid for passage in Corpus(tmp_path / "out")] == [f"{n}#0" for n in range(10)]
    assert blocks == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("records", "options", "said"),
    [
        ([{"id": "a#1", "text": "b"}], {}, "line 1: id 'a#1' contains '#'"),
        ([{"id": "a", "text": "b"}] * 2, {}, "line 2: id 'a' occurs a second time"),
        ([{"id": "a"}], {}, "line 1: no text"),
        ([], {}, "no passages"),
        ([{"id": "a", "text": "b"}], {"size": None}, "size"),
        ([{"id": "a", "text": "b"}], {"size": 7}, "size 7"),
        ([{"id": "a", "text": "b"}], {"overlap": 9}, "overlap 9"),
        ([{"id": "a", "text": "b"}], {"overlap": -1}, "overlap is -1"),
        ([{"id": "a", "text": "b"}], {"by": "words"}, "by 'words': expected tokens"),
        ([{"id": "a", "text": "b"}], {"output": "c.jsonl/w"}, "c.jsonl"),
        ([{"id": "a", "text": "b"}], {"output": "windows.jsonl"}, "expected a folder"),
        ([{"id": "a", "text": "b"}], {"output": "w.tsv.zst"}, "expected a folder, such as w,"),
    ],
)
def test_what_is_refused(
    records: list[dict[str, Any]], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = corpus_of(tmp_path / "c.jsonl", *records)
    out = tmp_path / options.pop("output", "out")
    with pytest.raises(I3Error, match=said):
        chunk_corpus(path, output=out, **{"by": "tokens", "size": 9, **options})
    assert [one.name for one in tmp_path.iterdir()] == ["c.jsonl"]


def test_neither_windows_nor_other_folders_are_taken(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    chunk_corpus(corpus, output=out, by="tokens", size=9)
    with pytest.raises(I3Error, match="already"):
        chunk_corpus(out / "corpus", output=tmp_path / "again", by="tokens", size=9)
    with pytest.raises(I3Error, match="exists"):
        chunk_corpus(corpus, output=out, by="tokens", size=9)
    with pytest.raises(I3Error, match="windows"):
        import_collection(out, output=tmp_path / "imported")
    chunk_corpus(corpus, output=out, by="tokens", size=8, overwrite=True)
    (out / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(I3Error, match=r"mine\.txt"):
        chunk_corpus(corpus, output=out, by="tokens", size=8, overwrite=True)


def test_windows_are_not_written_among_the_documents(corpus: Path, tmp_path: Path) -> None:
    """They would be read as documents from then on."""
    with pytest.raises(I3Error, match=f"{tmp_path}: the windows would be written into this"):
        chunk_corpus(tmp_path, output=tmp_path / "out", by="tokens", size=9)
    assert [one.name for one in tmp_path.iterdir()] == [corpus.name]


def test_only_windows_are_replaced(corpus: Path, tmp_path: Path) -> None:
    imported, file = tmp_path / "imported", tmp_path / "file"
    import_collection(corpus, output=imported)
    file.write_text("mine", encoding="utf-8")
    for out, said in ((imported, "not of windows"), (file, "is a file; expected a folder")):
        with pytest.raises(I3Error, match=said):
            chunk_corpus(corpus, output=out, by="tokens", size=9, overwrite=True)
    assert lines(imported)[0]["id"] == "long" and file.read_text(encoding="utf-8") == "mine"


def test_documents_in_the_output_are_not_replaced(corpus: Path, tmp_path: Path) -> None:
    imported = tmp_path / "imported"
    import_collection(corpus, output=imported)
    before = lines(imported)
    with pytest.raises(I3Error, match="is in the output"):
        chunk_corpus(imported / "corpus", output=imported, by="tokens", size=9, overwrite=True)
    assert lines(imported) == before

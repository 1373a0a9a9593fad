"""Which files of a folder are passages, and that the others are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus, collection_name
from tests.formats.damage import compressed

Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return lambda: capsys.readouterr().err


def passages(path: Path, *ids: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"id": one, "text": "x"}) + "\n" for one in ids), encoding="utf-8"
    )


def ids(path: Path) -> list[str]:
    return [passage.docid for passage in Corpus(path)]


def test_folders_are_read_with_their_folders_in_the_order_of_names(
    tmp_path: Path, said: Said
) -> None:
    for name in ("b.jsonl", "a/z.JSONL", "a/b/c.Json", "c/d.ndjson", "a.json"):
        passages(tmp_path / name, name)
    (tmp_path / "e.tsv").write_text("e\tx\n", encoding="utf-8")
    (tmp_path / "f.csv").write_text("id,text\nf,x\n", encoding="utf-8")
    found = ["a/b/c.Json", "a/z.JSONL", "a.json", "b.jsonl", "c/d.ndjson", "e", "f"]
    assert ids(tmp_path) == found
    assert Corpus(tmp_path).names == [*found[:5], "e.tsv", "f.csv"]
    assert not said()


def test_what_is_not_read_is_named_once(tmp_path: Path, said: Said) -> None:
    passages(tmp_path / "a.jsonl", "1")
    passages(tmp_path / ".git" / "b.jsonl", "2")
    for name in ("b.pdf", "notes.docx", ".DS_Store", "README.txt", "manifest.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert ids(tmp_path) == ["1"]
    note = said()
    assert note.startswith(f"note: {tmp_path}: not read: ")
    assert set(note.strip().partition("not read: ")[2].split(", ")) == {
        *("b.pdf", "notes.docx", ".DS_Store", "README.txt", "manifest.json", ".git/"),
    }


def test_a_long_list_is_counted(tmp_path: Path, said: Said) -> None:
    passages(tmp_path / "a.jsonl", "1")
    for number in range(30):
        (tmp_path / f"{number:02}.pdf").write_text("", encoding="utf-8")
    assert ids(tmp_path) == ["1"]
    note = said()
    assert "00.pdf, 01.pdf" in note and "29.pdf" not in note and "30 in all" in note


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
@pytest.mark.parametrize("above", ["", "unpacked"])
@pytest.mark.parametrize(
    "queries", ["queries.jsonl", "queries.jsonl.gz", "topics.dev.tsv", "qrels"]
)
def test_a_beir_folder_is_its_corpus(
    tmp_path: Path, compression: str, above: str, queries: str, said: Said
) -> None:
    folder = tmp_path / above
    suffix = {"": "", "gzip": ".gz", "zstd": ".zst"}[compression]
    passages(folder / "corpus.jsonl", "d1")
    content = compressed((folder / "corpus.jsonl").read_bytes(), compression)
    (folder / "corpus.jsonl").unlink()
    (folder / f"corpus.jsonl{suffix}").write_bytes(content)
    passages(folder / queries / "test.jsonl" if queries == "qrels" else folder / queries, "q1")
    passages(folder / "train.jsonl", "t1")
    assert ids(tmp_path) == ["d1"]
    assert queries in said()


def test_queries_among_passages_are_no_passages(tmp_path: Path, said: Said) -> None:
    for name in ("part1.jsonl", "part2.jsonl", "queries.jsonl", "qrels.test.tsv"):
        passages(tmp_path / name, name)
    assert ids(tmp_path) == ["part1.jsonl", "part2.jsonl"]
    assert "not read: qrels.test.tsv, queries.jsonl" in said()
    assert ids(tmp_path / "queries.jsonl") == ["queries.jsonl"]  # named, it is what the user wants


def test_our_own_layout_is_its_corpus(tmp_path: Path, said: Said) -> None:
    passages(tmp_path / "corpus" / "corpus.jsonl", "d1")
    (tmp_path / "corpus" / "corpus.jsonl.0123456789ab.store").write_text("", encoding="utf-8")
    (tmp_path / "corpus.0123456789ab.words.sqlite").write_text("", encoding="utf-8")
    (tmp_path / "topics.test.tsv").write_text("q1\tegg\n", encoding="utf-8")
    (tmp_path / "qrels.test.txt").write_text("q1 0 d1 1\n", encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"collection": "eggs"}', encoding="utf-8")
    assert ids(tmp_path) == ["d1"]
    note = said()
    assert "store" not in note and "manifest" not in note and "topics.test.tsv" in note
    assert {collection_name(tmp_path), collection_name(tmp_path / "corpus")} == {"eggs"}


def test_a_dangling_link_is_one_line(tmp_path: Path, said: Said) -> None:
    passages(tmp_path / "corpus" / "b.jsonl", "1")
    (tmp_path / "corpus" / "a.jsonl").symlink_to(tmp_path / "gone.jsonl")
    for path in (tmp_path / "corpus", tmp_path / "corpus" / "a.jsonl"):
        with pytest.raises(I3Error, match=r"a\.jsonl: cannot be read \(No such file"):
            Corpus(path)
    (tmp_path / "corpus" / "a.jsonl").rename(tmp_path / "corpus" / "a.pdf")
    assert ids(tmp_path / "corpus") == ["1"]
    assert "not read: a.pdf" in said()


def test_a_link_that_leads_back_is_not_followed_for_ever(tmp_path: Path, said: Said) -> None:
    passages(tmp_path / "corpus" / "a.jsonl", "1")
    (tmp_path / "corpus" / "again").symlink_to(tmp_path / "corpus")
    passages(tmp_path / "elsewhere" / "b.jsonl", "2")
    (tmp_path / "corpus" / "linked").symlink_to(tmp_path / "elsewhere")
    assert ids(tmp_path / "corpus") == ["1", "2"]
    assert "not read: again/" in said()


def test_no_passages_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "a.docx").write_text("", encoding="utf-8")
    with pytest.raises(I3Error, match=r"no passage files .*it has a\.docx, queries\.jsonl"):
        Corpus(tmp_path)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match="not a regular file"):
        Corpus(Path("/dev/null"))
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7\n")
    with pytest.raises(I3Error, match=r"paper\.pdf: not a known passage file"):
        Corpus(tmp_path / "paper.pdf")


@pytest.mark.parametrize("name", ["corpus", "corpus.gz", "corpus.data", "corpus.txt"])
def test_json_lines_are_known_by_their_first_character(tmp_path: Path, name: str) -> None:
    passages(tmp_path / "a.jsonl", "1")
    content = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / name).write_bytes(compressed(content, "gzip" if "gz" in name else ""))
    assert ids(tmp_path / name) == ["1"]

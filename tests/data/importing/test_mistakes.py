"""What is no collection is named, and nothing is written."""

from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import import_collection
from i3_pyserini.data.collection import check_source, write_collection
from i3_pyserini.data.sources import Source
from i3_pyserini.data.sources.folders import BeirFolder, PlainFiles
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.serve.bm25 import SqliteBm25
from tests.conftest import Run
from tests.data.importing.conftest import EXPECTED, contents, write_beir, write_plain


def test_judgements_of_absent_passages_are_refused_or_left_out(tmp_path: Path) -> None:
    source = write_plain(tmp_path / "plain", ".tsv")
    with (tmp_path / "plain" / "qrels.txt").open("a", encoding="utf-8") as file:
        file.write("q2 0 d9 1\n")
    with pytest.raises(I3Error, match=r"qrels.txt, line 4: passage 'd9' is not in the collection"):
        write_collection(source, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    findings = write_collection(source, tmp_path / "ours", drop_unknown=True)
    assert findings.unknown == 1
    assert contents(tmp_path / "ours") == EXPECTED


BAD = {
    "corpus.tsv": [
        ("d1\ta\tb\n\nd1\tc\td\n", "corpus.tsv, line 3: passage 'd1' occurs a second time"),
        ("d1\ta\tb\tc\n", "corpus.tsv, line 1: 4 fields; expected pid"),
        ("\ta\tb\n", "corpus.tsv, line 1: id '' is empty"),
        ("d 1\ta\tb\n", "corpus.tsv, line 1: id 'd 1' is empty or contains white space"),
        ("", "corpus.tsv: no passages"),
    ],
    "topics.tsv": [
        ("q1\thow\tlong\n", "topics.tsv, line 1: 3 columns"),
        ("q1\t \n", "topics.tsv, line 1: the query is empty"),
        ("q\0\ta\n", "topics.tsv, line 1: id 'q\\x00' is empty or contains white space"),
        ("q1\ta\nq1\tb\n", "topics.tsv, line 2: query id 'q1' occurs a second time"),
        ("\n", "split 'test': no topics"),
    ],
    "qrels.txt": [
        ("q1 0 d1 1\nq7 0 d1 1\n", "qrels.txt, line 2: query 'q7' is not in the topics"),
        ("q1 0 d1 1\nq1 0 d1 2\n", "qrels.txt, line 2: passage 'd1' has relevance 2"),
        ("\n", "qrels.txt: empty; expected a qrels file"),
        ("q1 0 d1 high\n", "qrels.txt, line 1: relevance 'high' is not a finite number"),
        ("q1 0 d1 1\nq1 d1\n", "qrels.txt, line 2: 2 columns"),
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [(name, text, said) for name, cases in BAD.items() for text, said in cases],
)
def test_bad_lines_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    source = write_plain(tmp_path / "plain", ".tsv")
    (tmp_path / "plain" / name).write_text(text, encoding="utf-8")
    with pytest.raises(I3Error) as caught:
        write_collection(source, tmp_path / "ours")
    assert said in str(caught.value)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('id,text\nd1,"open\nd2,closed\n', "line 2: a quote is not closed"),
        ('id,text\nd1,fine\nd2,"stray" mark\n', "line 3: a quote is not closed"),
        ("id,text\nd1,a,b\n", "line 2: 3 fields, but the header has 2"),
        ("name,words\nd1,a\n", "line 1: no id (field 'id', "),
    ],
)
def test_bad_csv_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "corpus.csv").write_text(text, encoding="utf-8")
    with pytest.raises(I3Error) as caught:
        check_source(PlainFiles(tmp_path / "corpus.csv"))
    assert said in str(caught.value)


def test_a_quote_in_a_tsv_swallows_no_lines(tmp_path: Path) -> None:
    (tmp_path / "corpus.tsv").write_text('d1\t"open\nd2\tclosed"\nd3\t"\n', encoding="utf-8")
    assert check_source(PlainFiles(tmp_path / "corpus.tsv")).passages == 3


def test_another_folder_is_not_overwritten(tmp_path: Path) -> None:
    source: Source = write_plain(tmp_path / "plain", ".tsv")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(I3Error):
            write_collection(source, tmp_path / "mine", overwrite)
    assert (tmp_path / "mine" / "thesis.tex").exists()
    write_collection(source, tmp_path / "ours")
    write_collection(source, tmp_path / "ours", overwrite=True)


def test_a_folder_that_is_no_collection_is_refused(run_module: Run, tmp_path: Path) -> None:
    refused = run_module("i3_pyserini", "data", "import", tmp_path, "--output", tmp_path / "ours")
    assert refused.returncode == 2
    assert "neither a folder 'corpus'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_header_of_unusual_names_is_no_passage(tmp_path: Path) -> None:
    (tmp_path / "corpus.tsv").write_text("Docno\twords\nd1\tBoil\n", encoding="utf-8")
    with pytest.raises(I3Error, match=r"line 1: no text \(field 'text'"):
        check_source(PlainFiles(tmp_path / "corpus.tsv"))
    named, wrong = CorpusOptions(text_field="words"), CorpusOptions(text_field="bodi")
    assert check_source(PlainFiles(tmp_path / "corpus.tsv", options=named)).passages == 1
    with pytest.raises(I3Error, match=r"no text \(field 'bodi'\)"):
        check_source(PlainFiles(tmp_path / "corpus.tsv", options=wrong))


def test_only_a_collection_of_ours_is_overwritten(tmp_path: Path) -> None:
    source = write_plain(tmp_path / "plain", ".tsv")
    write_collection(source, tmp_path / "ours")
    SqliteBm25(open_store(tmp_path / "ours" / "corpus"))  # as training and `serve` do
    write_collection(source, tmp_path / "ours", overwrite=True)
    (tmp_path / "ours" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(I3Error, match=r"also contains notes.txt"):
        write_collection(source, tmp_path / "ours", overwrite=True)
    assert (tmp_path / "ours" / "notes.txt").exists()


def test_half_a_character_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"id": "d1", "text": "x \\ud83d y"}\n', encoding="utf-8"
    )
    with pytest.raises(I3Error, match="line 1: field 'text': a lone surrogate"):
        write_collection(PlainFiles(tmp_path / "corpus.jsonl"), tmp_path / "ours")


def test_queries_that_no_judgement_would_be_left_for_are_an_error(tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "beir")
    (beir / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq3\tgone\t1\n", encoding="utf-8"
    )
    with pytest.raises(I3Error, match="no judgement of split 'train' is of a passage that is here"):
        write_collection(BeirFolder(beir), tmp_path / "ours", drop_unknown=True)
    for file in (beir / "qrels").iterdir():
        file.unlink()
    with pytest.raises(I3Error, match="no topics would be left"):
        write_collection(BeirFolder(beir), tmp_path / "ours")


def test_a_folder_takes_no_files_and_no_options(tmp_path: Path) -> None:
    write_collection(write_plain(tmp_path / "plain", ".tsv"), tmp_path / "ours")
    wrong: list[dict[str, Any]] = [
        {"topics": {"test": tmp_path / "plain" / "topics.tsv"}},
        {"corpus_options": CorpusOptions(encoding="cp1252")},
    ]
    for more in wrong:
        with pytest.raises(I3Error, match=f"{tmp_path}/ours: is not a file"):
            import_collection(tmp_path / "ours", output=tmp_path / "no", **more)

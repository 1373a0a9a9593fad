"""`data import` and `data check`: every source gives the same collection; mistakes are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import check_collection, import_collection
from i3_pyserini.data.collection import check_source, write_collection
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.data.sources.base import Source
from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
from i3_pyserini.data.sources.named import HubDataset, IrDataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import CorpusOptions
from i3_pyserini.formats.passages import Corpus, collection_name
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.model.settings import I3_PASSAGE_LENGTH, I3_QUERY_LENGTH
from i3_pyserini.serve.bm25 import SqliteBm25
from tests.conftest import Run

Row = tuple[str, str, int]
PASSAGES = [("d1", "Eggs", 'Boil "hard'), ("d2", "", "Hot, water"), ("d3", "Ice", "Çold")]
QUERIES = [("q1", "how long"), ("q2", 'what is "it'), ("q3", "where")]
TEST: list[Row] = [("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d3", 1)]
TRAIN: list[Row] = [("q3", "d2", 1)]


def write_beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": pid, "title": title, "text": text} for pid, title, text in PASSAGES]
    queries = [{"_id": qid, "text": query, "metadata": {}} for qid, query in QUERIES]
    for name, records in (("corpus", corpus), ("queries", queries)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    for split, judgements in (("test", TEST), ("train", TRAIN)):
        rows = "".join(f"{qid}\t{pid}\t{grade}\n" for qid, pid, grade in judgements)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return folder


def write_plain(folder: Path, suffix: str, end: str = "\n") -> PlainFiles:
    folder.mkdir(exist_ok=True)
    if suffix == ".csv":
        rows = ["docno,body,name"]
        rows += [
            f'{pid},"{text}","{title}"'.replace('"hard', '""hard') for pid, title, text in PASSAGES
        ]
    elif suffix == ".tsv":
        rows = ["\t".join(row) for row in PASSAGES]
    else:
        rows = [
            json.dumps({"id": pid, "title": title, "text": text}) for pid, title, text in PASSAGES
        ]
    options = CorpusOptions("docno", "name", "body") if suffix == ".csv" else CorpusOptions()
    files = {
        f"corpus{suffix}": rows,
        "topics.tsv": [f"{qid}\t{query}" for qid, query in QUERIES[:2]],
        "qrels.txt": [f"{qid} 0 {pid} {grade}" for qid, pid, grade in TEST],
    }
    for name, content in files.items():
        (folder / name).write_bytes("".join(row + end for row in content).encode())
    return PlainFiles(
        folder / f"corpus{suffix}",
        {"test": folder / "topics.tsv"},
        {"test": folder / "qrels.txt"},
        options,
    )


def contents(folder: Path) -> dict[str, Any]:
    corpus = Corpus(folder / "corpus")
    return {
        "passages": [(passage.docid, passage.title or "", passage.text) for passage in corpus],
        "topics": read_queries(folder / "topics.test.tsv"),
        "qrels": (folder / "qrels.test.txt").read_text(),
    }


EXPECTED = {
    "passages": PASSAGES,
    "topics": dict(QUERIES[:2]),
    "qrels": "q1 0 d1 2\nq1 0 d2 0\nq2 0 d3 1\n",
}


def test_a_beir_folder_keeps_its_splits(tmp_path: Path) -> None:
    write_collection(BeirFolder(write_beir(tmp_path / "beir")), tmp_path / "ours")
    assert contents(tmp_path / "ours") == EXPECTED
    assert read_queries(tmp_path / "ours" / "topics.train.tsv") == {"q3": "where"}
    assert read_positives(tmp_path / "ours" / "qrels.train.txt") == {"q3": ["d2"]}


def test_long_texts_are_counted(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        "".join(
            json.dumps({"id": f"d{words}", "title": "a b", "text": "word " * words}) + "\n"
            for words in (I3_PASSAGE_LENGTH - 2, I3_PASSAGE_LENGTH - 1, 500)
        )
    )
    topics = tmp_path / "topics.tsv"
    topics.write_text(f"q1\t{'a ' * I3_QUERY_LENGTH}\nq2\t{'a ' * (I3_QUERY_LENGTH + 1)}\n")
    source = PlainFiles(tmp_path / "corpus.jsonl", {"test": topics})
    findings = write_collection(source, tmp_path / "ours")
    assert (findings.longer, findings.longer_topics) == (2, 1)
    assert "at least 2 passages (66.7%) are longer than 140 ids" in str(findings)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_files_give_the_same_with_any_line_ends(
    tmp_path: Path, suffix: str, end: str
) -> None:
    write_collection(write_plain(tmp_path / "plain", suffix, end), tmp_path / "ours")
    assert contents(tmp_path / "ours") == EXPECTED


def test_a_tsv_may_have_a_header_or_no_titles(tmp_path: Path) -> None:
    (tmp_path / "headed.tsv").write_text("pid\ttext\ttitle\nd1\tBoil\tEggs\n")
    (tmp_path / "bare.tsv").write_text("d1\tBoil\n")
    for name, title in (("headed", "Eggs"), ("bare", "")):
        write_collection(PlainFiles(tmp_path / f"{name}.tsv"), tmp_path / name)
        record = json.loads((tmp_path / name / "corpus" / "corpus.jsonl").read_text())
        assert (record["title"], record["text"]) == (title, "Boil")


def test_anserini_finds_contents(tmp_path: Path) -> None:
    write_collection(write_plain(tmp_path / "plain", ".tsv"), tmp_path / "ours")
    lines = (tmp_path / "ours" / "corpus" / "corpus.jsonl").read_text().splitlines()
    assert [json.loads(line)["contents"] for line in lines[:2]] == [
        'Eggs\nBoil "hard',
        "Hot, water",
    ]


def test_our_own_layout_comes_through_unchanged(tmp_path: Path) -> None:
    write_collection(BeirFolder(write_beir(tmp_path / "beir")), tmp_path / "ours")
    write_collection(LayoutFolder(tmp_path / "ours"), tmp_path / "again")
    for name in ("corpus/corpus.jsonl", "topics.train.tsv", "qrels.test.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()
    assert collection_name(tmp_path / "again" / "corpus") == "ours"


class FakeIrDataset:
    def __init__(self, part: str | None) -> None:
        self.part = part

    def has_docs(self) -> bool:
        return True

    def has_queries(self) -> bool:
        return self.part is not None

    def has_qrels(self) -> bool:
        return self.part is not None

    def docs_iter(self) -> Any:
        for pid, title, text in PASSAGES:
            yield _Row(doc_id=pid, title=title, text=text)

    def queries_iter(self) -> Any:
        for qid, query in QUERIES[:2] if self.part == "test" else QUERIES[2:]:
            yield _Row(query_id=qid, default_text=lambda query=query: query)

    def qrels_iter(self) -> Any:
        for qid, pid, grade in TEST if self.part == "test" else TRAIN:
            yield _Row(query_id=qid, doc_id=pid, relevance=grade)


class _Row:
    def __init__(self, **fields: Any) -> None:
        self.__dict__ |= fields


def test_an_ir_dataset_is_imported_with_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    irds = pytest.importorskip("ir_datasets")

    def load(name: str) -> FakeIrDataset:
        if name not in ("we/ours", "we/ours/train", "we/ours/test"):
            raise KeyError(name)
        return FakeIrDataset(name.split("/")[2] if name.count("/") == 2 else None)

    monkeypatch.setattr(irds, "load", load)
    write_collection(IrDataset("we/ours"), tmp_path / "ours")
    assert contents(tmp_path / "ours") == EXPECTED
    assert (tmp_path / "ours" / "topics.train.tsv").exists()
    assert IrDataset("we/ours/test").splits() == ["test"]


def write_hub(folder: Path, queries: list[tuple[str, str]]) -> Path:
    tables: dict[str, list[dict[str, Any]]] = {
        "corpus": [{"_id": pid, "title": title, "text": text} for pid, title, text in PASSAGES],
        "queries": [{"_id": qid, "text": query} for qid, query in queries],
        "default": [{"query-id": q, "corpus-id": p, "score": grade} for q, p, grade in TEST],
    }
    for config, rows in tables.items():
        (folder / config).mkdir(parents=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / config / "test.jsonl").write_text(text, encoding="utf-8")
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: {split}\n    path: {name}/test.jsonl\n"
        for name, split in (("corpus", "corpus"), ("queries", "queries"), ("default", "test"))
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return folder


def test_a_hugging_face_dataset_is_imported(tmp_path: Path) -> None:
    folder = write_hub(tmp_path / "hub" / "ours", QUERIES)
    write_collection(HubDataset(str(folder)), tmp_path / "ours")
    assert contents(tmp_path / "ours") == EXPECTED


def test_queries_that_no_reader_takes_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_hub(tmp_path / "hub" / "ours", [("q1", " "), *QUERIES[1:]])
    monkeypatch.setattr(IrDataset, "_load", lambda *_: FakeIrDataset("test"))
    monkeypatch.setattr(
        FakeIrDataset, "queries_iter", lambda _: [_Row(query_id="q1", default_text=str)]
    )
    for source in (HubDataset(str(folder)), IrDataset("we/ours/test")):
        with pytest.raises(I3Error, match=r"(row 1|query q1): the query is empty"):
            write_collection(source, tmp_path / "ours")


def test_a_hugging_face_dataset_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(I3Error, match="no configuration 'corpus'"):
        HubDataset(str(tmp_path))


def test_judgements_of_absent_passages_are_refused_or_left_out(tmp_path: Path) -> None:
    source = write_plain(tmp_path / "plain", ".tsv")
    with (tmp_path / "plain" / "qrels.txt").open("a") as file:
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
        ("d 1\ta\tb\n", "corpus.tsv, line 1: id 'd 1' is empty or has white space"),
        ("", "corpus.tsv: no passages"),
    ],
    "topics.tsv": [
        ("q1\thow\tlong\n", "topics.tsv, line 1: 3 columns"),
        ("q1\t \n", "topics.tsv, line 1: the query is empty"),
        ("q\0\ta\n", "topics.tsv, line 1: id 'q\\x00' is empty or has white space"),
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
    (tmp_path / "plain" / name).write_text(text)
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
    (tmp_path / "corpus.csv").write_text(text)
    with pytest.raises(I3Error) as caught:
        check_source(PlainFiles(tmp_path / "corpus.csv"))
    assert said in str(caught.value)


def test_a_quote_in_a_tsv_swallows_no_lines(tmp_path: Path) -> None:
    (tmp_path / "corpus.tsv").write_text('d1\t"open\nd2\tclosed"\nd3\t"\n')
    assert check_source(PlainFiles(tmp_path / "corpus.tsv")).passages == 3


def test_another_folder_is_not_overwritten(tmp_path: Path) -> None:
    source: Source = write_plain(tmp_path / "plain", ".tsv")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(I3Error):
            write_collection(source, tmp_path / "mine", overwrite)
    assert (tmp_path / "mine" / "thesis.tex").exists()
    write_collection(source, tmp_path / "ours")
    write_collection(source, tmp_path / "ours", overwrite=True)


def test_the_commands_say_what_they_did(run_module: Run, tmp_path: Path) -> None:
    source = write_plain(tmp_path / "plain", ".csv")
    done = run_module(
        "i3_pyserini",
        *("data", "import", source.corpus, "--output", tmp_path / "ours", "--name", "eggs"),
        *("--docid-field", "docno", "--text-field", "body", "--title-field", "name"),
        *("--topics", f"test={tmp_path}/plain/topics.tsv"),
        *("--qrels", f"test={tmp_path}/plain/qrels.txt"),
        check=True,
    )
    assert done.stdout == (f"wrote {tmp_path}/ours: 3 passages; test: 2 topics, 3 judgements\n")
    assert collection_name(tmp_path / "ours" / "corpus") == "eggs"
    checked = run_module("i3_pyserini", "data", "check", tmp_path / "ours", check=True)
    assert "3 passages; test: 2 topics, 3 judgements" in checked.stdout
    (tmp_path / "ours" / "topics.test.tsv").unlink()
    broken = run_module("i3_pyserini", "data", "check", tmp_path / "ours")
    assert broken.returncode == 2
    assert "topics.test.tsv: missing" in broken.stderr


def test_a_folder_that_is_no_collection_is_refused(run_module: Run, tmp_path: Path) -> None:
    refused = run_module("i3_pyserini", "data", "import", tmp_path, "--output", tmp_path / "ours")
    assert refused.returncode == 2
    assert "neither a folder 'corpus'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_header_of_unusual_names_is_no_passage(tmp_path: Path) -> None:
    (tmp_path / "corpus.tsv").write_text("Docno\twords\nd1\tBoil\n")
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
    (tmp_path / "ours" / "notes.txt").write_text("mine")
    with pytest.raises(I3Error, match=r"holds notes.txt too"):
        write_collection(source, tmp_path / "ours", overwrite=True)
    assert (tmp_path / "ours" / "notes.txt").exists()


def test_half_a_character_is_named(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"id": "d1", "text": "x \\ud83d y"}\n')
    with pytest.raises(I3Error, match="line 1: field 'text': a lone surrogate"):
        write_collection(PlainFiles(tmp_path / "corpus.jsonl"), tmp_path / "ours")


def test_queries_that_no_judgement_would_be_left_for_are_an_error(tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "beir")
    (beir / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\tgone\t1\n")
    with pytest.raises(I3Error, match="no judgement of split 'train' is of a passage that is here"):
        write_collection(BeirFolder(beir), tmp_path / "ours", drop_unknown=True)
    for file in (beir / "qrels").iterdir():
        file.unlink()
    with pytest.raises(I3Error, match="no topics would be left"):
        write_collection(BeirFolder(beir), tmp_path / "ours")


def test_splits_as_a_mapping_and_as_words(tmp_path: Path) -> None:
    source = write_plain(tmp_path / "plain", ".tsv")
    topics, qrels = tmp_path / "plain" / "topics.tsv", tmp_path / "plain" / "qrels.txt"
    one = import_collection(
        source.corpus, output=tmp_path / "one", topics={"test": topics}, qrels={"test": qrels}
    )
    other = import_collection(
        str(source.corpus),
        output=tmp_path / "other",
        topics=[f"test={topics}"],
        qrels=[f"test={qrels}"],
    )
    assert one.summary == other.summary == "3 passages; test: 2 topics, 3 judgements"
    assert str(one) == f"wrote {tmp_path}/one: {one.summary}"
    assert contents(Path(one)) == contents(other.path)
    assert str(check_collection(one.path)).endswith(f"{tmp_path}/one: {one.summary}")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"topics": ["test"]}, "topics test: expected SPLIT=FILE"),
        ({"qrels": ["test=a", "test=b"]}, "qrels test=b: split 'test' is named twice"),
        ({"topics": {"no split": topics}}, "topics no split=…"),
    ]
    for more, said in wrong:
        with pytest.raises(I3Error, match=said):
            import_collection(source.corpus, output=tmp_path / "no", **more)


def test_a_folder_takes_no_files_and_no_options(tmp_path: Path) -> None:
    write_collection(write_plain(tmp_path / "plain", ".tsv"), tmp_path / "ours")
    wrong: list[dict[str, Any]] = [
        {"topics": {"test": tmp_path / "plain" / "topics.tsv"}},
        {"corpus_options": CorpusOptions(encoding="cp1252")},
    ]
    for more in wrong:
        with pytest.raises(I3Error, match=f"{tmp_path}/ours: is no file"):
            import_collection(tmp_path / "ours", output=tmp_path / "no", **more)

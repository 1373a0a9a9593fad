"""`data import` and `data check`: every source gives the same collection."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import check_collection, import_collection
from i3_pyserini.data.collection import write_collection
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
from i3_pyserini.data.sources.named import HubDataset, IrDataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import collection_name
from i3_pyserini.model.settings import I3_PASSAGE_LENGTH, I3_QUERY_LENGTH
from tests.conftest import Run
from tests.data.importing.conftest import (
    EXPECTED,
    PASSAGES,
    QUERIES,
    TEST,
    TRAIN,
    contents,
    write_beir,
    write_plain,
)


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
        ),
        encoding="utf-8",
    )
    topics = tmp_path / "topics.tsv"
    topics.write_text(
        f"q1\t{'a ' * I3_QUERY_LENGTH}\nq2\t{'a ' * (I3_QUERY_LENGTH + 1)}\n", encoding="utf-8"
    )
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
    (tmp_path / "headed.tsv").write_text("pid\ttext\ttitle\nd1\tBoil\tEggs\n", encoding="utf-8")
    (tmp_path / "bare.tsv").write_text("d1\tBoil\n", encoding="utf-8")
    for name, title in (("headed", "Eggs"), ("bare", "")):
        write_collection(PlainFiles(tmp_path / f"{name}.tsv"), tmp_path / name)
        record = json.loads(
            (tmp_path / name / "corpus" / "corpus.jsonl").read_text(encoding="utf-8")
        )
        assert (record["title"], record["text"]) == (title, "Boil")


def test_anserini_finds_contents(tmp_path: Path) -> None:
    write_collection(write_plain(tmp_path / "plain", ".tsv"), tmp_path / "ours")
    lines = (tmp_path / "ours" / "corpus" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["contents"] for line in lines[:2]] == [
        'Eggs\nBoil "hard',
        "Hot, water",
    ]


def test_our_own_layout_comes_through_unchanged(tmp_path: Path) -> None:
    write_collection(BeirFolder(write_beir(tmp_path / "beir")), tmp_path / "ours")
    write_collection(LayoutFolder(tmp_path / "ours"), tmp_path / "again")
    for name in ("corpus/corpus.jsonl", "topics.train.tsv", "qrels.test.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "ours" / name).read_bytes()
    assert collection_name(tmp_path / "again" / "corpus") == "beir"  # as the manifest has it


@pytest.mark.parametrize("given", ["ours", "ours/corpus/corpus.jsonl"])
def test_a_collection_is_not_imported_onto_itself(tmp_path: Path, given: str) -> None:
    ours = tmp_path / "ours"
    write_collection(BeirFolder(write_beir(tmp_path / "beir")), ours)
    before = sorted(ours.rglob("*"))
    with pytest.raises(I3Error, match="is in the output"):
        import_collection(tmp_path / given, output=ours, overwrite=True)
    with pytest.raises(I3Error, match=r"topics\.test\.tsv: is in the output"):
        import_collection(
            tmp_path / "beir" / "corpus.jsonl",
            output=ours,
            topics={"test": ours / "topics.test.tsv"},
            overwrite=True,
        )
    assert sorted(ours.rglob("*")) == before
    ours.rename(tmp_path / "moved")
    import_collection(tmp_path / "moved", output=tmp_path / "copy")
    assert collection_name(tmp_path / "copy" / "corpus") == "beir"


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
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
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
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(I3Error, match="no configuration 'corpus'"):
        HubDataset(str(tmp_path))


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
    assert done.stdout == (
        f"wrote {tmp_path}/ours: collection 'eggs': 3 passages; test: 2 topics, 3 judgements\n"
    )
    assert collection_name(tmp_path / "ours" / "corpus") == "eggs"
    checked = run_module("i3_pyserini", "data", "check", tmp_path / "ours", check=True)
    assert "3 passages; test: 2 topics, 3 judgements" in checked.stdout
    (tmp_path / "ours" / "topics.test.tsv").unlink()
    broken = run_module("i3_pyserini", "data", "check", tmp_path / "ours")
    assert broken.returncode == 2
    assert "topics.test.tsv: missing" in broken.stderr


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
    counted = "3 passages; test: 2 topics, 3 judgements"
    assert one.summary == other.summary == f"collection 'corpus': {counted}"
    assert str(one) == f"wrote {tmp_path}/one: {one.summary}"
    assert contents(Path(one)) == contents(other.path)
    assert str(check_collection(one.path)).endswith(f"{tmp_path}/one: {counted}")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"topics": ["test"]}, "topics test: expected SPLIT=FILE"),
        ({"qrels": ["test=a", "test=b"]}, "qrels test=b: split 'test' is given twice"),
        ({"topics": {"no split": topics}}, "topics no split=…"),
    ]
    for more, said in wrong:
        with pytest.raises(I3Error, match=said):
            import_collection(source.corpus, output=tmp_path / "no", **more)

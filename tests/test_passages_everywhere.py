"""Every command reads the same ids, titles and texts from a corpus, whatever its form."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.data.collection import write_collection
from i3_pyserini.data.same_text import TextHashes
from i3_pyserini.data.sources.folders import PlainFiles
from i3_pyserini.encode.reference import Flags, reference_of
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.scan import Shard
from i3_pyserini.encode.verify import verify
from i3_pyserini.eval.diff_texts import PassageTexts
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.textstore import open_store
from i3_pyserini.search.bm25_lucene import _write_contents
from tests.encode.stand_in import LengthEncoder
from tests.formats.forms import FORMS, PASSAGES, Form

Reading = Callable[[Path, Path], list[tuple[str, str | None, str]]]
JOINED = [(docid, None, f"{title}\n{text}" if title else text) for docid, title, text in PASSAGES]


class Recording(LengthEncoder):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[str | None, str]] = []

    def ids(self, texts, titles=None):  # type: ignore[no-untyped-def]
        self.given += zip(titles, texts, strict=True)
        return super().ids(texts, titles)


def encoded(path: Path, scratch: Path) -> list[tuple[str, str | None, str]]:
    encoder = Recording()
    how = Encoding(part_passages=2)
    run_encoding(Corpus(path), encoder, IndexOutput(scratch / "index"), how)
    docids = (scratch / "index" / "docid").read_text(encoding="utf-8").splitlines()
    assert not (scratch / ".index.partial").exists()
    return [(docid, *given) for docid, given in zip(docids, encoder.given, strict=True)]


def encoded_in_shards(path: Path, scratch: Path) -> list[tuple[str, str | None, str]]:
    found = []
    for one in range(2):
        encoder, index = Recording(), scratch / f"shard-{one}"
        how = Encoding(shard=Shard(one, 2), part_passages=1)
        run_encoding(Corpus(path), encoder, IndexOutput(index), how)
        docids = (index / "docid").read_text(encoding="utf-8").splitlines()
        found += [(docid, *given) for docid, given in zip(docids, encoder.given, strict=True)]
    return found


def stored(path: Path, scratch: Path) -> list[tuple[str, str | None, str]]:
    store = open_store(path, scratch / "cache")
    passages = [store.get(docid) for docid in store.pids()]
    assert passages == store.slice(0, len(store))
    return [(one.docid, one.title, one.text) for one in passages if one]


def explained(path: Path, scratch: Path) -> list[tuple[str, str | None, str]]:
    passages = [Corpus(path).find(docid) for docid, _, _ in PASSAGES]
    return [(one.docid, one.title, one.text) for one in passages]


def imported(path: Path, scratch: Path) -> list[tuple[str, str | None, str]]:
    write_collection(PlainFiles(path), scratch / "data")
    with (scratch / "data" / "corpus" / "corpus.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [(one["id"], one["title"] or None, one["text"]) for one in records]


READERS: dict[str, Reading] = {
    "encode": encoded,
    "encode in shards": encoded_in_shards,
    "text store": stored,
    "explain": explained,
    "import": imported,
}


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("reader", READERS)
def test_all_read_the_same(tmp_path: Path, form: Form, reader: str) -> None:
    assert READERS[reader](form.write(tmp_path), tmp_path / "scratch") == PASSAGES


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_bm25_has_ids_titles_and_texts(tmp_path: Path, form: Form) -> None:
    assert _write_contents(Corpus(form.write(tmp_path)), tmp_path, 1) == 0
    records = map(json.loads, (tmp_path / "0.jsonl").read_text(encoding="utf-8").splitlines())
    assert [(one["id"], None, one["contents"]) for one in records] == JOINED


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_diff_and_mining_find_what_was_encoded(tmp_path: Path, form: Form) -> None:
    path = form.write(tmp_path)
    texts = PassageTexts(path, tmp_path / "cache")
    assert texts.show("d1").text.startswith('Eggs, boiled: Boil "hard"; 10')
    _, known = TextHashes(open_store(path, tmp_path / "cache")).look_up(["007", "7", "a#b%c"])
    assert known.tolist() == [True, False, True]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_verify_reads_what_encode_read(tmp_path: Path, form: Form) -> None:
    path, index, how = form.write(tmp_path), tmp_path / "index", Encoding(shard=Shard(1, 2))
    run_encoding(Corpus(path), LengthEncoder(), IndexOutput(index), how)
    lines = list(verify(index, reference_of(index, Flags(collection=path, passages=0))))
    assert any(line.startswith("collection") for line in lines)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_unusual_names_stand_in_the_manifest(tmp_path: Path, suffix: str) -> None:
    path, index = Form(suffix, ("sku", "name", "body")).write(tmp_path), tmp_path / "index"
    corpus = Corpus(path, docid_field="sku", title_field="name", text_field="body")
    run_encoding(corpus, LengthEncoder(), IndexOutput(index))
    known = json.loads((index / "manifest.json").read_text(encoding="utf-8"))["corpus"]
    assert (known["docid_field"], known["text_field"]) == ("sku", "body")
    assert known["files"] == [path.name]
    assert list(verify(index, reference_of(index, Flags(collection=path, passages=0))))


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_an_interrupted_encoding_resumes(tmp_path: Path, how: str, suffix: str) -> None:
    path = Form(suffix, compression=how).write(tmp_path)
    options = Encoding(part_passages=1)

    class Interrupted(LengthEncoder):
        def vectors(self, ids):  # type: ignore[no-untyped-def]
            if self.batches:
                raise KeyboardInterrupt
            return super().vectors(ids)

    with pytest.raises(KeyboardInterrupt):
        run_encoding(Corpus(path), Interrupted(), IndexOutput(tmp_path / "index"), options)
    assert len(list((tmp_path / ".index.partial").glob("part-*"))) == 1
    encoder = LengthEncoder()
    run_encoding(Corpus(path), encoder, IndexOutput(tmp_path / "index"), options)
    assert len(encoder.batches) == len(PASSAGES) - 1
    run_encoding(Corpus(path), LengthEncoder(), IndexOutput(tmp_path / "whole"), options)
    for name in ("index", "docid"):
        one, other = (tmp_path / folder / name for folder in ("index", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_corpus_that_changed_is_refused_to_an_interrupted_encoding(tmp_path: Path) -> None:
    path = Form(".csv", compression="gzip").write(tmp_path)

    class Interrupted(LengthEncoder):
        def vectors(self, ids):  # type: ignore[no-untyped-def]
            if self.batches:
                raise KeyboardInterrupt
            return super().vectors(ids)

    options = Encoding(part_passages=1)
    with pytest.raises(KeyboardInterrupt):
        run_encoding(Corpus(path), Interrupted(), IndexOutput(tmp_path / "index"), options)
    path.write_bytes(Form(".csv")._content().replace(b"Boil", b"boil"))
    with pytest.raises(ValueError, match="has changed since this encoding began"):
        run_encoding(Corpus(path), LengthEncoder(), IndexOutput(tmp_path / "index"), options)


def test_vectors_do_not_depend_on_the_form(tmp_path: Path) -> None:
    found = []
    for number, form in enumerate([Form(".jsonl"), Form(".csv", compression="zstd")]):
        output = IndexOutput(tmp_path / str(number), "npy")
        run_encoding(Corpus(form.write(tmp_path)), LengthEncoder(), output)
        found.append(np.load(tmp_path / str(number) / "embeddings.npy"))
    assert np.array_equal(*found)

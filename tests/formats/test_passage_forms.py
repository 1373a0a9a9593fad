"""Whatever the form of a corpus, its passages are the same, at the same places."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from i3_pyserini.encode.scan import Shard, hash_of, scan, shard_lines
from i3_pyserini.formats.passage_fields import ID_FIELDS, PassageFields
from i3_pyserini.formats.passages import Corpus, Place
from tests.formats.forms import FORMS, PASSAGES, Form


def texts(corpus: Corpus) -> list[tuple[str, str | None, str]]:
    return [(passage.docid, passage.title, passage.text) for passage in corpus]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_has_the_same_passages(tmp_path: Path, form: Form) -> None:
    corpus = Corpus(form.write(tmp_path))
    assert texts(corpus) == PASSAGES
    assert [passage for _, passage in corpus.located()] == list(corpus)
    assert [corpus.find(docid).text for docid, _, _ in PASSAGES] == [text for *_, text in PASSAGES]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_staged_corpus_has_the_same_lines_at_the_same_places(tmp_path: Path, form: Form) -> None:
    corpus = Corpus(form.write(tmp_path))
    staged = corpus.staged(tmp_path / "stage")
    lines = list(corpus.lines(Place()))
    assert list(staged.lines(Place())) == lines
    assert staged.sizes == corpus.sizes
    for number, (place, _) in enumerate(lines):
        assert list(staged.lines(place)) == list(corpus.lines(place)) == lines[number:]
        assert staged.name_of(place) == corpus.name_of(place)
    assert staged.names == corpus.names == [corpus.path.name]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("number", [1, 2, 5])
def test_shards_and_parts_of_every_form(tmp_path: Path, form: Form, number: int) -> None:
    corpus = Corpus(form.write(tmp_path))
    found = scan(corpus, part_passages=2)
    assert (found.passages, found.sha256) == (len(PASSAGES), hash_of(corpus, Shard()))
    parts = [list(islice(corpus.read(part.start), part.passages)) for part in found.parts]
    assert [passage for part in parts for passage in part] == list(corpus)
    shards = [list(shard_lines(corpus, Shard(one, number))) for one in range(number)]
    assert [line for lines in shards for line in lines] == list(corpus.lines(Place()))


def test_compression_does_not_change_the_hash_but_content_does(tmp_path: Path) -> None:
    hashes = {
        hash_of(Corpus(Form(".jsonl", compression=how).write(tmp_path)), Shard())
        for how in ("", "gzip", "zstd")
    }
    assert len(hashes) == 1
    other = tmp_path / "other.jsonl"
    other.write_bytes((tmp_path / "corpus.jsonl").read_bytes().replace(b"Boil", b"boil"))
    assert hash_of(Corpus(other), Shard()) not in hashes


@pytest.mark.parametrize(("first", "second"), list(pairwise(ID_FIELDS)))
def test_the_first_name_of_the_list_is_the_id(first: str, second: str) -> None:
    record = {second: "parent", first: "own", "text": "x"}
    assert PassageFields().passage(record).docid == "own"
    assert PassageFields(docid=second).passage(record).docid == "parent"


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_a_passage_of_ms_marco_v2_has_its_own_id(tmp_path: Path, suffix: str) -> None:
    form = Form(suffix, ("pid", "docid", "passage"))  # the title's place has the document's id
    assert [passage.docid for passage in Corpus(form.write(tmp_path))] == [
        docid for docid, _, _ in PASSAGES
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_named_fields_and_kept_ones(tmp_path: Path, suffix: str) -> None:
    path = Form(suffix, ("sku", "name", "body")).write(tmp_path)
    corpus = Corpus(path, docid_field="sku", title_field="name", text_field="body")
    assert texts(corpus) == PASSAGES
    assert texts(Corpus.from_options(path, corpus.options())) == PASSAGES
    kept = Corpus(path, docid_field="sku", text_field="body", keep=("name",))
    assert [passage.extra["name"] or None for passage in kept] == [name for _, name, _ in PASSAGES]
    several = Corpus(path, ("name", "body"), docid_field="sku")
    assert next(iter(several)).contents == 'Eggs, boiled\nBoil "hard"; 10 minutes'


def test_numbers_are_ids(tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame({"id": [7, 8], "text": ["a", None]}).write_parquet(tmp_path / "n.parquet")
    assert texts(Corpus(tmp_path / "n.parquet")) == [("7", None, "a"), ("8", None, "")]


def test_bytes_of_parquet_are_text(tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame({"id": [b"7"], "text": ["ä".encode()]}).write_parquet(tmp_path / "n.parquet")
    assert texts(Corpus(tmp_path / "n.parquet")) == [("7", None, "ä")]


def test_many_rows_of_parquet_stay_in_order(tmp_path: Path) -> None:
    import polars as pl

    ids = [str(number) for number in range(20_000)]
    frame = pl.DataFrame({"id": ids, "text": ids})
    frame.write_parquet(tmp_path / "n.parquet", row_group_size=3000)
    assert [passage.docid for passage in Corpus(tmp_path / "n.parquet")] == ids


NAMES = ["a[1].X", "a*b?.X", "a b.X", "a#b%20c.X", "ä 漢.X", "~a.X", "$HOME.X", "-a.X", "a:b.X"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", [Form(s) for s in (".jsonl", ".csv", ".tsv", ".parquet")], ids=str)
@pytest.mark.parametrize("compression", ["", "zstd"])
def test_a_path_is_a_path(tmp_path: Path, name: str, form: Form, compression: str) -> None:
    folder = tmp_path / name.removesuffix(".X")
    folder.mkdir()
    written = Form(form.suffix, compression=compression).write(folder, name.removesuffix(".X"))
    neighbour = tmp_path / "a1"  # what a[1] would match
    neighbour.mkdir()
    Form(form.suffix, ("id", "text", "title")).write(neighbour, "a1")
    for path in (written, folder):
        assert texts(Corpus(path)) == PASSAGES

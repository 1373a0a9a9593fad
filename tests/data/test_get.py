"""`data get`: a small data set of the same form as MS MARCO's, from a server of our own."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import list_data
from i3_pyserini.data.catalog import Dataset, find_dataset, load_catalog
from i3_pyserini.data.convert import MAKERS
from i3_pyserini.data.dataset import get_dataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.passages import Corpus, collection_name
from tests.data.server import REVISION, Site, serving

PASSAGES = {"0": 'An egg "hard', "1": "Hot water", "2": "Cold\u00a0place"}
TITLES = {"0": "Eggs", "2": "Places"}
QUERIES = "7\thow long\n8\twhat is\n9\tthe egg\n"
QRELS = "8 0 1 3\n7 0 0 0\n"
Run = Callable[..., subprocess.CompletedProcess[str]]


def tar(members: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


def lines(pairs: dict[str, str]) -> str:
    return "".join(f"{key}\t{value}\n" for key, value in pairs.items())


OFFICIAL = tar({"collection.tsv": lines(PASSAGES), "other.tsv": "x"})
TITLED = tar({"marco/para.txt": lines(PASSAGES), "marco/para.title.txt": lines(TITLES)})


def catalog(site: Site) -> dict[str, Any]:
    def file(path: str, group: str, **fields: Any) -> dict[str, Any]:
        return {"path": path, "group": group, "licence": "ours", "purpose": "a test", **fields}

    def made(by: str, source: str, *members: str) -> dict[str, Any]:
        return {"made": {"by": by, "from": source, "members": members}, "lines": 3}

    return {
        "small": {
            "about": "A test.",
            "terms": "No terms.",
            "groups": {"text": "passages", "queries": "queries", "hub": "from the hub"},
            "files": [
                file(
                    "downloads/official.tar.gz",
                    "text",
                    url=f"{site.url}/official.tar.gz",
                    size=len(OFFICIAL),
                    md5=hashlib.md5(OFFICIAL, usedforsecurity=False).hexdigest(),
                ),
                file(
                    "official/corpus/corpus.jsonl",
                    "text",
                    collection="small-official",
                    **made("corpus", "downloads/official.tar.gz", "collection.tsv"),
                ),
                file("downloads/titled.tar.gz", "text", url=f"{site.url}/titled.tar.gz"),
                file(
                    "titled/corpus/corpus.jsonl",
                    "text",
                    collection="small-titled",
                    **made(
                        "titled_corpus",
                        "downloads/titled.tar.gz",
                        "marco/para.txt",
                        "marco/para.title.txt",
                    ),
                ),
                file("downloads/queries.tsv.gz", "queries", url=f"{site.url}/queries.tsv.gz"),
                file("qrels.txt", "queries", url=f"{site.url}/qrels.txt"),
                file(
                    "topics.tsv",
                    "queries",
                    made={
                        "by": "judged_topics",
                        "from": "downloads/queries.tsv.gz",
                        "with": "qrels.txt",
                    },
                    lines=2,
                ),
                file(
                    "train_negs.tsv",
                    "hub",
                    hub={"repo": "we/data", "type": "dataset", "file": "train_negs.tsv"},
                ),
                file("backbone", "hub", hub={"repo": "we/backbone", "type": "model"}),
            ],
        }
    }


@pytest.fixture
def site() -> Iterator[Site]:
    files = {
        "/official.tar.gz": OFFICIAL,
        "/titled.tar.gz": TITLED,
        "/queries.tsv.gz": gzip.compress(QUERIES.encode()),
        "/qrels.txt": QRELS.encode(),
    }
    repositories = {
        "datasets/we/data": {"marco/train_negs.tsv": b"7\t1,2\n", "README.md": b"#"},
        "models/we/backbone": {"config.json": b"{}", "model.safetensors": b"0123"},
    }
    with serving(Site(files, repositories)) as running:
        yield running


@pytest.fixture
def catalog_file(site: Site, tmp_path: Path) -> Path:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog(site)))
    return path


@pytest.fixture
def dataset(catalog_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dataset:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "no-ir-datasets"))
    return find_dataset("small", catalog_file)


def test_passages_are_read_literally_and_titles_go_to_their_passages(
    dataset: Dataset, tmp_path: Path
) -> None:
    get_dataset(dataset, tmp_path / "data", ["text"])
    official = list(Corpus(tmp_path / "data" / "official" / "corpus"))
    titled = list(Corpus(tmp_path / "data" / "titled" / "corpus"))
    assert [(passage.docid, passage.text) for passage in official] == list(PASSAGES.items())
    assert [passage.title for passage in official] == [None, None, None]
    assert [passage.title for passage in titled] == ["Eggs", None, "Places"]
    assert [passage.text for passage in titled] == list(PASSAGES.values())


def test_the_two_collections_carry_their_names(dataset: Dataset, tmp_path: Path) -> None:
    get_dataset(dataset, tmp_path / "data", ["text"])
    for kind in ("official", "titled"):
        assert collection_name(tmp_path / "data" / kind / "corpus") == f"small-{kind}"


def test_only_judged_topics_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    get_dataset(dataset, tmp_path / "data", ["queries"])
    assert (tmp_path / "data" / "topics.tsv").read_text() == "7\thow long\n8\twhat is\n"


def test_what_is_there_is_not_asked_for_again(dataset: Dataset, site: Site, tmp_path: Path) -> None:
    get_dataset(dataset, tmp_path / "data", ["text", "queries"])
    for archive in ("official", "titled"):
        (tmp_path / "data" / "downloads" / f"{archive}.tar.gz").unlink()
    asked = len(site.requests)
    get_dataset(dataset, tmp_path / "data", ["text", "queries"])
    assert len(site.requests) == asked
    (tmp_path / "data" / "official" / "corpus" / "corpus.jsonl").unlink()
    get_dataset(dataset, tmp_path / "data", ["text"])
    assert [path for _, path, _ in site.requests[asked:]] == ["/official.tar.gz"]


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/official.tar.gz"] = OFFICIAL[:-1] + b"x"
    with pytest.raises(I3Error, match=r"1 file\(s\) of small could not be downloaded"):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "official.tar.gz: wrong checksum (md5)" in capfd.readouterr().err
    assert not (tmp_path / "data" / "downloads" / "official.tar.gz").exists()
    assert not (tmp_path / "data" / "official").exists()
    assert (tmp_path / "data" / "titled" / "corpus" / "corpus.jsonl").exists()


def test_each_missing_file_is_named_with_where_to_get_and_put_it(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del site.files["/official.tar.gz"], site.files["/qrels.txt"]
    with pytest.raises(I3Error, match=r"2 file\(s\)"):
        get_dataset(dataset, tmp_path / "data", ["text", "queries"])
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("missing")]
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    assert said[0] == (
        f"missing: {target}: the server says 404 Not Found; by hand: get "
        f"{site.url}/official.tar.gz and put it at {target}"
    )
    assert len(said) == 2


def test_a_file_put_there_by_hand_is_verified_and_accepted(
    dataset: Dataset, site: Site, tmp_path: Path
) -> None:
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    target.parent.mkdir(parents=True)
    del site.files["/official.tar.gz"]
    target.write_bytes(OFFICIAL)
    manifest = get_dataset(dataset, tmp_path / "data", ["text"])
    assert manifest.files["downloads/official.tar.gz"].source == "by hand"
    assert (tmp_path / "data" / "official" / "corpus" / "corpus.jsonl").exists()


def test_half_a_file_put_there_by_hand_is_refused_and_left_alone(
    dataset: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    target.parent.mkdir(parents=True)
    target.write_bytes(OFFICIAL[:50])
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert f"has 50 bytes, must have {len(OFFICIAL)}" in capfd.readouterr().err
    assert target.read_bytes() == OFFICIAL[:50]


def test_half_an_archive_without_a_checksum_makes_no_collection(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/titled.tar.gz"] = TITLED[: len(TITLED) // 2]
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "only half a download" in capfd.readouterr().err
    assert not list((tmp_path / "data").glob("titled/corpus/*"))
    assert not list((tmp_path / "data").glob(".unpacked-*"))


@pytest.mark.parametrize("name", ["../outside.tsv", "/etc/outside.tsv"])
def test_an_archive_that_would_write_elsewhere_is_refused(
    dataset: Dataset, site: Site, tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    members = {"marco/para.txt": lines(PASSAGES), "marco/para.title.txt": "", name: "bad"}
    site.files["/titled.tar.gz"] = tar(members)
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert f"unsafe member {name!r}" in capfd.readouterr().err
    assert not list(tmp_path.rglob("outside.tsv"))


def test_a_collection_with_missing_passages_is_refused(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    site.files["/titled.tar.gz"] = tar({"marco/para.txt": "0\ta\n", "marco/para.title.txt": ""})
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "makes 1 lines of titled/corpus/corpus.jsonl, must be 3" in capfd.readouterr().err
    assert not (tmp_path / "data" / "titled" / "corpus" / "corpus.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "titles", "said"),
    [
        ("0\ta\tb\n1\ta\n2\ta\n", "", "para.txt, line 1: 3 tab-separated fields"),
        ("0\ta\n1\tb\n2\tc\n", "2\tx\n0\ty\n", "title of passage 0 is not in the order"),
    ],
)
def test_a_bad_line_in_an_archive_is_named(
    dataset: Dataset,
    site: Site,
    tmp_path: Path,
    text: str,
    titles: str,
    said: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site.files["/titled.tar.gz"] = tar({"marco/para.txt": text, "marco/para.title.txt": titles})
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert said in capfd.readouterr().err


def test_what_ir_datasets_has_is_used(
    dataset: Dataset, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "irds"
    (home / "small").mkdir(parents=True)
    (home / "small" / "official.tar.gz").write_bytes(OFFICIAL)
    fields = catalog(site)
    fields["small"]["files"][0]["ir_datasets"] = "small/official.tar.gz"
    (tmp_path / "catalog.json").write_text(json.dumps(fields))
    monkeypatch.setenv("IR_DATASETS_HOME", str(home))
    get_dataset(find_dataset("small", tmp_path / "catalog.json"), tmp_path / "data", ["text"])
    assert "/official.tar.gz" not in [path for _, path, _ in site.requests]


def test_too_little_room_is_said_before_anything_is_asked_for(
    dataset: Dataset, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(I3Error, match=r"the disk has 0\.0 GB free"):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert site.requests == []


def test_two_processes_do_not_write_to_one_folder(dataset: Dataset, tmp_path: Path) -> None:
    from i3_pyserini.formats.atomic import locked

    with locked(tmp_path / "data"), pytest.raises(I3Error, match="another process"):
        get_dataset(dataset, tmp_path / "data")


def test_the_command_gets_lists_and_checks(
    run_module: Run, site: Site, catalog_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    data = tmp_path / "data"
    given = ("small", "--output", data, "--catalog", catalog_file)
    offline = run_module("i3_pyserini", "data", "get", *given)  # run_module sets HF_HUB_OFFLINE
    assert offline.returncode == 2
    assert "HF_HUB_OFFLINE is set" in offline.stderr
    assert offline.stderr.startswith("note: small: No terms.")
    assert "Traceback" not in offline.stderr
    listed = run_module("i3_pyserini", "data", "list", *given).stdout
    assert "official/corpus/corpus.jsonl" in listed
    assert [line.split()[0] for line in listed.splitlines() if "missing" in line] == [
        "train_negs.tsv",
        "backbone",
    ]
    rows = json.loads(run_module("i3_pyserini", "data", "list", *given, "--json").stdout)
    assert [row["file"] for row in rows if row["state"] == "missing"] == [
        "train_negs.tsv",
        "backbone",
    ]
    frame = list_data(catalog=catalog_file).to_pandas()
    assert set(frame["name"]) == {"small"} and list(frame["part"]) == list(frame["part"].unique())
    (data / "qrels.txt").write_text("changed")
    checked = run_module("i3_pyserini", "data", "check", data)
    assert checked.returncode == 2
    assert "qrels.txt: has 7 bytes" in checked.stderr


def test_bytes_that_changed_are_found_even_at_the_same_size(
    dataset: Dataset, tmp_path: Path
) -> None:
    manifest = get_dataset(dataset, tmp_path / "data", ["queries"])
    assert {state for _, state in manifest.check()} == {"ok"}
    (tmp_path / "data" / "qrels.txt").write_text(QRELS.replace("3", "2"))
    states = dict(Manifest.load(tmp_path / "data").check())
    assert states.pop("qrels.txt") == "other bytes than recorded (sha256)"
    assert set(states.values()) == {"ok"}


def test_files_and_models_come_from_the_hub(
    site: Site, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_our_hub(monkeypatch, site)
    manifest = get_dataset(dataset, tmp_path / "data", ["hub"])
    assert (tmp_path / "data" / "train_negs.tsv").read_bytes() == b"7\t1,2\n"
    assert (tmp_path / "data" / "backbone" / "model.safetensors").read_bytes() == b"0123"
    assert set(manifest.files) == {
        "train_negs.tsv",
        "backbone/config.json",
        "backbone/model.safetensors",
    }
    assert manifest.files["train_negs.tsv"].source.endswith(REVISION)
    assert Manifest.load(tmp_path / "data").files == manifest.files
    assert not (tmp_path / "data" / ".hub").exists()


def test_other_bytes_than_the_hub_announces_are_refused(
    site: Site,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _at_our_hub(monkeypatch, site)
    site.announced["marco/train_negs.tsv"] = "0" * 64
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["hub"])
    assert "train_negs.tsv: wrong checksum" in capfd.readouterr().err
    assert not (tmp_path / "data" / "train_negs.tsv").exists()


def _at_our_hub(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    from huggingface_hub import constants

    template = f"{site.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", site.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def test_the_shipped_catalogue_is_sound() -> None:
    for dataset in load_catalog().values():
        before: set[str] = set()
        for file in dataset.files:
            assert file.group in dataset.groups
            assert sum(map(bool, (file.url, file.hub, file.made))) == 1
            if file.made:
                assert file.made.by in MAKERS
                assert {file.made.source, file.made.also or file.made.source} <= before
            before.add(file.path)


def test_the_shipped_catalogue_agrees_with_ir_datasets() -> None:
    irds = pytest.importorskip("ir_datasets")
    path = Path(irds.__file__).parent / "etc" / "downloads.json"
    known = json.loads(path.read_text())["msmarco-passage"].values()
    by_url = {entry["url"]: entry for entry in known}
    files = [file for file in find_dataset("msmarco-passage").files if file.md5]
    assert files
    for file in files:
        entry = by_url[file.url]
        assert (file.md5, file.size) == (entry["expected_md5"], entry["size_hint"])
        if file.ir_datasets:
            assert file.ir_datasets == f"msmarco-passage/{entry['cache_path']}"


@pytest.mark.parametrize("path", ["../x", "/etc/x"])
def test_a_catalogue_cannot_write_elsewhere(site: Site, tmp_path: Path, path: str) -> None:
    fields = catalog(site)
    fields["small"]["files"][0]["path"] = path
    (tmp_path / "catalog.json").write_text(json.dumps(fields))
    with pytest.raises(I3Error, match="leads out of the folder"):
        load_catalog(tmp_path / "catalog.json")


def test_one_wrong_bit_in_an_archive_is_found(
    dataset: Dataset, site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where tar sees nothing wrong: gzip's checksum is read to the end."""
    stored = io.BytesIO()
    with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=0) as plain:
        plain.write(gzip.decompress(TITLED))
    content = bytearray(stored.getvalue())
    content[content.index(b"Hot water")] ^= 1
    site.files["/titled.tar.gz"] = bytes(content)
    with pytest.raises(I3Error):
        get_dataset(dataset, tmp_path / "data", ["text"])
    assert "damaged or only half a download" in capfd.readouterr().err
    assert not list((tmp_path / "data").glob("titled/corpus/*"))


def test_nothing_is_made_of_an_archive_that_was_refused(dataset: Dataset, tmp_path: Path) -> None:
    other = tar({"collection.tsv": lines(dict.fromkeys(PASSAGES, "wrong"))})
    target = tmp_path / "data" / "downloads" / "official.tar.gz"
    target.parent.mkdir(parents=True)
    target.write_bytes(other.ljust(len(OFFICIAL), b"\0"))
    for _ in range(2):
        with pytest.raises(I3Error, match=r"1 file\(s\) of small"):
            get_dataset(dataset, tmp_path / "data", ["text"])
        assert not (tmp_path / "data" / "official").exists()


def test_what_cannot_be_verified_is_recorded_so_and_the_hub_is_asked(
    dataset: Dataset, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    negatives = tmp_path / "data" / "train_negs.tsv"
    negatives.write_bytes(b"7\t1,")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(I3Error):  # the other file of this part is missing
        get_dataset(dataset, tmp_path / "data", ["hub"])
    assert Manifest.load(tmp_path / "data").files["train_negs.tsv"].source == (
        "by hand, not verified"
    )
    (tmp_path / "data" / "manifest.json").unlink()
    _at_our_hub(monkeypatch, site)
    with pytest.raises(I3Error, match=r"1 file\(s\)"):
        get_dataset(dataset, tmp_path / "data", ["hub"])
    negatives.write_bytes(b"7\t1,2\n")
    manifest = get_dataset(dataset, tmp_path / "data", ["hub"])
    assert manifest.files["train_negs.tsv"].source == "by hand"


@pytest.mark.parametrize("name", ["train_negs.tsv", "backbone/config.json"])
def test_empty_files_and_models_without_weights_are_refused(
    dataset: Dataset, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}" if name.endswith("json") else "")
    with pytest.raises(I3Error, match=r"2 file\(s\)"):
        get_dataset(dataset, tmp_path / "data", ["hub"])


def test_what_a_killed_process_left_is_removed(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "data" / ".unpacked-x").mkdir(parents=True)
    (tmp_path / "data" / ".unpacked-x" / "collection.tsv").write_text("half")
    (tmp_path / "data" / ".topics.tsv.partial-1").write_text("half")
    get_dataset(dataset, tmp_path / "data", ["queries"])
    assert not list((tmp_path / "data").glob(".*"))


def test_check_tells_what_may_be_missing_from_what_may_not(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from i3_pyserini.data import dataset as module

    monkeypatch.setattr(module, "load_catalog", lambda: {"small": dataset})
    manifest = get_dataset(dataset, tmp_path / "data", ["text"])
    assert module.unneeded(manifest) == {
        "downloads/official.tar.gz",
        "downloads/titled.tar.gz",
    }
    assert "qrels.txt" in module.never_had(manifest)
    (tmp_path / "data" / "official" / "corpus" / "corpus.jsonl").unlink()
    assert module.unneeded(manifest) == {"downloads/titled.tar.gz"}

"""`data get`: what is fetched, made, kept and listed."""

import json
from pathlib import Path

import pytest

from i3_pyserini.data import list_data
from i3_pyserini.data.catalog import Dataset, find_dataset, load_catalog
from i3_pyserini.data.convert import MAKERS
from i3_pyserini.data.dataset import get_dataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passages import Corpus, collection_name
from tests.conftest import Run
from tests.data.get.conftest import OFFICIAL, PASSAGES, catalog
from tests.data.server import Site


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
    assert (tmp_path / "data" / "topics.tsv").read_text(
        encoding="utf-8"
    ) == "7\thow long\n8\twhat is\n"


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


def test_what_ir_datasets_has_is_used(
    dataset: Dataset, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "irds"
    (home / "small").mkdir(parents=True)
    (home / "small" / "official.tar.gz").write_bytes(OFFICIAL)
    fields = catalog(site)
    fields["small"]["files"][0]["ir_datasets"] = "small/official.tar.gz"
    (tmp_path / "catalog.json").write_text(json.dumps(fields), encoding="utf-8")
    monkeypatch.setenv("IR_DATASETS_HOME", str(home))
    get_dataset(find_dataset("small", tmp_path / "catalog.json"), tmp_path / "data", ["text"])
    assert "/official.tar.gz" not in [path for _, path, _ in site.requests]


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
    (data / "qrels.txt").write_text("changed", encoding="utf-8")
    checked = run_module("i3_pyserini", "data", "check", data)
    assert checked.returncode == 2
    assert "qrels.txt: has 7 bytes" in checked.stderr


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
    known = json.loads(path.read_text(encoding="utf-8"))["msmarco-passage"].values()
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
    (tmp_path / "catalog.json").write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(I3Error, match="is outside the folder"):
        load_catalog(tmp_path / "catalog.json")


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

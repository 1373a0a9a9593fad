"""Files and models from the Hugging Face hub."""

from pathlib import Path

import pytest

from i3_pyserini.data.catalog import Dataset
from i3_pyserini.data.dataset import get_dataset
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from tests.data.server import REVISION, Site


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
    path.write_text("{}" if name.endswith("json") else "", encoding="utf-8")
    with pytest.raises(I3Error, match=r"2 file\(s\)"):
        get_dataset(dataset, tmp_path / "data", ["hub"])

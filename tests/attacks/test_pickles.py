"""Pickles in every place where a model's weights may be: refused in one line, and never run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from i3_pyserini import I3Error, I3Retriever
from i3_pyserini.formats.encoded_queries import read_encoded_queries
from i3_pyserini.formats.vector_files import read_files
from i3_pyserini.model.original import read_checkpoint
from tests.model.st_models import st_model

RAN = "was-run"


class Evil:
    """Makes a folder where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (RAN,))


def saved(path: Path) -> None:
    """As PyTorch saves today: a zip archive with a pickle."""
    torch.save({"weight": Evil()}, path)


def saved_as_before(path: Path) -> None:
    """As PyTorch saved before 1.6."""
    torch.save({"weight": Evil()}, path, _use_new_zipfile_serialization=False)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": Evil()}, 2))


def checkpoint(folder: Path, backbone: str) -> tuple[Path, Callable[[], object]]:
    return folder / "i3.p", lambda: read_checkpoint(folder / "i3.p")


def weights(folder: Path, backbone: str) -> tuple[Path, Callable[[], object]]:
    model = Path(st_model(backbone, folder / "model"))
    (model / "model.safetensors").unlink()
    return model / "pytorch_model.bin", lambda: I3Retriever.from_backbone(str(model))


def dense_layer(folder: Path, backbone: str) -> tuple[Path, Callable[[], object]]:
    model = Path(st_model(backbone, folder / "model", modules=("Dense:16",)))
    (model / "2_Dense" / "model.safetensors").unlink(missing_ok=True)
    return model / "2_Dense" / "pytorch_model.bin", lambda: I3Retriever.from_backbone(str(model))


def vectors(folder: Path, backbone: str) -> tuple[Path, Callable[[], object]]:
    (folder / "docid").write_text("a\n", encoding="utf-8")
    return folder / "embeddings.npy", lambda: list(read_files(folder)[1])


def queries(folder: Path, backbone: str) -> tuple[Path, Callable[[], object]]:
    return folder / "embedding.pkl", lambda: read_encoded_queries(folder)


@pytest.mark.parametrize("write", [saved, saved_as_before, pickled])
@pytest.mark.parametrize("place", [checkpoint, weights, dense_layer, vectors, queries])
def test_pickles_are_not_run(
    place: Callable[[Path, str], tuple[Path, Callable[[], object]]],
    write: Callable[[Path], None],
    tiny_bert: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, read = place(tmp_path, tiny_bert)
    monkeypatch.chdir(tmp_path)
    write(path)
    with pytest.raises(I3Error) as error:
        read()
    assert not Path(RAN).exists()
    assert "\n" not in str(error.value)
    Path(path).rename("evil")
    with pytest.raises(FileExistsError):  # the pickle would do what is feared
        Path(RAN).mkdir()
        torch.load("evil", weights_only=False)

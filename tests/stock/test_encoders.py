"""Encoders of other packages in stock commands, by entry points; ours is one of them."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.stock.encoders import GROUP, OURS, _Classes, encoders
from i3_pyserini.stock.java import find_java

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# A package of others: vectors of a text's length.
CODE = """
import numpy as np

class document_encoder_class:
    def __init__(self, model_name, **_):
        self.factor = int(model_name)

    def encode(self, texts, **_):
        return np.array([[len(text) * self.factor, 1] for text in texts], dtype="float32")
"""


def install(folder: Path, package: str, *declared: str) -> None:
    """What pip leaves behind: the metadata of a package with entry points."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(
        "\n".join([f"[{GROUP}]", *declared]), encoding="utf-8"
    )


def test_our_package_declares_what_the_plugin_registers() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][GROUP] == {OURS.name: OURS.value}
    documents = _Classes({}, "document_encoder_class", [OURS])
    queries = _Classes({}, "query_encoder_class", [OURS])
    assert (documents["i3"], queries["i3"]) == (I3DocumentEncoder, I3QueryEncoder)


def test_packages_are_found_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "lengths", "len = lengths_module", "gone = no.such.module")
    (tmp_path / "lengths_module.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    known = encoders()
    assert {"i3", "len", "gone"} <= {entry.name for entry in known}
    table = _Classes({"auto": int}, "document_encoder_class", known)
    # Pyserini looks for the table's names in paths: a package's name must not be among them.
    assert (list(table), "lengths_module" in sys.modules) == (["auto"], False)
    assert table["len"].__module__ == "lengths_module"
    with pytest.raises(I3Error, match="'gone' cannot be loaded"):
        table["gone"]
    with pytest.raises(I3Error, match="'len' cannot be loaded"):
        _Classes({}, "query_encoder_class", known)["len"]


def test_two_packages_with_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "other", "i3 = other.encoders")
    monkeypatch.syspath_prepend(tmp_path)
    table = _Classes({}, "document_encoder_class", encoders())
    with pytest.raises(I3Error, match=r"'i3': .* and other\.encoders"):
        table["i3"]
    with pytest.raises(KeyError):
        table["absent"]


@pytest.mark.slow
@pytest.mark.skipif(
    find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
)
def test_stock_encode_with_another_package_s_encoder(tmp_path: Path) -> None:
    install(tmp_path, "lengths", "len = lengths_module", "gone = no.such.module")
    (tmp_path / "lengths_module.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "corpus.jsonl").write_text('{"id": "a", "text": "four"}\n', encoding="utf-8")
    done = encode(tmp_path, "len")
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = (tmp_path / "out" / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["vector"] == [12.0, 1.0]
    done = encode(tmp_path, "gone")
    assert (done.returncode, "no.such.module" in done.stderr.splitlines()[-1]) == (2, True)
    assert "invalid choice: 'none'" in encode(tmp_path, "none").stderr


def encode(folder: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, "-m", "i3_pyserini.plugin", "pyserini.encode"),
            *("input", "--corpus", "corpus.jsonl", "--fields", "text"),
            *("output", "--embeddings", "out"),
            *("encoder", "--encoder", "3", "--encoder-class", name, "--device", "cpu"),
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{PYPROJECT.parent}"},
    )

"""The patches of docs/upstream, on an unpacked source distribution of Pyserini, without a network.

`I3_PYSERINI_SDIST` names `pyserini-2.4.0.tar.gz` (`pip download --no-deps --no-binary :all:`). It
is for an environment with Pyserini 2.4 and what it needs; its source is unpacked before that.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.faiss_library import faiss
from i3_pyserini.stock.encoders import GROUP
from i3_pyserini.stock.java import find_java, java_environment
from tests.stock.small import fill
from tests.stock.test_encoders import install

ROOT = Path(__file__).parents[2]
PATCHES = sorted((ROOT / "docs" / "upstream").glob("pyserini-2.4.0-*.patch"))
SDIST = os.environ.get("I3_PYSERINI_SDIST", "")
NOWHERE = "http://127.0.0.1:9"  # nobody listens there

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SDIST, reason="I3_PYSERINI_SDIST does not name pyserini-2.4.0.tar.gz"),
    pytest.mark.skipif(sys.version_info < (3, 12), reason="Pyserini 2.4 needs Python 3.12"),
    pytest.mark.skipif(
        find_java()[0] is None, reason="stock Pyserini needs Java: pip install 'i3-pyserini[java]'"
    ),
]
Offline = Callable[..., "subprocess.CompletedProcess[str]"]


def unpacked(folder: Path) -> Path:
    with tarfile.open(SDIST) as archive:
        archive.extractall(folder, filter="data")
    return folder / "pyserini-2.4.0"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpacked(tmp_path_factory.mktemp("patched"))
    assert len(PATCHES) == 3
    for patch in PATCHES:
        done = subprocess.run(
            [str(shutil.which("git")), "apply", str(patch)],
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        )
        assert done.returncode == 0, f"{patch.name}: {done.stderr}"
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """A model, passages, topics, and our package's entry points as pip writes them."""
    folder = tmp_path_factory.mktemp("upstream")
    fill(folder, tiny_bert)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"][GROUP]
    install(folder / "site", "i3-pyserini", *(f"{name} = {of}" for name, of in declared.items()))
    return folder


@pytest.fixture(scope="module")
def offline(place: Path) -> Offline:
    """Runs Python with an unpacked Pyserini, without a network."""
    alone = [] if shutil.which("unshare") is None else ["unshare", "-rn"]
    if alone and subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        alone = []  # not permitted here: the proxies below, then

    def run(pyserini: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
        path = os.pathsep.join(map(str, (pyserini, place / "site", ROOT)))
        variables = {**os.environ, **java_environment(), "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}
        for scheme in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            variables[scheme] = NOWHERE
        return subprocess.run(
            [*alone, sys.executable, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=place,
            env=variables,
        )

    return run


def test_unpatched_pyserini_cannot_be_imported(source: Path, offline: Offline) -> None:
    done = offline(source, "-c", "import pyserini.encode")
    assert (done.returncode, "urlopen error" in done.stderr) == (1, True), done.stderr[-2000:]


def test_our_encoder_is_chosen_by_its_entry_point(
    place: Path, patched: Path, offline: Offline
) -> None:
    done = offline(
        patched,
        *("-m", "pyserini.encode"),
        *("input", "--corpus", "corpus.jsonl", "--fields", "title", "text"),
        *("output", "--embeddings", "index", "--to-faiss"),
        *("encoder", "--encoder", "model", "--encoder-class", "i3", "--dimension", 32),
        *("--fields", "title", "text", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    done = offline(
        patched,
        *("-m", "i3_pyserini.encode"),
        *("input", "--corpus", "corpus.jsonl", "--fields", "title", "text"),
        *("output", "--embeddings", "ours", "--to-faiss"),
        *("encoder", "--encoder", "model", "--fields", "title", "text", "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs, ours = (
        faiss.read_index(str(place / name / "index")).reconstruct_n(0, 40)
        for name in ("index", "ours")
    )
    np.testing.assert_allclose(theirs, ours, atol=1e-5)

    stock = "pyserini.search.faiss"
    runs = []
    for command in (
        (stock, "--encoder", "model", "--encoder-class", "i3"),
        (stock, "--encoder", "model/query_encoder", "--encoder-class", "auto"),
        ("i3_pyserini.plugin", stock, "--encoder", "model", "--encoder-class", "i3"),
    ):
        common = ("--index", "ours", "--topics", "topics.tsv", "--output", "run.txt", "--hits", 10)
        done = offline(patched, "-m", *command, *common)
        assert done.returncode == 0, done.stderr[-2000:]
        lines = (place / "run.txt").read_text(encoding="utf-8").splitlines()
        runs.append([(line.split()[0], line.split()[2]) for line in lines])
    assert len(runs[0]) == 4 * 10
    assert runs[0] == runs[1] == runs[2]


def test_a_missing_index_is_said(patched: Path, offline: Offline) -> None:
    encoder = ("--encoder", "model", "--encoder-class", "i3")
    common = ("--index", "absent", "--topics", "topics.tsv", "--output", "absent.txt")
    done = offline(patched, "-m", "pyserini.search.faiss", *encoder, *common)
    assert done.returncode == 1
    assert "check that its path exists" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "name",
    [
        "base/test_encoder_plugins.py",
        "base/test_prebuilt_index_info_offline.py",
        "core/test_rest_local_faiss.py",
    ],
)
def test_the_patches_own_tests(patched: Path, offline: Offline, name: str) -> None:
    done = offline(patched, patched / "tests" / name)
    assert done.returncode == 0, done.stderr[-2000:]

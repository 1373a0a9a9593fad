"""The package on a Python that lacks what macOS and Windows lack: same files, no remains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.faiss_library import VARIABLE
from tests.conftest import Done

ROOT = Path(__file__).parents[1]
LACKING = ROOT / "tests" / "other_systems"
COMMANDS = """
data import c.jsonl --topics dev=topics.tsv --qrels dev=qrels.txt --output data
data check data
encode data/corpus --model model --output index --threads 1
encode more.jsonl --model model --output index --update index --overwrite --threads 1
index verify index
index build index --output sq8 --type sq8
index export index --to jsonl --output exported
encode-topics topics.tsv --model model --output queries.safetensors
search index data/topics.dev.tsv --output dense.txt
search index data/topics.dev.tsv --output dense.txt --overwrite
search sq8 topics.tsv --encoded-queries queries.safetensors --output sq8.txt
bm25 data/corpus topics.tsv --engine sqlite --output bm25.txt
fuse dense.txt bm25.txt --output fused.txt
data mine --index index --topics topics.tsv --qrels qrels.txt --corpus more.jsonl --output mined.tsv
eval data/qrels.dev.txt dense.txt bm25.txt fused.txt --csv
"""
RUN = """
import json, sys
from i3_pyserini.cli import run
from i3_pyserini.errors import run_command
def main():
    for words in json.loads(sys.argv[1]):
        run(words)
if __name__ == "__main__":  # devices have processes of their own
    run_command(main)
"""
TEXTS = ("how long to boil an egg", "water", "photosynthesis", "I³ 中 é", "hot\r and cold")
OF_THIS_MACHINE = ".ir_metadata.yaml"  # memory and processor, which are not always known


def fill(folder: Path, model: tuple[I3Retriever, I3Tokenizer]) -> None:
    """A collection with its queries, a larger state of it, and a model."""
    folder.mkdir()
    save_model_directory(*model, folder / "model")
    lines = [
        f"{json.dumps({'id': f'd{number}', 'title': 'a', 'text': text}, ensure_ascii=False)}\n"
        for number, text in enumerate([*TEXTS, "plant light"])
    ]
    for name, content in (
        ("c.jsonl", lines[:-1]),
        ("more.jsonl", lines),
        ("topics.tsv", [f"q{number}\t{text.split()[0]}\n" for number, text in enumerate(TEXTS)]),
        ("qrels.txt", [f"q{number} 0 d{number} 1\n" for number in range(len(TEXTS))]),
    ):
        (folder / name).write_text("".join(content), encoding="utf-8", newline="\n")
    (folder / "commands.py").write_text(RUN, encoding="utf-8")


def environment(*paths: Path) -> dict[str, str]:
    """With a path for imports, and all that is lacking on Windows if that is in it."""
    kept = {name: value for name, value in os.environ.items() if name != "I3_OTHER_SYSTEM"}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def run(folder: Path, lacking: bool, commands: str = COMMANDS) -> Done:
    paths = [LACKING, ROOT] if lacking else [ROOT]
    words = json.dumps([line.split() for line in commands.strip().splitlines()])
    return subprocess.run(
        [sys.executable, "commands.py", words],
        cwd=folder,
        env=environment(*paths)
        | {"HF_HUB_OFFLINE": "1", "SOURCE_DATE_EPOCH": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder; of metadata, only whether it has other line ends."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".store":  # named by the time of its source
            content = path.read_bytes()
            kept = b"\r" if b"\r" in content else b""
            is_metadata = path.name.endswith(OF_THIS_MACHINE)
            found[path.relative_to(folder).as_posix()] = kept if is_metadata else content
    return found


@pytest.mark.slow
def test_the_same_files_without_what_only_linux_has(
    tmp_path: Path, tiny_model: tuple[I3Retriever, I3Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "Haswell")  # other kernels of products round otherwise
    printed, files = [], []
    for lacking in (False, True):
        folder = tmp_path / "work"  # the same, since files name it
        fill(folder, tiny_model)
        done = run(folder, lacking)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
        files.append(contents(folder))
        folder.rename(tmp_path / f"lacking {lacking}")
    here, elsewhere = files
    assert printed[0] == printed[1]
    assert sorted(here) == sorted(elsewhere)
    assert [name for name, content in here.items() if content != elsewhere[name]] == []
    assert {content for name, content in here.items() if name.endswith(OF_THIS_MACHINE)} == {b""}
    hidden = [name for name in elsewhere if Path(name).name.startswith(".")]
    assert hidden == []  # neither locks nor what was written before it had its name


def test_what_is_lacking(tmp_path: Path) -> None:
    """The test above would pass if nothing were taken away."""
    code = """
import builtins, os, pathlib, sys
import i3_pyserini.system as system
lacking = [system.cpus_by_affinity() == os.cpu_count(), system.memory() is None]
lacking += [system.peak_memory() is None, not hasattr(os, "sched_getaffinity")]
lacking += [system.lines(pathlib.Path("/proc/cpuinfo")) == []]
pathlib.Path("text").write_text("a\\n")
lacking += [pathlib.Path("text").read_bytes() == b"a\\r\\n"]
for name, what in (("text", "unlink"), ("nul.txt", "touch"), ("a:b", "mkdir")):
    with open("text"):
        try:
            getattr(pathlib.Path(name), what)()
            lacking.append(False)
        except OSError:
            lacking.append(True)
for module in ("fcntl", "resource"):
    try:
        exec(f"import {module}")
        lacking.append(False)
    except ImportError:
        lacking.append(True)
print(lacking)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(LACKING, ROOT),
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.stdout == f"{[True] * 11}\n", done.stderr

"""`i3-pyserini index`, as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.formats.encoded_queries import queries_as_bytes
from tests.conftest import Run
from tests.search.index.test_build import vectors_of
from tests.search.test_searcher import write_index

INDEX = ("i3_pyserini", "index")


def test_build_tune_and_search(tmp_path: Path, run_module: Run) -> None:
    write_index(tmp_path / "flat", vectors_of(2000))
    topics = {f"q{n}": f"words {n}" for n in range(20)}
    (tmp_path / "queries").mkdir()
    queries = queries_as_bytes(topics, vectors_of(20, seed=3))
    (tmp_path / "queries" / "queries.safetensors").write_bytes(queries)
    index = tmp_path / "index"
    built = run_module(*INDEX, "build", tmp_path / "flat", "--output", index, "--type", "ivf-pq")
    assert built.returncode == 0, built.stderr
    assert "PQ16x4fs,Refine(SQfp16) of 2,000 passages" in built.stdout
    assert "refine 4, nprobe 32" in built.stdout
    again = run_module(*INDEX, "build", tmp_path / "flat", "--output", index, "--type", "sq8")
    assert again.returncode == 2 and "or --overwrite" in again.stderr
    words = (*INDEX, "tune", index, "--queries", tmp_path / "queries", "--k", 50)
    tuned = run_module(*words, "--target-recall", 0.9)
    assert tuned.returncode == 0, tuned.stderr
    stored = json.loads((index / "manifest.json").read_text(encoding="utf-8"))["index"]
    best = next(line for line in tuned.stdout.splitlines() if line.endswith("<- stored"))
    for name, value in stored["parameters"].items():
        assert f"{name} {value}" in best
    assert stored["tuned"]["recall"] >= 0.9
    again = run_module(*words, "--target-recall", 0.5, "--json")
    found = json.loads(again.stdout)
    assert found["k"] == 50 and found["best"] in found["trials"]
    assert found["best"]["recall"] >= 0.5


def test_a_flat_index_has_no_nprobe(tmp_path: Path, run_module: Run) -> None:
    write_index(tmp_path / "flat", vectors_of(30))
    (tmp_path / "topics.tsv").write_text("q0\twords\n", encoding="utf-8")
    words = ("--topics", tmp_path / "topics.tsv", "--output", tmp_path / "run.txt")
    done = run_module("i3_pyserini.search", "--index", tmp_path / "flat", *words, "--nprobe", 3)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "nprobe applies to IVF indexes, but this one is Flat" in done.stderr
    assert not (tmp_path / "run.txt").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("build nowhere --output i --type sq8", "no vectors here"),
        ("build flat --output i --type IVF9,Nonsense", "FAISS cannot create it for 32 dimensions"),
        ("build flat --output i --type IVF500,Flat", "cannot be trained with 60 vectors"),
        ("build flat --output i --type sq8 --training 0", "training is 0, must be at least 1"),
        ("build nan --output i --type sq8", "the vector of 'd7' is not finite"),
        ("tune flat --queries flat --target-recall 0.9 --k 10", "no parameters to tune"),
        ("tune flat --queries flat --target-recall 1.1", "target_recall is 1.1, must be"),
        ("advise --passages 10 --dim 8 --memory much", "expected a size such as 32G"),
        ("advise --passages 0 --dim 8 --memory 1G", "must be at least 1"),
        ("advise --passages 9000000000 --dim 768 --memory 1G", "use several machines"),
    ],
)
def test_mistakes(
    tmp_path: Path, run_module: Run, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_index(tmp_path / "flat", vectors_of(60))
    broken = vectors_of(60)
    broken[7, 7] = np.inf
    write_index(tmp_path / "nan", broken)
    done = run_module(*INDEX, *words.split())
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert {path.name for path in tmp_path.iterdir()} == {"flat", "nan"}

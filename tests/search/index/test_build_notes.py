"""What a build says of an index that will find less than it seems."""

from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.search.index.build import build
from tests.search.test_searcher import write_index


def vectors_with(lengths: Scores) -> Scores:
    directions = np.random.default_rng(0).standard_normal((len(lengths), 16))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    vectors: Scores = (unit * lengths[:, None]).astype(np.float32)
    return vectors


@pytest.mark.parametrize("kind", ["hnsw", "HNSW16,Flat", "NSG16,Flat", "hnsw,Refine(Flat)", "sq8"])
@pytest.mark.parametrize(
    ("longer", "times", "skewed"),
    [(0, 1.0, False), (100, 1.3, False), (100, 2.0, True), (5, 8.0, True)],
)
def test_lengths_that_differ_are_said_of_graphs(
    kind: str,
    longer: int,
    times: float,
    skewed: bool,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lengths = np.ones(400, dtype=np.float32)
    lengths[:longer] = times
    source = write_index(tmp_path / "flat", vectors_with(lengths))
    factory = kind.replace("hnsw,", "HNSW32,")
    build(source, IndexOutput(tmp_path / "index"), factory)
    printed = capfd.readouterr().err.replace("\r", "\n").splitlines()
    said = [line for line in printed if line and not line.startswith("add: ")]  # a slow one's bar
    if skewed and kind != "sq8":
        assert len(said) == 1 and said[0].startswith(f"note: {tmp_path / 'index'}: ")
        assert "coefficient of variation" in said[0] and "type ivf-flat or flat" in said[0]
    else:
        assert said == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "wanted"), [("ivf-pq", 624), ("IVF16,Flat", 624), ("OPQ4,PQ4", 9984), ("sq8", None)]
)
def test_few_training_vectors_are_one_note(
    kind: str, wanted: int | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = write_index(tmp_path / "flat", vectors_with(np.ones(300, dtype=np.float32)))
    build(source, IndexOutput(tmp_path / "index"), kind)
    said = capfd.readouterr().err.splitlines()
    if wanted is None:
        assert said == []
    else:
        assert len(said) == 1 and "was trained with 300 vectors" in said[0]
        assert f"at least {wanted:,}; " in said[0] and "flat" in said[0]

from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.search.options import Feedback
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.search.steps import moved
from tests.search.test_searcher import random_vectors, write_index


def test_feedback_is_pyserini_s(tmp_path: Path) -> None:
    vectors, queries = random_vectors(200), random_vectors(3, seed=1)
    searcher = Searcher(write_index(tmp_path / "index", vectors))
    best = vectors[np.argsort(-(queries @ vectors.T), axis=1)[:, :5]]
    average = np.concatenate([queries[:, None], best], axis=1).mean(axis=1)
    np.testing.assert_allclose(moved(queries, searcher, Feedback(5)), average, atol=1e-5)
    rocchio = 0.4 * queries + 0.6 * best[:, :2].mean(axis=1) - 0.3 * best[:, -1:].mean(axis=1)
    feedback = Feedback(5, "rocchio", 0.4, 0.6, 0.3, 2, 1)
    np.testing.assert_allclose(moved(queries, searcher, feedback), rocchio, atol=1e-5)


@pytest.mark.parametrize(("depth", "top", "bottom"), [(5, 0, 0), (5, 3, 6), (5, 3, -1), (-1, 3, 0)])
def test_depths_that_cannot_be(depth: int, top: int, bottom: int) -> None:
    with pytest.raises(I3Error, match=r"feedback of depth 5|prf_depth is -1"):
        Feedback(depth, rocchio_topk=top, rocchio_bottomk=bottom)

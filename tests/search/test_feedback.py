from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.search.feedback import Feedback, moved
from i3_pyserini.search.searcher import Searcher
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


def test_depths_that_cannot_be(tmp_path: Path) -> None:
    searcher = Searcher(write_index(tmp_path / "index", random_vectors(20)))
    for feedback in (Feedback(5, top=0), Feedback(5, bottom=6), Feedback(5, bottom=-1)):
        with pytest.raises(I3Error, match="feedback of depth 5"):
            moved(random_vectors(2), searcher, feedback)

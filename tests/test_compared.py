"""What `compare` returns: the table, and the sentence that says what is significant."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from i3_pyserini.eval.compare import compare as differences_to
from i3_pyserini.eval.evaluation import Evaluation
from i3_pyserini.experiments.compared import Compared, Comparison
from i3_pyserini.experiments.costs import Cost


@pytest.fixture
def compared() -> Callable[[int], Compared]:
    def make(queries: int) -> Compared:
        random = np.random.default_rng(1)
        base = random.random(queries) / 2
        values = {
            "dual encoder": base,
            "BM25": base - 0.2 + random.normal(0, 0.05, queries),
            "I³ released": base + 0.3 + random.normal(0, 0.05, queries),
            "I³ paper": base + random.normal(0, 0.05, queries),
        }
        qids = [f"q{n}" for n in range(queries)]
        means = [Evaluation(name, qids, {"nDCG@10": v}, []) for name, v in values.items()]
        differences = differences_to(means[0], means[1:]) if queries > 1 else []
        costs = {"I³ released": Cost(2_500_000, 1.25)}
        return Compared("letters", means, differences, {}, costs, {}, None)

    return make


def test_the_sentence_says_what_is_significant(compared: Callable[[int], Compared]) -> None:
    sentence = compared(40).sentence
    assert re.fullmatch(
        r"In nDCG@10 over 40 test queries of letters, compared with the dual encoder \(0\.\d{4}\), "
        r"I³ released \(\+0\.\d{4}, p < 0\.001\) is significantly better, "
        r"BM25 \(-0\.\d{4}, p < 0\.001\) is significantly worse and "
        r"I³ paper \([+-]0\.\d{4}, p = 0\.\d{3}\) is not significantly different\.",
        sentence,
    )
    assert "too few" in compared(1).sentence


def test_columns_without_values_are_left_out(compared: Callable[[int], Compared]) -> None:
    header = compared(40).table().header
    assert header[-2:] == ["index MB", "training min"] and "queries/s" not in header
    alone = Comparison([compared(1)])
    assert "p (Holm)" not in str(alone) and "2.5" in str(alone)
    assert "macro mean" in str(Comparison([compared(40)] * 2))
    assert "macro mean" not in str(alone)


def test_the_backbone_and_limits(compared: Callable[[int], Compared]) -> None:
    one = compared(40)
    base, *others = one.means
    found = replace(
        one, to_backbone=differences_to(base, others[:1]), limits=["1 seed", "few steps"]
    )
    assert "compared with the backbone (" in found.sentence
    assert found.sentence.startswith(one.sentence)
    said = str(Comparison([found]))
    assert "Keep in mind: 1 seed; few steps." in said and "Keep in mind" not in str(
        Comparison([one])
    )
    assert list(found.as_dict()["to_backbone"]) == ["BM25"]

"""Advice is the measured table, scaled."""

import json
import re
from importlib import resources
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.search.index import advise as module
from i3_pyserini.search.index.advise import Advice, advise, advise_index
from i3_pyserini.search.index.types import TYPES


def lines_of(advice: Advice) -> dict[str, list[str]]:
    table = str(advice).split("\n\n", maxsplit=1)[0].splitlines()[1:]
    return {line.split()[0]: line.split() for line in table}


def rows() -> list[dict[str, Any]]:
    file = resources.files("i3_pyserini.search.index").joinpath("measured.json")
    found: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["rows"]
    return found


def test_what_was_measured_is_given_back() -> None:
    assert {row["type"] for row in rows()} == set(TYPES)
    for row in rows():
        line = lines_of(advise(row["passages"], row["dimension"], 10**12, 1000, 0.1))[row["type"]]
        assert float(line[1]) == pytest.approx(row["recall@1000"], abs=1e-4)
        assert float(line[3]) == pytest.approx(row["milliseconds@1000"], abs=0.01)
        assert line[4] == f"{row['passages']:,}"


def test_scaling(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "passages": 10**6,
        "dimension": 100,
        "bytes_a_vector": 1000,
        "milliseconds@10": 2,
        "recall@10": 0.9,
    }
    table = {
        "machine": "m",
        "dimension": 100,
        "rows": [{**row, "type": "sq8"}, {**row, "type": "hnsw", "recall@10": 0.8}],
    }
    monkeypatch.setattr(module, "_measured", lambda: table)
    found = lines_of(advise(10**7, 200, 10**12, 10, 0.85))
    assert found["sq8"][1:4] == ["0.9000", "22.0GB", "40.00"]
    assert found["sq8"][-1] == "recommended"
    assert found["hnsw"][1:4] == ["0.8000", "22.0GB", "4.67"]  # by log N, and its recall is too low
    with pytest.raises(I3Error, match=r"no type .* 0.95 in 30.0 GB; closest: sq8 with 0.9000"):
        advise(10**7, 200, 30 * 10**9, 10, 0.95)
    with pytest.raises(I3Error, match=r"in 5.0 GB; closest: sq8 needs 22.0 GB; use several"):
        advise(10**7, 200, 5 * 10**9, 10, 0.5)


@pytest.mark.parametrize("k", [10, 1000])
@pytest.mark.parametrize(("passages", "dimension"), [(1, 16), (300, 384), (50_000, 768)])
def test_few_passages_are_searched_exactly(passages: int, dimension: int, k: int) -> None:
    for recall in (0.5, 0.99):
        advice = advise(passages, dimension, 10**9, k, recall)
        found = re.findall(r"^(\S+) .*<- recommended$", str(advice), re.MULTILINE)
        assert found == ["flat"] == [advice.recommended] and advice.exact
    assert lines_of(advise(10**7, dimension, 10**12, k, 0.5))["flat"][-1] != "recommended"


def test_the_quickest_that_fits() -> None:
    advice = advise_index(passages=8_841_823, dim=768, memory="32G", recall=0.9)
    assert advice == advise(8_841_823, 768, 32 * 10**9, 1000, 0.9)
    table = advice.to_pandas()
    assert table.set_index("type")["recommended"].sum() == 1
    good = {
        name: float(line[3])
        for name, line in lines_of(advice).items()
        if float(line[1]) >= 0.9 and float(line[2].removesuffix("GB")) <= 32
    }
    chosen = re.search(r"^(\S+) .*<- recommended$", str(advice), re.MULTILINE)
    assert chosen and chosen[1] == advice.recommended == min(good, key=lambda name: good[name])
    assert "does not fit" not in str(advise(8_841_823, 768, 10**12, 1000, 0.9))
    assert " does not fit" in str(advise(8_841_823, 768, 20 * 10**9, 1000, 0.9))

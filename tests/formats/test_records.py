from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import (
    KEY,
    Record,
    differences,
    key,
    read_record,
    write_record,
)


@dataclass(frozen=True)
class Inner(Record):
    size: int | None = None


@dataclass(frozen=True)
class Outer(Record):
    kind: str | None = key("class")
    share: float | None = None
    names: tuple[str, ...] | None = None
    numbers: Mapping[str, int] | None = None
    inner: Inner = field(default_factory=Inner, metadata={KEY: "in"})
    many: tuple[Inner, ...] | None = None

    @classmethod
    def of_older(cls, found: dict[str, Any]) -> dict[str, Any]:
        if "part" in found:
            found["share"] = found.pop("part")
        return found


FULL: dict[str, Any] = {
    "class": "c",
    "share": 0.5,
    "names": ["a"],
    "numbers": {"n": 1},
    "in": {"size": 3, "newer": [1]},
    "many": [{"size": 1}, {}],
    "later": {"x": None},
}


def test_what_is_read_is_written() -> None:
    record = read_record(Outer, FULL, "f")
    assert record == Outer(
        kind="c",
        share=0.5,
        names=("a",),
        numbers={"n": 1},
        inner=Inner(size=3, extra={"newer": [1]}),
        many=(Inner(size=1), Inner()),
        extra={"later": {"x": None}},
    )
    assert write_record(record) == FULL
    assert write_record(Outer()) == {}


def test_older_keys_are_read_and_null_is_absent() -> None:
    assert read_record(Outer, {"part": 1, "class": None}, "f") == Outer(share=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class": 3}, "f: 'class': expected text, got 3"),
        ({"share": True}, "f: 'share': expected a number, got true"),
        ({"in": {"size": 1.5}}, "f: 'in.size': expected an integer, got 1.5"),
        ({"in": []}, r"f: 'in': expected a JSON object, got \[\]"),
        ({"names": "a"}, "f: 'names': expected a list"),
        ({"names": [1]}, "f: 'names': expected text"),
        ({"numbers": {"n": "1"}}, "f: 'numbers.n': expected an integer"),
        ({"many": [3]}, "f: 'many': expected a JSON object, got 3"),
    ],
)
def test_other_types_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(I3Error, match=said):
        read_record(Outer, {**FULL, **changes}, "f")
    with pytest.raises(I3Error, match="f: expected a JSON object"):
        read_record(Outer, [changes], "f")


def test_differences() -> None:
    before, now = {"a": 1, "b": {"c": 1, "d": 2}, "e": 0}, {"b": {"c": 1, "d": 3}, "e": 0, "f": []}
    assert differences(before, now) == ["a: 1 -> None", "b.d: 2 -> 3", "f: None -> []"]

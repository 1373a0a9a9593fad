"""Metadata of passages: further fields, such as a price, and the types of their values."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from i3_pyserini.errors import I3Error

RESERVED = ("id", "title", "text", "contents", "vector")  # keys of passages and vectors themselves
INT64 = 1 << 63


def names_of(keep: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the fields to keep.

    Args:
        keep: names, each or several of them separated by commas: "price,url".

    Raises:
        I3Error: a name is empty, given twice, or one of `RESERVED`.
    """
    words = [keep] if isinstance(keep, str) else keep
    names = [name.strip() for word in words for name in word.split(",")]
    for name in names:
        if not name:
            raise I3Error(f"keep {','.join(words)!r}: a name is empty; expected price,url")
        if names.count(name) > 1:
            raise I3Error(f"keep: {name!r} is given twice")
        if name.lower() in RESERVED:
            raise I3Error(
                f"keep: {name!r} is the name of a passage's own field ({', '.join(RESERVED)}); "
                "rename the column"
            )
    return tuple(names)


class FieldTypes:
    """The type of each field over all values: integer, number, boolean, text, or json.

    "json" is a list, an object, or values of several types.

    Args:
        names: fields that are expected; others may be added.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.found: dict[str, str | None] = dict.fromkeys(names)
        self.count = dict.fromkeys(self.found, 0)

    def add(self, metadata: Mapping[str, Any]) -> None:
        """Takes the values of a passage into account."""
        for name, value in metadata.items():
            self.count[name] = self.count.get(name, 0) + 1
            kind, known = _type_of(value), self.found.get(name)
            if known != kind:
                self.found[name] = kind if known is None else _common(known, kind)

    @property
    def known(self) -> dict[str, str]:
        """The type of each field that a passage has."""
        return {name: kind for name, kind in self.found.items() if kind is not None}


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -INT64 <= value < INT64 else "number"
    if isinstance(value, float):
        return "number"
    return "text" if isinstance(value, str) else "json"


def _common(one: str, other: str) -> str:
    return "number" if {one, other} == {"integer", "number"} else "json"

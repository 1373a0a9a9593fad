"""Fifty mistakes in readers: `mistakes.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    Attributes:
        kind: what it is.
        family: the module of the target that should find it.
        target: its name.
        file: of the package.
        old: what is there, once.
        new: what is put instead.
    """

    kind: str
    family: str
    target: str
    file: str
    old: str
    new: str


def _read() -> list[Mistake]:
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [
        Mistake(family=family, target=target, **fields)
        for family, targets in content.items()
        for target, mistakes in targets.items()
        for fields in mistakes
    ]


MISTAKES = _read()

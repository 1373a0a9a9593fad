"""Reads the installed Pyserini's source; an import would start Java, or need a network."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Option:
    """An option of one of Pyserini's parsers.

    Attributes:
        parser: the variable of its parser.
        name: such as "--hits".
        choices: its values; () if they are not a list there.
        is_switch: whether it takes no value.
    """

    parser: str
    name: str
    choices: tuple[str, ...]
    is_switch: bool


def folder() -> Path:
    """The installed package."""
    spec = find_spec("pyserini")
    assert spec and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def source(path: str) -> ast.Module:
    """A file of the package."""
    return ast.parse((folder() / path).read_text(encoding="utf-8"))


def strings(node: ast.AST) -> tuple[str, ...]:
    """The strings in a node."""
    found = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return tuple(value for value in found if isinstance(value, str))


def options(path: str) -> list[Option]:
    """All options that a file adds to parsers."""
    found = []
    for call in ast.walk(source(path)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr != "add_argument":
            continue
        given = {word.arg: word.value for word in call.keywords}
        choices = strings(given["choices"]) if "choices" in given else ()
        is_switch = "action" in given and strings(given["action"])[0].startswith("store_")
        for name in strings(ast.Tuple(call.args, ast.Load())):
            found.append(Option(ast.unparse(call.func.value), name, choices, is_switch))
    return found


def values(path: str, enumeration: str) -> tuple[str, ...]:
    """The values of an enumeration of strings."""
    for node in ast.walk(source(path)):
        if isinstance(node, ast.ClassDef) and node.name == enumeration:
            assigned = [part.value for part in node.body if isinstance(part, ast.Assign)]
            return tuple(text for value in assigned for text in strings(value))
    raise AssertionError(f"{path}: no {enumeration}")


def keys(path: str, name: str) -> tuple[str, ...]:
    """The keys of a dictionary that a file assigns to a name."""
    for node in ast.walk(source(path)):
        match node:
            case ast.Assign([ast.Name(id=found)], ast.Dict(keys)) if found == name:
                return tuple(text for key in keys if key for text in strings(key))
    raise AssertionError(f"{path}: no {name}")


def looked_for(path: str) -> Iterator[str]:
    """The words that a file looks for in the path of an encoder or of encoded queries."""
    for node in ast.walk(source(path)):
        match node:
            case ast.Compare(left, [ast.In()], [place]) if "encode" in ast.unparse(place):
                yield from strings(left)

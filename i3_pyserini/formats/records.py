"""JSON objects as dataclasses, checked when read and written with unknown keys.

A record is a frozen dataclass. Its fields name the JSON keys; `key(...)` gives a field another one.
Keys that no field has are kept in the field `extra`, so that a file of a newer version keeps what
an older version does not know.

    @dataclass(frozen=True)
    class Size(Record):
        passages: int | None = None
        kind: str | None = key("class")

    read_record(Size, {"passages": 3, "class": "i3"}, "manifest.json")
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file

MANIFEST = "manifest.json"  # the record of a folder: of an index, or of data
KEY = "key"
NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false"}


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object with known keys.

    Attributes:
        extra: keys that this version does not know, and their values.
    """

    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_older(cls, found: dict[str, Any]) -> dict[str, Any]:
        """The object in the form of this version, from one that an older version may have written.

        Args:
            found: the object, which may be changed.
        """
        return found


R = TypeVar("R", bound=Record)


def key(name: str, default: Any = None) -> Any:
    """A field with another JSON key than its name.

    Args:
        name: the key.
        default: the field's default.
    """
    return field(default=default, metadata={KEY: name})


def read_record(kind: type[R], found: Any, place: str) -> R:
    """Makes a record of a JSON value.

    Args:
        kind: the record's type.
        found: the value, which has to be an object.
        place: what it is, for messages.

    Raises:
        I3Error: it is not an object, or the value of a known key has another type; names the key.
    """
    return _record(kind, found, place, "")


def _record(kind: type[R], found: Any, place: str, above: str) -> R:
    if not isinstance(found, dict):
        raise _unexpected("a JSON object", found, place, above)
    left, known = kind.of_older(dict(found)), {}
    for name, (json_key, hint) in _keys(kind).items():
        value = left.pop(json_key, None)
        if value is not None:  # null is as absent as a key that is not there
            known[name] = _value(hint, value, place, f"{above}.{json_key}")
    return kind(**known, extra=left)


def write_record(record: Record) -> dict[str, Any]:
    """The JSON object of a record, without fields that are None and empty sections."""
    written: dict[str, Any] = {}
    for one in fields(record):
        if one.name == "extra":
            continue
        value = _plain(getattr(record, one.name))
        if value is not None and (value != {} or one.default_factory is MISSING):
            written[one.metadata.get(KEY, one.name)] = value
    return {**written, **record.extra}


def read_object(path: Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
        FileNotFoundError: the file does not exist.
        I3Error: it cannot be read, or is not one JSON object in UTF-8.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise I3Error(f"{path}: cannot be read (expected a JSON object, got {_short(found)})")
    return found


def read_json(path: Path) -> Any:
    """Reads a file that holds one JSON value.

    Raises:
        FileNotFoundError: the file does not exist.
        I3Error: it cannot be read, or is not JSON in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error


def write_object(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON object; an older file is replaced as a whole.

    Raises:
        I3Error: it cannot be written.
    """
    with new_file(path, overwrite=True) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two JSON objects, as `name: before -> now`, in order of name.

    An object that only one side has is compared key by key, too.
    """
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        objects = [one for one in (old, new) if isinstance(one, dict)]
        if objects and all(one is None or isinstance(one, dict) for one in (old, new)):
            found += differences(old or {}, new or {}, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}: {old} -> {new}")
    return found


def _keys(kind: type[Record]) -> dict[str, tuple[str, Any]]:
    """JSON key and type of each field but `extra`."""
    hints = get_type_hints(kind)
    return {
        one.name: (one.metadata.get(KEY, one.name), hints[one.name])
        for one in fields(kind)
        if one.name != "extra"
    }


def _value(hint: Any, found: Any, place: str, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (UnionType, Union):  # only `X | None`
        (inner,) = (one for one in arguments if one is not type(None))
        return None if found is None else _value(inner, found, place, path)
    if is_dataclass(hint):
        return _record(cast("type[Record]", hint), found, place, path)
    if origin is not None:
        return _collection(origin, arguments, found, place, path)
    if hint is Any or type(found) is hint or (hint is float and type(found) is int):
        return found
    raise _unexpected(NAMES[hint], found, place, path)


def _collection(origin: Any, arguments: tuple[Any, ...], found: Any, place: str, path: str) -> Any:
    if origin is tuple:  # only `tuple[X, ...]`
        if not isinstance(found, list | tuple):
            raise _unexpected("a list", found, place, path)
        return tuple(_value(arguments[0], one, place, path) for one in found)
    if not isinstance(found, dict):
        raise _unexpected("a JSON object", found, place, path)
    return {name: _value(arguments[1], one, place, f"{path}.{name}") for name, one in found.items()}


def _unexpected(expected: str, found: Any, place: str, path: str) -> I3Error:
    where = f"{place}: {path[1:]!r}" if path else place
    return I3Error(f"{where}: expected {expected}, got {_short(found)}")


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return write_record(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _short(found: Any) -> str:
    return f"{json.dumps(found):.40}"

"""Filters of Qdrant: its own JSON, checked before it is sent."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from i3_pyserini.errors import I3Error

GROUPS = ("must", "should", "must_not", "filter", "nested", "min_should", "conditions")


def read_filter(text: str, fields: Iterable[str]) -> Any:
    """Reads a filter such as `{"must": [{"key": "price", "range": {"lt": 20}}]}`.

    Qdrant itself finds nothing for a field that no point has; here it is an error, as in Milvus.

    Args:
        text: the filter as JSON.
        fields: names that can be filtered by.

    Returns:
        A `qdrant_client.models.Filter`.

    Raises:
        I3Error: it is no filter, or has an unknown field.
    """
    from qdrant_client.models import Filter  # noqa: PLC0415  (an extra)

    example = '{"must": [{"key": "price", "range": {"lt": 20}}]}'
    try:
        found = Filter.model_validate_json(text)
        content = json.loads(text)
    except ValueError as error:  # pydantic's ValidationError is one
        raise I3Error(
            f"filter {text!r:.80} is no filter of Qdrant ({_reason(error)}); expected JSON such as "
            f"{example}"
        ) from error
    known = sorted(fields)
    for name, conditions in _named(content):
        if not conditions:
            raise I3Error(f"filter {text!r:.80}: no condition for {name!r}; expected {example}")
        if name not in known:
            have = ", ".join(known) or "none"
            raise I3Error(f"filter {text!r:.80}: unknown field {name!r}; available: {have}")
    if _is_empty(content):
        raise I3Error(
            f"filter {text!r:.80}: an empty filter selects everything; expected JSON such as "
            f"{example}"
        )
    return found


def _named(content: Any) -> Iterator[tuple[str, int]]:
    """The fields that a filter names, the first part of `shop.name[]`, and how many conditions."""
    if isinstance(content, Mapping):
        if isinstance(content.get("key"), str):
            yield _first(content["key"]), len(content) - 1
            return  # the keys of a nested filter are those of its objects
        for word, value in content.items():
            if word in ("is_null", "is_empty"):  # a condition by itself
                yield _first(value["key"]), 1
            else:
                yield from _named(value)
    elif isinstance(content, list):
        for value in content:
            yield from _named(value)


def _is_empty(content: Any) -> bool:
    """Whether a filter or one within it has no condition: Qdrant selects everything with those."""
    if isinstance(content, list):
        return any(map(_is_empty, content))
    if not isinstance(content, Mapping):
        return False
    if not any(content.values()):
        return True
    return any(_is_empty(value) for word, value in content.items() if word in GROUPS)


def _first(path: str) -> str:
    quoted = re.match(r'"([^"]*)"', path)
    return quoted[1] if quoted else re.split(r"[.\[]", path, maxsplit=1)[0]


def _reason(error: ValueError) -> str:
    """What is wrong, and where, in one line."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return " ".join(str(error).split())[:160]
    first = errors(include_url=False)[0]
    where = ".".join(str(one) for one in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])

"""The keys of a training recipe, from the classes that read it."""

from collections.abc import Iterator
from typing import Any, get_args

from docstring_parser import parse
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from i3_pyserini.train.recipe import Recipe

HEAD = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"


def schema() -> str:
    """A table for each section, and one of the keys that are in none."""
    defined = Recipe.model_json_schema()["$defs"]
    top = {name: one for name, one in Recipe.model_fields.items() if section_of(one) is None}
    parts = ["## Top level", "", table(Recipe, "", top, Recipe.model_json_schema())]
    for name, one in Recipe.model_fields.items():
        section = section_of(one)
        if section is not None:
            said = parse(section.__doc__ or "")
            parts += [f"## {name}", "", cell(said.short_description or "")]
            parts += ["", cell(said.long_description or ""), ""]
            known = defined[section.__name__]
            parts.append(table(section, f"{name}.", section.model_fields, known))
    return "\n".join(parts)


def table(
    section: type[BaseModel], prefix: str, keys: dict[str, FieldInfo], known: dict[str, Any]
) -> str:
    """The keys of a section with what may stand there.

    Args:
        section: the class that reads it.
        prefix: what stands before each key on the command line.
        keys: those to list.
        known: its JSON schema.
    """
    helps = {one.arg_name: one.description or "" for one in parse(section.__doc__ or "").params}
    rows = []
    for name, one in keys.items():
        value = cell(" or ".join(values(known["properties"][name])))
        default = "required" if one.is_required() else f"`{_written(one.get_default())}`"
        rows.append(f"| `{prefix}{name}` | {value} | {cell(default)} | {cell(helps[name])} |\n")
    return HEAD + "".join(rows)


def values(schema: dict[str, Any]) -> Iterator[str]:
    """What a JSON schema allows, in words."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from values(one)
    elif "enum" in schema or "const" in schema:
        yield from (f"`{_written(one)}`" for one in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        items = schema.get("items") or schema.get("prefixItems", [{}])[0]
        yield f"list of: {' or '.join(values(items))}"
    else:
        yield _of_kind(schema)


def _of_kind(schema: dict[str, Any]) -> str:
    """A type with its bounds."""
    kind = schema.get("format") or schema.get("type") or schema.get("$ref", "value")
    kind = "mapping" if kind == "object" else str(kind)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join((kind.rpartition("/")[2], ", ".join(bounds))).strip()


def _written(value: Any) -> str:
    """A value as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(list(value) if value == () else value)


def section_of(one: FieldInfo) -> type[BaseModel] | None:
    """The class of a section; None for a single value."""
    kinds = (one.annotation, *get_args(one.annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def cell(text: str) -> str:
    """Text on one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")

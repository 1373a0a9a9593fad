"""From a function's signature and docstring to a command line, through cyclopts."""

import builtins
import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App, CycloptsError, Group, Parameter
from docstring_parser import parse

from i3_pyserini.errors import I3Error

WORDS = (bool, int, float, str, Path)  # what a word of a command line can be
STYLES = ("json", "csv", "markdown", "latex")  # of what a result prints: `to_json` and so on
OPTIONS = Group("Options", sort_key=2)
NOTHING = (None, False, (), "")  # defaults that say nothing


def call(name: str, function: str, words: Sequence[str]) -> None:
    """Parses a command's words, calls its function, and prints what that returns.

    Args:
        name: of the command, for its help.
        function: see `i3_pyserini.cli.Command`.
        words: the arguments. A function whose result has `to_json` takes `--json` besides; likewise
            the other `STYLES`.

    Raises:
        I3Error: they are not those of the function, or it says so.
    """
    module, _, attribute = function.partition(":")
    target = getattr(import_module(f"i3_pyserini.{module}"), attribute)
    app = App(
        name=name,
        help_format="plaintext",
        version_flags=[],
        group_commands=OPTIONS,
        group_parameters=OPTIONS,
        default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
    )
    app.default(_as_command(target))
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise I3Error(f"{' '.join(str(error).split()).rstrip('.')}; see {name} --help") from error
    printed = command(*bound.args, **bound.kwargs)
    if isinstance(printed, str):
        print(printed)


def _as_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of words of a command line, to what is printed."""
    signature = inspect.signature(function)
    names = _Names(function.__globals__)
    described = parse(function.__doc__ or "")
    helps = {one.arg_name: _lines(one.description) for one in described.params}
    parameters = [
        _of_words(parameter, _evaluated(parameter.annotation, names), helps.get(parameter.name))
        for parameter in signature.parameters.values()
    ]
    result = _evaluated(signature.return_annotation, names)
    styles = [style for style in STYLES if hasattr(result, f"to_{style}")]
    parameters += [_style(style) for style in styles]

    def command(*args: Any, **kwargs: Any) -> str | None:
        chosen = [style for style in styles if kwargs.pop(style, False)]
        if len(chosen) > 1:
            raise I3Error(f"--{chosen[0]} and --{chosen[1]}: one of them, please")
        found = function(*args, **kwargs)
        if chosen:
            return str(getattr(found, f"to_{chosen[0]}")())
        return None if found is None else str(found)

    command.__doc__ = _lines(described.description)
    kept = [parameter for parameter in parameters if parameter is not None]
    command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in kept}
    return command


def _lines(text: str | None) -> str | None:
    """A paragraph a line, for a terminal to break."""
    paragraphs = (text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) or None


class _Names(dict[str, Any]):
    """Names of a module; those that only type checkers import stand for nothing."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return _NoWord


class _NoWord:
    """A type that no word of a command line has."""

    def __class_getitem__(cls, _: Any) -> type:
        return cls


def _evaluated(annotation: Any, names: _Names) -> Any:
    return eval(annotation, {}, names) if isinstance(annotation, str) else annotation  # noqa: S307


def _of_words(
    parameter: inspect.Parameter, kind: Any, described: str | None
) -> inspect.Parameter | None:
    """The parameter as one of a command line; None if no word can be its value.

    A dataclass's fields have descriptions of their own, which one of the parameter would hide.
    """
    words = _type_of_words(kind)
    if words is None:
        return None
    default = parameter.default
    says_nothing = any(default is one or default == one for one in NOTHING)
    negative = "" if words is bool and default is False else None
    how = Parameter(show_default=False if says_nothing else None, negative=negative)
    if get_origin(words) is not Annotated:
        how = Parameter.combine(how, Parameter(help=described))
    return parameter.replace(annotation=Annotated[words, how])


def _type_of_words(kind: Any) -> Any:
    """The first of a type's alternatives that words can be: `Path | str` is a `Path`."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        found = next((one for one in map(_type_of_words, get_args(kind)) if one is not None), None)
        return found | None if found is not None and type(None) in get_args(kind) else found
    if origin in (Sequence, Iterable, list, tuple):
        item = _type_of_words(get_args(kind)[0])
        return None if item is None else types.GenericAlias(list, (item,))
    if is_dataclass(kind):  # its fields are options of the command
        return Annotated[kind, Parameter(name="*")]
    return kind if kind in WORDS or origin in (Literal, Annotated) else None


def _style(style: str) -> inspect.Parameter:
    words = "JSON" if style == "json" else "CSV" if style == "csv" else f"a {style} table"
    how = Parameter(help=f"print {words}", negative="", show_default=False)
    return inspect.Parameter(
        style, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, how]
    )

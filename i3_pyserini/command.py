"""Builds a command line from a function's signature and docstring, with cyclopts."""

import builtins
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError
from docstring_parser import parse

from i3_pyserini.errors import I3Error, at_least_1
from i3_pyserini.terminal import visible
from i3_pyserini.threads import set_threads

WORDS = (bool, int, float, str, Path)  # types of command-line words
STYLES = ("json", "csv", "markdown", "latex")  # output formats of results: `to_json` and so on
OPTIONS = Group("Options", sort_key=2)
THREADS = "threads"  # an option of every command
OVERRIDES = "overrides"  # a parameter that takes all other options
NOTHING = (None, False, (), "")  # defaults not shown in the help


def call(name: str, function: str, words: Sequence[str]) -> None:
    """Parses the arguments, calls the function and prints its result.

    Args:
        name: the command's name, for its help.
        function: see `i3_pyserini.cli.Command`.
        words: the arguments. If the result has `to_json`, `--json` is added to the options;
            likewise for the other `STYLES`. Every command has `--threads`, which is set before
            the function's module is imported.

    Raises:
        I3Error: the arguments are invalid, or the function raised it.
    """
    set_threads(threads_of(words))
    app, parsed = _app(name), as_command(function_of(function))
    app.default(parsed)
    options = inspect.signature(parsed).parameters
    given = with_overrides(words, options) if OVERRIDES in options else list(words)
    try:
        command, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
    except UnusedCliTokensError as error:
        raise _unexpected(error.unused_tokens or [], words, name) from error
    except CycloptsError as error:
        raise I3Error(f"{' '.join(str(error).split()).rstrip('.')}; see {name} --help") from error
    result, printed = command(*bound.args, **bound.kwargs) or (None, None)
    if printed is not None and os.environ.get("RANK", "0") == "0":  # torchrun's first process
        # Another program gets the bytes of ids as they are.
        print(visible(printed) if sys.stdout.isatty() else printed, flush=True)
    if exit_code := getattr(result, "exit_code", 0):
        sys.exit(exit_code)


def _unexpected(unused: Sequence[str], words: Sequence[str], name: str) -> I3Error:
    """The error for words that are too many, as when the shell expands a pattern."""
    advice = f"see {name} --help"
    if any(Path(word).is_dir() for word in words):
        advice = f"put a pattern such as 'SHARD-*' in quotes, or {advice}"
    return I3Error(f"{' '.join(unused)}: not expected; {advice}")


def completion(program: str, commands: Mapping[str, str], shell: str) -> str:
    """A script for shell completion of commands and options.

    Args:
        program: name of the program.
        commands: see `whole_app`.
        shell: "bash", "zsh" or "fish".
    """
    whole = whole_app(program, commands)
    return whole.generate_completion(shell=shell)  # type: ignore[arg-type]  # checked by the command's choices


def whole_app(program: str, commands: Mapping[str, str]) -> App:
    """All commands of a program, each with its options.

    Args:
        program: name of the program.
        commands: the function of each command, by its name of one word or two.
    """
    whole = _app(program)
    apps: dict[str, App] = {"": whole}
    for name, function in commands.items():
        group, _, last = name.rpartition(" ")
        if group not in apps:
            apps[group] = whole.command(_app(group))
        apps[name] = apps[group].command(_app(last))
        apps[name].default(as_command(function_of(function)))
    return whole


def _app(name: str) -> App:
    return App(
        name=name,
        help_format="plaintext",
        version_flags=[],
        group_commands=OPTIONS,
        group_parameters=OPTIONS,
        default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
    )


def with_overrides(words: Sequence[str], options: Iterable[str]) -> list[str]:
    """Collects `--section.key=value` and `--section.key value` after `--overrides`.

    Args:
        words: of a command line.
        options: the function's own parameters, which have no value among the words.

    Raises:
        I3Error: an override has no value.
    """
    own = {"--help", "-h", *(f"--{name.replace('_', '-')}" for name in options)}
    others: list[str] = []
    overrides: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("--") or word.partition("=")[0] in own:
            others.append(word)
        elif "=" in word:
            overrides.append(word.removeprefix("--"))
        else:
            value = next(rest, None)
            if value is None or value.startswith("--"):
                raise I3Error(f"{word}: expected a value, as in {word}=VALUE")
            overrides.append(f"{word.removeprefix('--')}={value}")
    return [*others, f"--{OVERRIDES}", *overrides] if overrides else others


def threads_of(words: Sequence[str]) -> int | None:
    """The value of `--threads` in a command line, before it is parsed.

    Raises:
        I3Error: it is below 1.
    """
    found = None
    for word, after in zip(words, [*words[1:], ""], strict=False):
        name, _, value = word.partition("=")
        value = value or after
        if name == f"--{THREADS}" and value.lstrip("-").isdecimal():
            found = int(value)
    at_least_1(threads=found)
    return found


def function_of(name: str) -> Callable[..., Any]:
    """The function named by "MODULE:FUNCTION", relative to the package."""
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"i3_pyserini.{module}"), attribute)
    return function


def as_command(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the function: from command-line words to its result and the text to print."""
    signature = inspect.signature(function)
    names = _Names(function.__globals__)
    kinds = {
        parameter.name: _evaluated(parameter.annotation, names)
        for parameter in signature.parameters.values()
    }
    groups = {name: group for name, kind in kinds.items() if (group := _dataclass_of(kind))}
    helps = _helps(function.__doc__)
    parameters = [
        _of_words(parameter, kinds[parameter.name], helps.get(parameter.name, ""), OPTIONS)
        for parameter in signature.parameters.values()
        if parameter.name not in groups
    ]
    for group in groups.values():
        parameters += _of_fields(group)
    result = _evaluated(signature.return_annotation, names)
    kinds_of_result = get_args(result) or (result,)
    styles = [style for style in STYLES if hasattr(kinds_of_result[0], f"to_{style}")]
    parameters += [_style(style) for style in styles]
    if THREADS not in signature.parameters:
        parameters.append(_threads())

    def command(*args: Any, **kwargs: Any) -> tuple[Any, str] | None:
        chosen = [style for style in styles if kwargs.pop(style, False)]
        if THREADS not in signature.parameters:
            kwargs.pop(THREADS, None)  # `call` has set it
        if len(chosen) > 1:
            raise I3Error(f"--{chosen[0]} and --{chosen[1]} cannot be combined")
        for name, group in groups.items():
            given = {field.name for field in fields(group)} & kwargs.keys()
            kwargs[name] = group(**{field: kwargs.pop(field) for field in given})
        found = function(*args, **kwargs)
        if chosen:
            return found, str(getattr(found, f"to_{chosen[0]}")())
        return None if found is None else (found, str(found))

    kept = [parameter for parameter in parameters if parameter is not None]
    command.__doc__ = _description(function.__doc__)
    command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]  # what inspect reads
    command.__annotations__ = {one.name: one.annotation for one in kept}
    return command


def _helps(docstring: str | None) -> dict[str, str]:
    """The description of each parameter or attribute in a docstring, on one line."""
    found = parse(docstring or "").params
    return {one.arg_name: " ".join((one.description or "").split()) for one in found}


def _description(docstring: str | None) -> str:
    """The paragraphs of a docstring before its sections, one line each."""
    found = parse(docstring or "")
    paragraphs = [found.short_description or "", *(found.long_description or "").split("\n\n")]
    return "\n\n".join(" ".join(text.split()) for text in paragraphs)


def _dataclass_of(kind: Any) -> Any:
    """The dataclass whose fields become options; None for other parameters."""
    alternatives = get_args(kind) or (kind,)
    return next((one for one in alternatives if is_dataclass(one)), None)


def _of_fields(group: Any) -> list[inspect.Parameter | None]:
    names, helps = _Names(vars(sys.modules[group.__module__])), _helps(group.__doc__)
    title = Group(_description(group.__doc__).split("\n")[0].rstrip("."), sort_key=3)
    found = []
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        parameter = inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field.type
        )
        kind = _evaluated(field.type, names)
        found.append(_of_words(parameter, kind, helps.get(field.name, ""), title))
    return found


class _Names(dict[str, Any]):
    """Names of a module; names imported only for type checking resolve to a placeholder."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return _NoWord


class _NoWord:
    """A placeholder type for values that cannot be given on a command line."""

    def __class_getitem__(cls, _: Any) -> type:
        return cls


def _evaluated(annotation: Any, names: _Names) -> Any:
    return eval(annotation, {}, names) if isinstance(annotation, str) else annotation  # noqa: S307  (our own source)


def _of_words(
    parameter: inspect.Parameter, kind: Any, text: str, group: Group
) -> inspect.Parameter | None:
    """The parameter for a command line; None if its value cannot be given as a word."""
    words = _type_of_words(kind)
    if words is None:
        return None
    default = parameter.default
    says_nothing = any(default is one or default == one for one in NOTHING)
    how = Parameter(
        group=group,
        help=text,
        show_default=False if says_nothing else None,
        negative="" if words is bool and default is False else None,
    )
    return parameter.replace(annotation=Annotated[words, how])


def _type_of_words(kind: Any) -> Any:
    """The first alternative of a type that a word can have: `Path | str` becomes `Path`."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        found = next((one for one in map(_type_of_words, get_args(kind)) if one is not None), None)
        return found | None if found is not None and type(None) in get_args(kind) else found
    if origin in (Sequence, Iterable, list, tuple):
        item = _type_of_words(get_args(kind)[0])
        return None if item is None else types.GenericAlias(list, (item,))
    return kind if kind in WORDS or origin in (Literal, Annotated) else None


def _style(style: str) -> inspect.Parameter:
    words = "JSON" if style == "json" else "CSV" if style == "csv" else f"a {style} table"
    how = Parameter(group=OPTIONS, help=f"print {words}", negative="", show_default=False)
    return inspect.Parameter(
        style, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, how]
    )


def _threads() -> inspect.Parameter:
    words = "number of threads. Default: OMP_NUM_THREADS, or one for each usable CPU."
    how = Parameter(group=OPTIONS, help=words, show_default=False)
    return inspect.Parameter(
        THREADS, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[int | None, how]
    )

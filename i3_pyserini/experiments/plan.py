"""A plan: an experiment's commands, as data (`recipes/plans/*.yaml`)."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.yaml_files import read_yaml
from i3_pyserini.shipped import find_shipped

OUT = "{out}"
Form = TypeVar("Form", bound=BaseModel)


class Section(BaseModel):
    """A part of a file without additional keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CommandPlan(Section):
    """One command.

    Attributes:
        run: the command line; `{name}` stands for a setting (which stays one word with what it
            touches) or for flags (which become words of their own), `{out}` for `makes`.
        makes: the file or folder that it creates; null to run it every time. With `{out}` in `run`,
            the command writes to another name first, for commands that would leave half a file
            under the final one.
    """

    run: str
    makes: str | None = None


class StepPlan(Section):
    """A group of commands.

    Attributes:
        about: description.
        needs: hardware, hours and disk.
        each: settings by which the commands are repeated; null for once.
        commands: the commands.
    """

    about: str
    needs: str = ""
    each: list[dict[str, str]] | None = None
    commands: list[CommandPlan]


class Plan(Section):
    """An experiment.

    Attributes:
        about: what it is.
        settings: names in the commands, with their values if `--values` gives no other; a value may
            name others.
        flags: the same, for words of their own such as more options.
        steps: by name, in order.
    """

    about: str
    settings: dict[str, str] = {}
    flags: dict[str, str] = {}
    steps: dict[str, StepPlan]


@dataclass(frozen=True)
class Command:
    """A command with every setting filled in.

    Attributes:
        words: program and arguments.
        makes: its output.
        writes: what `{out}` in the command was filled with; None without `{out}`.
    """

    words: tuple[str, ...]
    makes: Path | None
    writes: Path | None

    @property
    def done(self) -> bool:
        """Whether its output exists."""
        return self.makes is not None and self.makes.exists()

    def __str__(self) -> str:
        text = shlex.join(self.words)
        return text.replace(str(self.writes), str(self.makes)) if self.writes else text


def planned(makes: Path, *words: object) -> CommandPlan:
    """A command made in Python: no word but `{out}` is a setting, braces in the others are braces.

    Args:
        makes: its output.
        words: program and arguments.
    """
    *texts, made = (
        text if text == OUT else text.replace("{", "{{").replace("}", "}}")
        for text in map(str, (*words, makes))
    )
    return CommandPlan(run=shlex.join(texts), makes=made)


def load_plan(path: Path | str, settings: Mapping[str, str]) -> Plan:
    """Reads a plan.

    Args:
        path: a YAML file, or the name of an included plan.
        settings: values that override its settings.

    Raises:
        I3Error: it cannot be read, is not a plan, a setting is unknown, or a command is not one.
    """
    path = find_shipped("plan", path)
    plan = read_form(path, Plan, "a plan")
    known = {**plan.settings, **plan.flags}
    if unknown := [name for name in settings if name not in known]:
        raise I3Error(f"{path}: no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    parts = {
        part: {name: settings.get(name, value) for name, value in before.items()}
        for part, before in (("settings", plan.settings), ("flags", plan.flags))
    }
    plan = plan.model_copy(update=parts)
    try:
        for step in plan.steps:
            list(commands(plan, step))
    except I3Error as error:
        raise I3Error(f"{path}: {error}") from error
    return plan


def read_form(path: Path, form: type[Form], what: str) -> Form:
    """Reads a YAML file of one form.

    Args:
        path: the file.
        form: its model.
        what: it, in words, with an article.

    Raises:
        I3Error: it cannot be read, or is of another form.
    """
    content = read_yaml(path)
    try:
        return form.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise I3Error(f"{path}: not {what}: {where}: {problem['msg']}") from error


def read_settings(words: Sequence[str]) -> dict[str, str]:
    """Parses settings of a command line, each `NAME=VALUE`.

    Raises:
        I3Error: a word is of another form.
    """
    settings = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise I3Error(f"{word}: expected NAME=VALUE")
        settings[name] = value
    return settings


def commands(plan: Plan, step: str) -> Iterator[Command]:
    """The commands of a step, filled in.

    Raises:
        I3Error: a command names an unknown setting.
    """
    for values in plan.steps[step].each or [{}]:
        settings = {**plan.settings, **values}
        place = f"step {step!r}"
        settings = {name: fill(value, settings, place) for name, value in settings.items()}
        for command in plan.steps[step].commands:
            makes = fill(command.makes, settings, place) if command.makes else None
            writes = f"{makes}.partial" if OUT in command.run else None
            words = _words(command.run, {**settings, "out": writes or ""}, plan.flags, place)
            yield Command(
                tuple(words), Path(makes) if makes else None, Path(writes) if writes else None
            )


def fill(text: str, settings: Mapping[str, str], place: str) -> str:
    """A text with `{name}` replaced by settings.

    Args:
        text: the text.
        settings: values by name.
        place: its location, for messages.

    Raises:
        I3Error: it names an unknown setting.
    """
    try:
        return text.format_map(settings)
    except (KeyError, ValueError, IndexError) as error:
        raise I3Error(f"{place}: {text!r} names an unknown setting") from error


def choose_steps(plan: Plan, names: Sequence[str]) -> list[str]:
    """The named steps in the plan's order, or all steps.

    Raises:
        I3Error: a step is unknown.
    """
    if unknown := [name for name in names if name not in plan.steps]:
        raise I3Error(f"no step {unknown[0]!r}; the plan has {', '.join(plan.steps)}")
    return [name for name in plan.steps if not names or name in names]


def _words(
    run: str, settings: Mapping[str, str], flags: Mapping[str, str], place: str
) -> Iterator[str]:
    """The words of a command; only flags become several words, whatever is in a setting."""
    for word in _split(run, place):
        name = word.removeprefix("{").removesuffix("}")
        if name in flags and word == f"{{{name}}}":
            yield from _split(flags[name], place)
        else:
            yield fill(word, settings, place)


def _split(text: str, place: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise I3Error(f"{place}: {text!r}: {error}") from error

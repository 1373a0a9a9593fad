"""A plan: an experiment's commands, as data (`recipes/reproduce/*.yaml`)."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from i3_pyserini.errors import I3Error

OUT = "{out}"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CommandPlan(_Section):
    """One command.

    Attributes:
        run: as a user would type it; `{name}` stands for a setting (which stays one word with
            what it touches) or for flags (which become words of their own), `{out}` for `makes`.
        makes: the file or folder that is there when it is done; null to run it every time. With
            `{out}` in `run`, the command writes to another name first, for commands that would
            leave half a file under the final one.
    """

    run: str
    makes: str | None = None


class StepPlan(_Section):
    """Commands that belong together.

    Attributes:
        about: what they do.
        needs: hardware, hours and disk.
        each: settings by which the commands are repeated; null for once.
        commands: the commands.
    """

    about: str
    needs: str = ""
    each: list[dict[str, str]] | None = None
    commands: list[CommandPlan]


class Plan(_Section):
    """An experiment.

    Attributes:
        about: what it is.
        settings: names in the commands, with their values if `--set` gives no other; a value may
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
        makes: what is there when it is done.
        writes: what `{out}` in the command was filled with; None without `{out}`.
    """

    words: tuple[str, ...]
    makes: Path | None
    writes: Path | None

    @property
    def done(self) -> bool:
        """Whether what it makes is there."""
        return self.makes is not None and self.makes.exists()

    def __str__(self) -> str:
        text = shlex.join(self.words)
        return text.replace(str(self.writes), str(self.makes)) if self.writes else text


def load_plan(path: Path, settings: Mapping[str, str]) -> Plan:
    """Reads a plan.

    Args:
        path: a YAML file.
        settings: other values for its settings.

    Raises:
        I3Error: it cannot be read or is no plan, or has no such setting.
    """
    try:
        plan = Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise I3Error(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise I3Error(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise I3Error(f"{path}: not a plan: {where}: {problem['msg']}") from error
    known = {**plan.settings, **plan.flags}
    if unknown := [name for name in settings if name not in known]:
        raise I3Error(f"{path}: no setting {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    parts = {
        part: {name: settings.get(name, value) for name, value in before.items()}
        for part, before in (("settings", plan.settings), ("flags", plan.flags))
    }
    return plan.model_copy(update=parts)


def commands(plan: Plan, step: str) -> Iterator[Command]:
    """The commands of a step, filled in.

    Raises:
        I3Error: a command names a setting that there is not.
    """
    for values in plan.steps[step].each or [{}]:
        settings = {**plan.settings, **values}
        settings = {name: _fill(value, settings, step) for name, value in settings.items()}
        for command in plan.steps[step].commands:
            makes = _fill(command.makes, settings, step) if command.makes else None
            writes = f"{makes}.partial" if OUT in command.run else None
            words = _words(command.run, {**settings, "out": writes or ""}, plan.flags, step)
            yield Command(
                tuple(words), Path(makes) if makes else None, Path(writes) if writes else None
            )


def choose_steps(plan: Plan, names: Sequence[str]) -> list[str]:
    """The named steps in the plan's order; all, if none is named.

    Raises:
        I3Error: there is no such step.
    """
    if unknown := [name for name in names if name not in plan.steps]:
        raise I3Error(f"no step {unknown[0]!r}; the plan has {', '.join(plan.steps)}")
    return [name for name in plan.steps if not names or name in names]


def _words(
    run: str, settings: Mapping[str, str], flags: Mapping[str, str], step: str
) -> Iterator[str]:
    """The words of a command; only flags become several words, whatever is in a setting."""
    for word in _split(run, step):
        name = word.removeprefix("{").removesuffix("}")
        if name in flags and word == f"{{{name}}}":
            yield from _split(flags[name], step)
        else:
            yield _fill(word, settings, step)


def _split(text: str, step: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise I3Error(f"step {step!r}: {text!r}: {error}") from error


def _fill(text: str, settings: Mapping[str, str], step: str) -> str:
    try:
        return text.format_map(settings)
    except (KeyError, ValueError, IndexError) as error:
        raise I3Error(f"step {step!r}: {text!r} names a setting that there is not") from error

"""The report of a comparison: what is known of each system, and how it was made."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.encode.summary import holds
from i3_pyserini.errors import note
from i3_pyserini.experiments.compared import BASELINE
from i3_pyserini.experiments.plan import CommandPlan
from i3_pyserini.formats.index import read_manifest

if TYPE_CHECKING:
    from i3_pyserini.experiments.comparison import Study
    from i3_pyserini.experiments.costs import Cost

NAMELESS = {"model", "best", "last"}  # folders that do not say which model they hold
COMMAND = ["python", "-m", "i3_pyserini"]
RUN = ".txt"


def report_study(
    study: "Study", rates: Mapping[str, float], measures: Sequence[str]
) -> Path | None:
    """Writes report.html of a comparison that is complete.

    Args:
        study: the comparison.
        rates: chosen learning rates by model.
        measures: the measures, the deciding one first.

    Returns:
        The page; None without the libraries that it needs.
    """
    if any(find_spec(library) is None for library in ("matplotlib", "jinja2")):
        note("no report.html: it needs matplotlib and jinja2: pip install 'i3-pyserini[report]'")
        return None
    from i3_pyserini.eval.report.write import write_report  # noqa: PLC0415  (matplotlib)

    topics, qrels = study.queries.files["test"]
    page = study.folder / "report.html"
    models = [study.bm25, model_name(study.options.backbone), *study.models.values()]
    write_report(
        qrels,
        study.runs(),
        output=page,
        measures=measures,
        baseline=BASELINE,
        title=f"{', '.join(models[:-1])} and {models[-1]} compared on {study.name}",
        collection=study.name,
        topics=topics,
        corpus=study.corpus,
        cache=study.folder / "cache",
        systems=systems(study, rates),
        overwrite=True,
    )
    return page


def systems(study: "Study", rates: Mapping[str, float]) -> dict[str, dict[str, str]]:
    """Facts about each system: model, encoding, training, costs and commands; of the first seed."""
    plans = (study.beginning(), study.rest(rates))
    commands = [one for plan in plans for step in plan.steps.values() for one in step.commands]
    made = {_plain(one.makes or ""): one for one in commands}
    costs, found = study.costs(rates), {}
    for label, runs in study.runs().items():
        used = list(dict.fromkeys(_used(str(runs[0]), made)))
        facts = _model(study, label, rates)
        for one in used:
            if _words(one)[:1] == ["encode"] and (held := _held(Path(_plain(one.makes or "")))):
                facts["encoding"] = held
        facts |= _costs(costs.get(label))
        facts["commands"] = "\n".join(_shown(study, one) for one in used)
        found[label] = {name: text for name, text in facts.items() if text}
    return found


def model_name(name: str) -> str:
    """The last part of a model's name or folder that says which one it is."""
    parts = [part for part in Path(name).parts if part not in NAMELESS]
    return parts[-1] if parts else name


def _model(study: "Study", label: str, rates: Mapping[str, float]) -> dict[str, str]:
    options, name = study.options, model_name(study.options.backbone)
    if label == "backbone":
        return {"model": name}
    trained = next((key for key, known in study.models.items() if known == label), None)
    if trained is None:
        return {}
    count = len(options.seeds)
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    training = f"{options.steps:,} steps, learning rate {rates[trained]:g}, {seeds}"
    if study.trainings.warms_up(trained):
        training = f"warm-up of the reconstructor: {options.warm_up:,} steps; {training}"
    return {"model": f"{label}, trained from {name}", "training": training}


def _held(index: Path) -> str | None:
    return holds(read_manifest(index)) if index.is_dir() else None


def _costs(cost: "Cost | None") -> dict[str, str]:
    if cost is None:
        return {}
    speed, minutes = cost.queries_per_second, cost.training_minutes
    return {
        "queries/s": "" if speed is None else f"{speed:,.0f}",
        "index": f"{cost.index_bytes / 1e6:,.1f} MB",
        "training time": "" if minutes is None else f"{minutes:.1f} min",
    }


def _used(output: str, made: Mapping[str, CommandPlan]) -> Iterator[CommandPlan]:
    """The commands that lead to an output, in their order; a fusion's runs have their own."""
    command = made.get(output)
    if command is None:
        return
    words = _words(command)
    for word in words:
        value = Path(word.rpartition("=")[2])
        for other in made:
            folder = Path(other).parent if Path(other).name == "last" else Path(other)
            if other != output and value in (folder, folder / "best", folder / "last"):
                yield from () if other.endswith(RUN) else _used(other, made)
    yield command


def _words(command: CommandPlan) -> list[str]:
    return shlex.split(_plain(command.run))[len(COMMAND) :]


def _plain(text: str) -> str:
    """A text of a plan, in which braces stand for themselves."""
    return text.replace("{{", "{").replace("}}", "}")


def _shown(study: "Study", command: CommandPlan) -> str:
    """A command line without paths of folders, which are private."""
    places = {study.folder.resolve(): "OUTPUT", study.data.resolve(): "DATA"}
    words = []
    for word in _words(command):
        key, between, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
        words.append(shlex.quote(f"{key}{between}{_public(value, places)}"))
    return " ".join(["i3-pyserini", *words])


def _public(word: str, places: Mapping[Path, str]) -> str:
    path = Path(word)
    if len(path.parts) < 2 or not (path.is_absolute() or path.exists()):  # noqa: PLR2004  (a folder)
        return word
    for place, name in places.items():
        if path.resolve().is_relative_to(place):
            return str(Path(name) / path.resolve().relative_to(place))
    return model_name(word)

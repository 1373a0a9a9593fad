"""Evaluates and compares runs for a report, and says what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from ir_measures import Judged

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.compare import LEAST_QUERIES, Difference, compare
from i3_pyserini.eval.evaluation import Evaluation, evaluate_run, mean_evaluation
from i3_pyserini.eval.findings import listed, sentence
from i3_pyserini.eval.judged import uneven_note
from i3_pyserini.eval.provenance import Provenance, provenance_of
from i3_pyserini.eval.ranking import JudgedRanks, judged_ranks
from i3_pyserini.eval.report.changes import Changes, TextOf, changes
from i3_pyserini.eval.report.costs import Cost
from i3_pyserini.eval.report.drawings import counted
from i3_pyserini.eval.report.named import NamedRuns
from i3_pyserini.eval.report.page import Report
from i3_pyserini.eval.report.recorded import recorded_facts
from i3_pyserini.eval.task import Task, relevance_level
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.made import today
from i3_pyserini.formats.run_facts import name_of, public
from i3_pyserini.formats.runs import Run

COMMANDS = "commands"  # a fact with a command a line
LONGEST_TITLE = 100  # characters


@dataclass(frozen=True)
class Asked:
    """Options of a report; see `write_report`.

    Attributes:
        title: None for the names of runs and collection.
        baseline: position of the baseline among the systems; None for no comparison.
        chosen: whether the user named the baseline.
        relevance: None for what measures name.
        topics: texts by query id.
        text_of: returns the text of a passage.
        index: the index that was searched.
        collection: name of the collection.
        qrels: file or name of the qrels.
        costs: by system.
        systems: facts by system.
    """

    title: str | None
    baseline: int | None
    chosen: bool
    relevance: int | None
    topics: Mapping[str, str] | None
    text_of: TextOf | None
    index: Path | None
    collection: str | None
    qrels: str | PathLike[str]
    costs: Mapping[str, Cost]
    systems: Mapping[str, Mapping[str, str]]


def report_of(given: NamedRuns, task: Task, asked: Asked) -> Report:
    """Evaluates the runs; a single query cannot be compared.

    Raises:
        I3Error: a run, the topics or the corpus do not fit the qrels, or cannot be read.
    """
    qrels, notes = task.qrels, list(task.notes)
    level = _level(asked.relevance, max(qrels["relevance"])) or relevance_level(task.measures)
    wanted = list(dict.fromkeys([*task.measures, Judged @ 10]))
    evaluations: list[Evaluation] = []
    ranks: dict[str, JudgedRanks] = {}
    firsts: list[Run] = []
    every: list[Run] = []
    for name, runs in given.read():
        each = [evaluate_run(qrels, run, wanted) for run in runs]
        evaluations.append(mean_evaluation(name, each))
        ranks[name] = judged_ranks(qrels, runs[0])
        firsts.append(runs[0])
        every += runs
        notes += [f"{one.run}: {told}" for one in each for told in one.warnings]
        if len(runs) > 1:
            notes.append(
                f"{name}: means of {len(runs)} runs; figures of ranks and changed queries: seed 1"
            )
    notes += uneven_note(evaluations)
    place, queries = asked.baseline, len(evaluations[0].queries)
    if queries < LEAST_QUERIES and not asked.chosen:
        place = None
    names = [str(one) for one in task.measures]
    differences = _differences(evaluations, place, names)
    made = provenance_of(every, asked.qrels, task.presets, asked.index)
    notes += made.notes
    collection = asked.collection or (name_of(made.searched) if made.searched else None)
    over = counted(queries) + (f" of {collection}" if collection else "")
    return Report(
        title=asked.title or _title(given.shown, collection),
        finding=_finding(evaluations, differences, names, over),
        evaluations=evaluations,
        ranks=ranks,
        level=level,
        baseline=place,
        differences=differences,
        changes=None if place is None else _changes(task, firsts, evaluations, place, level, asked),
        costs=asked.costs,
        facts=_facts(task, asked, queries, collection, made),
        systems=_systems(given, asked.systems, firsts),
        provenance=public(made.to_json()) if any(made.runs.values()) else {},
        notes=notes,
    )


def _differences(
    evaluations: Sequence[Evaluation], place: int | None, measures: Sequence[str]
) -> list[Difference]:
    if place is None:
        return []
    tested = [one.restricted(measures) for one in evaluations]
    return compare(tested[place], [*tested[:place], *tested[place + 1 :]])


def _finding(
    evaluations: Sequence[Evaluation],
    differences: Sequence[Difference],
    measures: Sequence[str],
    over: str,
) -> str:
    if len(evaluations) > 1:
        baseline = differences[0].baseline if differences else ""
        return sentence(differences, measures[0], over, baseline)
    (only,) = evaluations
    values = listed([f"{measure} {only.means[measure]:.4f}" for measure in measures])
    return f"{only.run} has {values} over {over}."


def _changes(
    task: Task,
    runs: Sequence[Run],
    evaluations: Sequence[Evaluation],
    place: int,
    level: int,
    asked: Asked,
) -> Changes:
    """From the baseline to the best other system by the first measure."""
    measure = task.measures[0]
    others = [number for number in range(len(runs)) if number != place]
    best = max(others, key=lambda number: evaluations[number].means[str(measure)])
    pair = (runs[place], runs[best])
    return changes(task.qrels, pair, measure, level, asked.topics, asked.text_of)


def _title(names: Sequence[str], collection: str | None) -> str:
    where = f" on {collection}" if collection else ""
    if len(names) == 1:
        return f"{names[0]} evaluated{where}"
    title = f"{listed(names)} compared{where}"
    return title if len(title) <= LONGEST_TITLE else f"{len(names)} systems compared{where}"


def _facts(
    task: Task, asked: Asked, queries: int, collection: str | None, made: Provenance
) -> dict[str, str]:
    """What was evaluated; paths of folders are private and not shown."""
    file = Path(asked.qrels)
    judged = f"{counted(queries)}, {len(task.qrels):,} judgements"
    facts = {"qrels": f"{file.name if file.exists() else asked.qrels}: {judged}"}
    if collection:
        facts["collection"] = collection if asked.collection else made.collection or collection
    if made.topics:
        facts["topics"] = made.topics
    if asked.index:
        encoder = read_manifest(asked.index).encoder
        if encoder.name:
            facts["model"] = "/".join(Path(encoder.name).parts[-2:])
        if encoder.pooling:
            facts["pooling"] = encoder.pooling + (", unit length" if encoder.normalize else "")
    return {**facts, "date": today().isoformat()}


def _systems(
    given: NamedRuns, known: Mapping[str, Mapping[str, str]], runs: Sequence[Run]
) -> dict[str, dict[str, str]]:
    """Facts about each system: given ones, and those recorded of its first run; commands last."""
    found = {}
    for name, path, run in zip(given.shown, given.first_paths, runs, strict=True):
        facts = {**known.get(name, {})}
        commands = {COMMANDS: facts.pop(COMMANDS)} if COMMANDS in facts else {}
        recorded = recorded_facts(path, run.metadata, bool(commands))
        if facts := {**facts, **recorded, **commands}:
            found[name] = facts
    return found


def _level(asked: int | None, highest: int) -> int | None:
    if asked is not None and not 1 <= asked <= highest:
        raise I3Error(f"relevance {asked}: the qrels have levels from 1 to {highest}")
    return asked

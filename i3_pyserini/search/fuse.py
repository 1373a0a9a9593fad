"""Fuses run files."""

from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i3_pyserini.errors import I3Error, at_least_1, check_tag, note
from i3_pyserini.formats.paths import AnyPath, NameOrPath, WrittenRun

if TYPE_CHECKING:
    from i3_pyserini.formats.runs import Run
    from i3_pyserini.search.fusion import Fusion
    from i3_pyserini.search.fusion_file import Stored

STORED = ".fusion.json"  # suffix after the run's name, for the fusion settings


def fuse_runs(
    runs: Sequence[AnyPath],
    *,
    output: AnyPath,
    method: Literal["rrf", "interpolation", "combmnz"] = "rrf",
    k: float = 60,
    normalization: Literal["min-max", "z-score", "none"] = "min-max",
    weights: Sequence[float] = (),
    stored: AnyPath | None = None,
    tune: NameOrPath | None = None,
    tune_runs: Sequence[AnyPath] = (),
    measure: str = "nDCG@10",
    step: float | None = None,
    hits: int = 1000,
    tag: str = "fused",
    overwrite: bool = False,
) -> WrittenRun:
    """Fuses runs of the same queries into one.

    OUTPUT.fusion.json records the settings and weights.

    Args:
        runs: the run files, two or more.
        output: the run file to write.
        method: "rrf" sums weight / (k + rank); "interpolation" sums normalized scores, and
            "combmnz" multiplies that by the number of runs that contain the passage.
        k: the constant of "rrf".
        normalization: normalization of scores per run and query, except with "rrf".
        weights: one number per run. Default: equal weights.
        stored: an OUTPUT.fusion.json file, to reuse its settings.
        tune: relevance judgments of dev queries, to choose the weights, and k of "rrf".
        tune_runs: runs of the dev queries, in the order of `runs`.
        measure: the ir-measures name of the measure that `tune` maximizes.
        step: step of the weights that `tune` tries. Default: 0.05, or 0.1 for three or more runs.
        hits: maximum hits per query.
        tag: last column of the run.
        overwrite: replace an existing run.

    Returns:
        The run that was written.

    Raises:
        I3Error: a file cannot be read or is not a run, runs have no common query, dev queries are
            among those to fuse, or options cannot be combined.
    """
    paths, dev_paths = [Path(run) for run in runs], [Path(run) for run in tune_runs]
    _check(paths, tune, dev_paths, weights, stored)
    _check_numbers(hits, k, step, tag)
    from i3_pyserini.formats.atomic import new_file, refuse_existing, refuse_inputs
    from i3_pyserini.formats.documents import refuse_mixed
    from i3_pyserini.formats.run_file import write_run
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.search.fusion import Fusion, fuse, hits_of
    from i3_pyserini.search.fusion_file import Stored, as_json, read_fusion
    from i3_pyserini.search.fusion_tuning import refuse_overlap
    from i3_pyserini.search.origin import origin_of_fusion

    output = Path(output)
    stored_in = output.with_name(output.name + STORED)
    refuse_inputs([output, stored_in], [*paths, *dev_paths, *([Path(stored)] if stored else [])])
    for written in (output, stored_in):
        refuse_existing(written, overwrite, before=output)
    read = [read_run(path) for path in paths]
    refuse_mixed(read)
    _note_provenance(read)
    fusion = Fusion(method, tuple(weights) or (1.0,) * len(paths), k, normalization)
    if stored is not None:
        how = read_fusion(Path(stored))
    elif tune is not None:
        how = _tuned(fusion, read, fspath(tune), dev_paths, measure, hits, step)
    else:
        how = Stored(fusion)
    refuse_overlap(how.queries, read)
    qids, found, docids = hits_of(fuse(read, how.fusion, hits))
    _note_missing(read, len(qids))
    with new_file(stored_in, overwrite, before=output) as file:
        file.write(as_json(how, paths))
    origin = origin_of_fusion(read, _stage(how, tag, hits))
    write_run(output, qids, found, docids, tag=tag, overwrite=overwrite, origin=origin)
    summary = f"{len(qids):,} queries, {_in_words(how, paths)}"
    return WrittenRun(output, summary, len(qids))


def _stage(how: "Stored", tag: str, hits: int) -> dict[str, Any]:
    """The stage of retrieval that is recorded."""
    fusion = how.fusion
    stage: dict[str, Any] = {"name": tag, "method": fusion.method}
    if fusion.method == "rrf":
        stage["k"] = fusion.k
    else:
        stage["normalization"] = fusion.normalization
    stage["weight"] = list(fusion.weights)
    if how.tuned:
        dev = {name: how.tuned.get(name) for name in ("measure", "value", "qrels", "runs")}
        stage["tuned"] = {**dev, "queries": len(how.queries)}
    return {**stage, "hits": hits}


def _check(
    runs: list[Path],
    tune: NameOrPath | None,
    tune_runs: list[Path],
    weights: Sequence[float],
    stored: AnyPath | None,
) -> None:
    if len(runs) < 2:  # noqa: PLR2004  (a pair)
        raise I3Error("expected two or more runs")
    for paths in (runs, tune_runs):
        for path in paths:
            if sum(path.resolve() == other.resolve() for other in paths) > 1:
                raise I3Error(f"{path}: is given twice")
    if sum((tune is not None, bool(weights), stored is not None)) > 1:
        raise I3Error("weights, stored and tune cannot be combined")
    if (tune is None) != (not tune_runs) or len(tune_runs) not in (0, len(runs)):
        raise I3Error("tune requires tune_runs: one dev run for each run, in the same order")


def _note_provenance(runs: "list[Run]") -> None:
    """Notes what does not go together; runs of both MS MARCO collections are never mixed."""
    from i3_pyserini.formats.run_facts import mismatches, mixed

    if both := mixed(runs):
        raise I3Error(f"{both}: their passages have the same ids, but not the same texts")
    for told in mismatches(runs):
        note(told)


def _check_numbers(hits: int, k: float, step: float | None, tag: str) -> None:
    at_least_1(hits=hits)
    check_tag(tag)
    if not 0 <= k < float("inf"):
        raise I3Error(f"k is {k:g}, must be at least 0")
    if step is not None and not 0 < step <= 1:
        raise I3Error(f"step is {step:g}, must be above 0 and at most 1")


def _tuned(
    fusion: "Fusion",
    runs: "list[Run]",
    qrels: str,
    dev_runs: list[Path],
    measure: str,
    hits: int,
    step: float | None,
) -> "Stored":
    from i3_pyserini.formats.made import made_note
    from i3_pyserini.formats.qrels import read_qrels
    from i3_pyserini.formats.run_facts import other_method
    from i3_pyserini.formats.runs import read_run
    from i3_pyserini.search.fusion_file import of_tuned
    from i3_pyserini.search.fusion_tuning import refuse_overlap, tune

    for one in made_note(qrels):
        note(one)
    dev = [read_run(path) for path in dev_runs]
    for run, of_dev in zip(runs, dev, strict=True):
        for told in other_method(run, of_dev):
            note(told)
    queries = {qid for run in dev for qid in run.queries}
    refuse_overlap(sorted(queries), runs)  # checked before the work
    return of_tuned(tune(dev, read_qrels(qrels), fusion, measure, hits, step), qrels, dev_runs)


def _note_missing(runs: "list[Run]", queries: int) -> None:
    for run in runs:
        missing = queries - len(run.queries)
        if missing:
            note(f"{run.name}: {missing:,} of {queries:,} queries missing")


def _in_words(how: "Stored", runs: list[Path]) -> str:
    constant = f", k {how.fusion.k:g}" if how.fusion.method == "rrf" else ""
    weights = ", ".join(
        f"{path} {weight:g}" for path, weight in zip(runs, how.fusion.weights, strict=True)
    )
    chosen = ""
    if how.tuned:
        value, count = how.tuned["value"], len(how.queries)
        chosen = f"; tuned on {count:,} dev queries: {how.tuned['measure']} {value:.4f}"
    return f"{how.fusion.method}{constant}, weights {weights}{chosen}"

"""Prints the study's tables from its records.

    python -m benchmarks.study.report [--record] [--page docs/results/study.md]

`--page` puts them into a page, between its marks; `tests/test_study.py` compares both.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks.record import Figure, Machine, Record, add_record_option, save, single
from benchmarks.study.conditions import HYPOTHESES, LONGER, SHARED, TESTED
from benchmarks.study.data import TRAIN
from benchmarks.study.effects import LEVEL, Effect, effect, holm
from benchmarks.study.plan import MEASURE, MEASURES, SEEDS, Run, chosen, seeds

COLLECTIONS = ("acl-titles", "docstrings")
CONDITIONS = {one.name: one for one in (*TESTED, LONGER)}
TESTS = [(name, collection) for name in HYPOTHESES for collection in COLLECTIONS]
PRIMARY = "H1"  # what decides, in steps and in time
MARKS = ("<!-- made by python -m benchmarks.study.report -->\n", "<!-- end -->\n")
Row = list[str]


def records_of(collection: str, condition: str) -> list[dict[str, Any]]:
    """A condition's records in the order of the seeds; none until all are there."""
    try:
        return [Run("test", collection, CONDITIONS[condition], seed).read() for seed in seeds()]
    except FileNotFoundError:
        return []


def effects() -> dict[tuple[str, str], Effect]:
    """All effects that are known, by hypothesis and collection."""
    found = {}
    for name, collection in TESTS:
        base, other = (
            [one["values"][MEASURE] for one in records_of(collection, condition)]
            for condition in HYPOTHESES[name]
        )
        if base and other:
            found[name, collection] = effect(base, other)
    return found


def verdict(found: dict[tuple[str, str], Effect]) -> str:
    """What the protocol makes of the effects: a win, no win, or not known yet."""
    corrected = dict(zip(found, holm(list(found.values()), len(TESTS)), strict=True))
    deciding = [test for test in TESTS if test[0].startswith(PRIMARY)]
    known = [(found[test], corrected[test]) for test in deciding if test in found]
    if any(one.delta <= 0 or one.p >= LEVEL for one, _ in known):
        return "By the protocol, no win."
    if len(known) == len(deciding) and all(p < LEVEL for _, p in known):
        return "By the protocol, a win."
    return f"{len(found)} of {len(TESTS)} tests are known, which do not decide it."


def lines() -> Iterator[str]:
    """The lines of all tables."""
    for collection in COLLECTIONS:
        yield from ("", f"### {collection}", "")
        names = ["condition", *MEASURES, "seeds", "learning rate", "steps", "minutes"]
        yield from _table(names, _means(collection))
    if found := effects():
        names = ["", "collection", f"Δ {MEASURE}", "95% interval", "p over queries", "p over seeds"]
        yield from ("", *_table([*names, "p (Holm)"], _differences(found)))
        yield from ("", verdict(found))


def _means(collection: str) -> Iterator[Row]:
    """A row for each condition: means over seeds, learning rate, steps, median minutes."""
    for name, condition in CONDITIONS.items():
        records = records_of(collection, name)
        if not records:
            continue
        means = [f"{fmean(fmean(one['values'][m]) for one in records):.4f}" for m in MEASURES]
        keys = {**SHARED, **chosen(collection, condition)}
        rate, steps = keys["optimizer.learning_rate"], keys["training.max_steps"]
        minutes = median(one["minutes"] for one in records)
        yield [name, *means, f"{len(records)}", f"{rate:g}", f"{steps}", f"{minutes:.1f}"]


def _differences(found: dict[tuple[str, str], Effect]) -> Iterator[Row]:
    """A row for each hypothesis and collection."""
    corrected = holm(list(found.values()), len(TESTS))
    for ((name, collection), one), p in zip(found.items(), corrected, strict=True):
        interval = f"{one.low:+.4f} to {one.high:+.4f}"
        ps = ["< 0.001" if v < 0.0005 else f"{v:.3f}" for v in (one.p_queries, one.p_seeds, p)]
        yield [name, collection, f"{one.delta:+.4f}", interval, *ps]


def _table(names: Row, rows: Iterator[Row]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def record() -> Record:
    """What README.md quotes."""
    figures = []
    for collection in COLLECTIONS:
        for name in CONDITIONS:
            if records := records_of(collection, name):
                mean = fmean(fmean(one["values"][MEASURE]) for one in records)
                minutes = median(one["minutes"] for one in records)
                figures.append(single(f"{collection}: {name}, {MEASURE}", mean, "", 4))
                figures.append(single(f"{collection}: {name}, training", minutes, "min", 1))
    found = effects()
    corrected = holm(list(found.values()), len(TESTS))
    for ((name, collection), one), p in zip(found.items(), corrected, strict=True):
        delta, low, high = (round(value, 4) for value in (one.delta, one.low, one.high))
        named = f"{collection}: {name}, difference in {MEASURE}"
        figures.append(Figure(name=named, value=delta, digits=4, low=low, high=high))
        figures.append(single(f"{collection}: {name}, p (Holm)", p, "", 3))
    records = [one for name in CONDITIONS for c in COLLECTIONS for one in records_of(c, name)]
    processors = sorted({one["processor"] for one in records})
    return Record(
        about="I³ and a plain dual encoder, trained alike, with a protocol that is older",
        command="python -m benchmarks.study.run test --collections acl-titles docstrings",
        date=datetime.now(UTC).date().isoformat(),
        versions=records[0]["versions"],
        machine=Machine(processor=", ".join(processors), cores=1),
        data="titles and abstracts of the ACL Anthology; docstrings of packages",
        repetitions="means over five seeds; differences with 95% interval, p by Holm's method",
        setup={"seeds": SEEDS, "steps": SHARED["training.max_steps"], "training queries": TRAIN},
        figures=figures,
    )


def put_into(page: Path) -> None:
    """Replaces what is between the marks of a page with the tables."""
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    made = "".join(f"{line}\n" for line in lines())
    page.write_text(f"{before}{MARKS[0]}{made}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description="Print the study's tables.")
    add_record_option(parser, "study")
    parser.add_argument("--page", type=Path, help="also put them into this page")
    args = parser.parse_args()
    print("\n".join(lines()))
    if args.page:
        put_into(args.page)
    if args.record:
        save(args.record, record())


if __name__ == "__main__":
    main()

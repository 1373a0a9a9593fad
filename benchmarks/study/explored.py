"""Prints the exploratory runs: one seed, on queries that the protocol does not use.

python -m benchmarks.study.explored
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.study.effects import effect
from benchmarks.study.plan import RECORDS

Record = dict[str, Any]
BASE = "plain"
MEASURE = "RR@10"


def print_tables(folder: Path) -> None:
    """Prints a table for each collection of a folder: differences from the plain dual encoder.

    A form of I³ is compared with the plain one that has its data and its frozen parts, if there is
    one. Of several learning rates, the best plain one is compared with.
    """
    found: dict[str, list[Record]] = defaultdict(list)
    for path in sorted(folder.rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        rate = record.get("keys", {}).get("optimizer.learning_rate")
        record["name"] = record["condition"] + (f", rate {rate:g}" if rate else "")
        found[record["collection"]].append(record)
    for collection, unsorted in found.items():
        records = sorted(unsorted, key=lambda one: -mean(one["values"][MEASURE]))
        by_name = {one["condition"]: one for one in reversed(records)}
        print(f"\n### {collection}\n")
        print(
            f"| condition | {MEASURE} | compared with | Δ [95% interval], p "
            "| reconstruction loss | s a step |"
        )
        print("| --- | --- | --- | --- | --- | --- |")
        for one in records:
            values = one["values"][MEASURE]
            base = _base(one, by_name)
            difference = ["", ""]
            if base is not None:
                of = effect([base["values"][MEASURE]], [values])
                interval = f"[{of.low:+.4f}, {of.high:+.4f}]"
                difference = [base["name"], f"{of.delta:+.4f} {interval}, {of.p_queries:.3f}"]
            loss = one["losses"].get("reconstruction")
            shown = "" if loss is None else f"{loss:.2f}"
            seconds = median(one["step_seconds"])
            row = [one["name"], f"{mean(values):.4f}", *difference, shown, f"{seconds:.2f}"]
            print(f"| {' | '.join(row)} |")


def _base(one: Record, by_name: Mapping[str, Record]) -> Record | None:
    """What a run is compared with; None for a plain one, and where there is none."""
    name = one["condition"]
    same = by_name.get(f"{BASE}, {name.partition(', ')[2]}")
    base = same if same is not None and same is not one else by_name.get(BASE)
    return None if base is one else base


def main() -> None:
    """Prints what was explored before the protocol."""
    print_tables(RECORDS / "explore")


if __name__ == "__main__":
    main()

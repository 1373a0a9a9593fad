"""Prints the exploratory runs: one seed, on queries that the protocol does not use.

python -m benchmarks.study.explored
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.study.effects import effect
from benchmarks.study.plan import RECORDS

BASE = "plain"
MEASURE = "RR@10"


def print_tables(folder: Path) -> None:
    """Prints a table for each collection of a folder, with differences from its best plain one."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted(folder.rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        rate = record.get("keys", {}).get("optimizer.learning_rate")
        record["name"] = record["condition"] + (f", rate {rate:g}" if rate else "")
        found[record["collection"]].append(record)
    for collection, unsorted in found.items():
        records = sorted(unsorted, key=lambda one: -mean(one["values"][MEASURE]))
        base = next((one for one in records if one["condition"] == BASE), None)
        print(f"\n### {collection}\n")
        print(f"| condition | {MEASURE} | Δ [95% interval], p | reconstruction loss | s a step |")
        print("| --- | --- | --- | --- | --- |")
        for one in records:
            values = one["values"][MEASURE]
            difference = ""
            if base is not None and one is not base:
                of = effect([base["values"][MEASURE]], [values])
                difference = f"{of.delta:+.4f} [{of.low:+.4f}, {of.high:+.4f}], {of.p_queries:.3f}"
            loss = one["losses"].get("reconstruction")
            shown = "" if loss is None else f"{loss:.2f}"
            seconds = median(one["step_seconds"])
            row = [one["name"], f"{mean(values):.4f}", difference, shown, f"{seconds:.2f}"]
            print(f"| {' | '.join(row)} |")


def main() -> None:
    """Prints what was explored before the protocol."""
    print_tables(RECORDS / "explore")


if __name__ == "__main__":
    main()

"""Prints the exploratory runs: one seed, on queries that the protocol does not use.

python -m benchmarks.study.explored
"""

import json
from collections import defaultdict
from statistics import mean, median
from typing import Any

from benchmarks.study.effects import effect
from benchmarks.study.plan import RECORDS

BASE = "plain"
MEASURE = "RR@10"


def main() -> None:
    """Prints a table for each collection."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((RECORDS / "explore").rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        found[record["collection"]].append(record)
    for collection, records in found.items():
        base = next((one for one in records if one["condition"] == BASE), None)
        print(f"\n### {collection}\n")
        print(f"| condition | {MEASURE} | Δ [95% interval], p | reconstruction loss | s a step |")
        print("| --- | --- | --- | --- | --- |")
        for one in sorted(records, key=lambda one: -mean(one["values"][MEASURE])):
            values = one["values"][MEASURE]
            difference = ""
            if base is not None and one is not base:
                of = effect([base["values"][MEASURE]], [values])
                difference = f"{of.delta:+.4f} [{of.low:+.4f}, {of.high:+.4f}], {of.p:.3f}"
            loss = one["losses"].get("reconstruction")
            shown = "" if loss is None else f"{loss:.2f}"
            seconds = median(one["step_seconds"])
            row = [one["condition"], f"{mean(values):.4f}", difference, shown, f"{seconds:.2f}"]
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

"""docs/leaderboard.md from the records in benchmarks/results.

python -m benchmarks.leaderboard [--output docs/leaderboard.md]
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.record import RESULTS, Machine, Record, load_all
from i3_pyserini.errors import run_command
from i3_pyserini.formats.atomic import new_file

PAGE = RESULTS.parents[1] / "docs" / "leaderboard.md"
TITLE = """\
# Every figure, and where it is from

Made by `python -m benchmarks.leaderboard` from `benchmarks/results/*.json`: change those, not this
page. What README.md quotes is compared with them by `tests/test_results.py`. In brackets the
extremes, or the interval, that the line on repetitions names.
"""


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description="A page of all records.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the records")
    parser.add_argument("--output", type=Path, default=PAGE)
    args = parser.parse_args()
    with new_file(args.output, overwrite=True) as file:
        file.write(page(load_all(args.results)))


def page(records: Mapping[str, Record]) -> str:
    """The page's text."""
    return "\n".join([TITLE, *(_section(name, record) for name, record in records.items())])


def _section(name: str, record: Record) -> str:
    facts = {
        "command": f"`{record.command}`",
        "date": record.date,
        "machine": _machine(record.machine),
        "versions": ", ".join(f"{key} {value}" for key, value in record.versions.items())
        or "not recorded",
        "data": record.data,
        "repetitions": record.repetitions,
        "set-up": "; ".join(f"{key} {value:,}" for key, value in record.setup.items()),
        "note": record.note,
    }
    about = _table(("", ""), [(key, text) for key, text in facts.items() if text])
    rows = [(figure.name, str(figure), figure.unit) for figure in record.figures]
    figures = _table(("figure", "value", "unit"), rows)
    return f"## {name}\n\n{record.about}\n\n{about}\n\n{figures}\n"


def _machine(machine: Machine) -> str:
    cores = f"{machine.cores} cores" if machine.cores else "cores not recorded"
    memory = f"{machine.memory_gb:g} GB" if machine.memory_gb else "memory not recorded"
    return f"{machine.processor or 'processor not recorded'}; {cores}; {memory}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown without padding, so that one long cell does not change every line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    run_command(main)

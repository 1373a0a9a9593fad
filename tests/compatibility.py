"""The table of docs/reference/compatibility.md, from the counts of runs in tests/records.

python -m tests.compatibility
"""

import argparse
import json
import platform
from importlib.metadata import version

from tests.skips import HERE

RECORDS = HERE / "records"
PAGE = HERE.parent / "docs" / "reference" / "compatibility.md"
START, END = "<!-- made by python -m tests.compatibility -->\n", "<!-- end -->\n"
HEAD = """\
| Python | Pyserini | torch | system | date | passed | failed | skipped |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Writes the table into the page."""
    parser = argparse.ArgumentParser(description="The table of docs/reference/compatibility.md.")
    parser.add_argument("--name", action="store_true", help="print the name of this run's record")
    if parser.parse_args().name:
        python = ".".join(platform.python_version_tuple()[:2])
        print(f"python{python}-pyserini{version('pyserini')}")
        return
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(before + START + table() + END + rest.split(END)[1], encoding="utf-8")


def table() -> str:
    """A row for each record, in the order of their names."""
    rows = []
    for path in sorted(RECORDS.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        skipped = "; ".join(f"{count} {reason}" for reason, count in found["skipped"].items())
        packages = found["versions"]
        cells = [
            *(found["python"], packages["pyserini"], packages["torch"]),
            *(found["system"], found["date"]),
            *(f"{found['passed']:,}", f"{found['failed']:,}", skipped or "0"),
        ]
        rows.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    main()

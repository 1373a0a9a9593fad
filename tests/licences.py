"""The table of docs/reference/licences.md: the licences of all that installing may bring.

    python -m tests.licences [--check]

They are looked up in this environment, which has to have all extras that are not for development.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires
from itertools import groupby

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.skips import HERE

PACKAGE = "i3_pyserini"
DEVELOPMENT = ("test", "lint", "docs", "fuzz", "release")  # extras for those who change the package
OF_CUDA = ("nvidia-", "cuda-", "triton")  # which some wheels of torch need, under their own terms
MADE_ON = ("linux", (3, 11))
PAGE = HERE.parent / "docs" / "reference" / "licences.md"
START, END = "<!-- made by python -m tests.licences -->\n", "<!-- end -->\n"
HEAD = "| licence | of all | of extras only |\n| --- | --- | --- |\n"
SPELLINGS = {  # in classifiers and older fields: the name in SPDX
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "UNKNOWN": "not said",
}


def main() -> None:
    """Writes the table into the page, or exits with 1 if it has another one."""
    parser = argparse.ArgumentParser(description="The table of docs/reference/licences.md.")
    parser.add_argument("--check", action="store_true", help="compare only")
    checks = parser.parse_args().check
    if (sys.platform, sys.version_info[:2]) != MADE_ON:
        raise SystemExit(None if checks else "run it on Linux with Python 3.11")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START)
    made = before + START + table() + END + rest.split(END)[1]
    if checks and made != page:
        raise SystemExit(f"{PAGE}: dependencies have changed; run: python -m tests.licences")
    PAGE.write_text(made, encoding="utf-8")


def table() -> str:
    """A row for each licence, with the packages that have it."""
    always, found, names = set(needed(())), licences(), needed(extras())
    if missing := [name for name in names if name not in found]:
        raise SystemExit(f"not installed: {', '.join(missing)}; make install")
    rows = sorted((found[name], name) for name in names)
    lines = []
    for licence, group in groupby(rows, lambda row: row[0]):
        names = [name for _, name in group]
        cells = [
            ", ".join(name for name in names if (name in always) == of_all)
            for of_all in (True, False)
        ]
        lines.append(f"| {licence} | {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def extras() -> list[str]:
    """The extras that are not for development."""
    found = metadata(PACKAGE).get_all("Provides-Extra") or []
    return sorted(set(found) - set(DEVELOPMENT))


def needed(chosen: Sequence[str]) -> list[str]:
    """All packages that the package with these extras needs, directly or not, by name."""
    seen: set[tuple[str, str]] = set()
    queue = [(PACKAGE, extra) for extra in ("", *chosen)]
    while queue:
        one = queue.pop()
        if one not in seen:
            seen.add(one)
            queue += _direct(*one)
    names = {name for name, _ in seen if not name.startswith(OF_CUDA)}
    return sorted(names - {PACKAGE})


def _direct(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """What a package with an extra names itself: packages, each with an extra or none."""
    try:
        texts = requires(name) or ()
    except PackageNotFoundError:  # which `table` says
        return
    for one in map(Requirement, texts):
        if one.marker is None or one.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(one.name), more) for more in ("", *one.extras))


def licences() -> dict[str, str]:
    """The licence of each package of this environment."""
    command = (sys.executable, "-m", "piplicenses", "--from", "mixed", "--format", "json")
    done = subprocess.run([*command, "--with-system"], check=True, stdout=subprocess.PIPE)
    found: dict[str, str] = {}
    for one in json.loads(done.stdout):
        said = "; ".join(
            SPELLINGS.get(part, part) for part in one["License"].splitlines()[0].split("; ")
        )
        found[canonicalize_name(one["Name"])] = said
    return found


if __name__ == "__main__":
    main()

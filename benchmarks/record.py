"""Records of measurements: `benchmarks/results/NAME.json`, one a benchmark.

What README.md and the docs quote is compared with it by a test (`tests/test_results.py`), and
`python -m benchmarks.leaderboard` makes docs/results/leaderboard.md of it.
"""

import json
import platform
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.system import cpus_by_affinity, memory

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "numpy", "faiss-cpu", "pyserini", "ir-measures")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of /proc/cpuinfo, that decide speed


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Section):
    """One number that was measured.

    Attributes:
        name: of what; unique in its record.
        value: the number, a median where there were several measurements; null where only the
            extremes were kept.
        unit: such as "s", "passages/s" or "times stock"; empty for measures between 0 and 1.
        digits: after the point, as many as were printed; a quotation may have fewer.
        low: least of several measurements, or the lower end of an interval.
        high: largest, or the upper end.
    """

    name: str
    value: float | None = None
    unit: str = ""
    digits: int
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _has_a_number(self) -> Self:
        if self.value is None and (self.low is None or self.high is None):
            raise ValueError("needs a value, or low and high")
        return self

    @property
    def values(self) -> list[float]:
        """All its numbers."""
        return [n for n in (self.value, self.low, self.high) if n is not None]

    def __str__(self) -> str:
        value, low, high = (
            "" if number is None else f"{number:,.{self.digits}f}"
            for number in (self.value, self.low, self.high)
        )
        if not (low and high):
            return value
        spread = f"{low} to {high}"
        return f"{value} ({spread})" if value else spread


class Machine(_Section):
    """Where it was measured; null where it was not recorded.

    Attributes:
        processor: its name, with the instructions that matter for speed.
        cores: that the benchmark could use.
        memory_gb: of the machine, in 10^9 bytes.
    """

    processor: str | None = None
    cores: int | None = None
    memory_gb: float | None = None


class Record(_Section):
    """Everything about one benchmark's last run.

    Attributes:
        about: what was compared, in a line.
        command: that measured it.
        date: year, month and day.
        versions: of packages, and of Python.
        machine: where.
        data: what was encoded or searched.
        repetitions: how often, and what `value`, `low` and `high` are of it.
        setup: numbers that were chosen, such as passages and hits.
        note: what else a reader must know.
        figures: the numbers.
    """

    about: str
    command: str
    date: str
    versions: dict[str, str]
    machine: Machine
    data: str
    repetitions: str
    setup: dict[str, int | float] = {}
    note: str = ""
    figures: list[Figure]


def load(path: Path) -> Record:
    """Reads a record.

    Raises:
        I3Error: it cannot be read, is no record, or has two figures of one name.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise I3Error(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise I3Error(f"{path}: not a record: {where}: {problem['msg']}") from error
    names = [figure.name for figure in record.figures]
    if twice := [name for name in names if names.count(name) > 1]:
        raise I3Error(f"{path}: two figures {twice[0]!r}; give one another name")
    return record


def load_all(folder: Path = RESULTS) -> dict[str, Record]:
    """All records of a folder by name, in the order of names."""
    return {path.stem: load(path) for path in sorted(folder.glob("*.json"))}


def add_record_option(parser: ArgumentParser, name: str) -> None:
    """Adds `--record`: `args.record` is where to write the record then, and else None."""
    parser.add_argument(
        "--record",
        action="store_const",
        const=RESULTS / f"{name}.json",
        help=f"write benchmarks/results/{name}.json besides",
    )


def save(path: Path, record: Record) -> None:
    """Writes a record; it replaces an older one when it is complete.

    Raises:
        I3Error: it cannot be written.
    """
    content = record.model_dump(exclude_defaults=True)
    figures = ",\n".join(
        f"  {json.dumps(figure, ensure_ascii=False)}" for figure in content.pop("figures")
    )
    head = json.dumps(content, indent=1, ensure_ascii=False).removesuffix("\n}")
    with new_file(path, overwrite=True) as file:  # a line a figure, so that changes are seen
        file.write(f'{head},\n "figures": [\n{figures}\n ]\n}}\n')


def single(name: str, value: float, unit: str, digits: int) -> Figure:
    """A number that was measured once, or of which only the median matters."""
    return Figure(name=name, value=round(value, digits), unit=unit, digits=digits)


def spread(name: str, values: Sequence[float], unit: str, digits: int) -> Figure:
    """Median and extremes of several measurements."""
    middle, low, high = (
        round(number, digits) for number in (median(values), min(values), max(values))
    )
    return Figure(name=name, value=middle, unit=unit, digits=digits, low=low, high=high)


def measured_now(
    about: str,
    data: str,
    repetitions: str,
    setup: Mapping[str, int | float],
    figures: Sequence[Figure],
) -> Record:
    """A record of what this process measured, with its command, date, machine and versions."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = f"-m {module.name}" if module else Path(sys.argv[0]).name
    return Record(
        about=about,
        command=f"python {program} {shlex.join(map(without_folder, sys.argv[1:]))}".strip(),
        date=datetime.now(UTC).date().isoformat(),
        versions=versions(),
        machine=this_machine(),
        data=data,
        repetitions=repetitions,
        setup=dict(setup),
        figures=list(figures),
    )


def without_folder(word: str) -> str:
    """A word of a command; of a path outside of the working directory only its name."""
    option, equals, value = word.rpartition("=")
    path = Path(value)
    outside = path.is_absolute() or ".." in path.parts
    return f"{option}{equals}{path.name}" if outside else word


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def this_machine() -> Machine:
    """Processor, cores and memory of this machine (Linux; elsewhere what Python knows)."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        pairs = [
            line.split(":", 1)
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if ":" in line
        ]
        facts = {key.strip(): value.strip() for key, value in pairs}
        flags = facts.get("flags", "").split()
        known = [name for name in INSTRUCTIONS if name in flags]
        processor = f"{facts.get('model name', processor)} ({', '.join(known)})"
    return Machine(
        processor=processor,
        cores=cpus_by_affinity(),
        memory_gb=round((memory() or 0) / 1e9, 1),
    )

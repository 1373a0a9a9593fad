"""Runs with the names that a report shows, and systems with several runs."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.eval.inputs import Runs
from i3_pyserini.eval.report.recorded import tag_of
from i3_pyserini.formats.paths import NameOrPath
from i3_pyserini.formats.runs import Run

# Tags that say which program wrote a run, or in which folder its model was, but not what it is.
NO_NAMES = {
    *("anserini", "dense", "faiss", "i3", "i3_pyserini", "lucene", "pyserini", "pyterrier"),
    *("best", "default", "last", "model", "run", "runid", "standard", "t", "tag", "test"),
}
PREFIX = "run."
SUFFIXES = {".txt", ".tsv", ".csv", ".trec", ".run", ".gz", ".zst"}


class NamedRuns:
    """Systems and their runs; files are read later.

    Args:
        given: runs as for `write_report`.
        names: a name for each; empty for the usual ones.

    Raises:
        I3Error: there are no runs, a frame is not a run, or the names do not fit.

    Attributes:
        shown: names of the systems.
        sources: for each system, the name of its (first) file or frame.
    """

    def __init__(self, given: Any, names: Sequence[str] = ()) -> None:
        self.shown: list[str]
        if isinstance(given, Mapping):
            each = {str(name): _several(runs) for name, runs in given.items()}
            given = {
                name if len(runs) == 1 else f"{name}, seed {seed}": run
                for name, runs in each.items()
                for seed, run in enumerate(runs, start=1)
            }
            self._sizes, self.shown = [len(runs) for runs in each.values()], list(each)
            paths = [run for runs in each.values() for run in runs]
            self._runs = Runs(given)
        else:
            self._runs = Runs(given, names)
            self._sizes = [1] * len(self._runs.entries)
            paths = self._runs.entries
            self.shown = list(names) or shown_names(self._runs.paths)
            self._runs.names = list(self.shown)
        self.paths = [Path(one) if isinstance(one, str | PathLike) else None for one in paths]
        firsts = [sum(self._sizes[:place]) for place in range(len(self._sizes))]
        self.first_paths = [self.paths[first] for first in firsts]
        self.sources = [
            path.name if path else name
            for path, name in zip(self.first_paths, self.shown, strict=True)
        ]

    @property
    def files(self) -> list[Path]:
        """The runs that are files."""
        return [path for path in self.paths if path]

    def check(self, others: Sequence[str]) -> None:
        """Checks names before anything is read.

        Args:
            others: other texts that the page shows.

        Raises:
            I3Error: two systems have the same name, or a text cannot be shown.
        """
        if twice := [name for name in self.shown if self.shown.count(name) > 1]:
            raise I3Error(f"two runs are named {twice[0]}; give them different names (names)")
        for name in [*self.sources, *self.shown, *others]:
            if not name.isprintable():
                raise I3Error(
                    f"{name!a}: contains a character that cannot be shown; choose another name"
                )

    def place(self, baseline: NameOrPath | None) -> int | None:
        """The position of the baseline among the systems; None for a single one.

        Raises:
            I3Error: it is not one of them, or the only one.
        """
        if baseline is None:
            return 0 if len(self.shown) > 1 else None
        name = fspath(baseline)
        run = self._runs.place_of(name)
        if name in self.shown:
            place = self.shown.index(name)
        elif run is None:
            raise I3Error(f"baseline {name} is not one of the runs ({', '.join(self.shown)})")
        else:
            of_runs = [place for place, size in enumerate(self._sizes) for _ in range(size)]
            place = of_runs[run]
        if len(self.shown) == 1:
            raise I3Error(f"baseline {name}: is the only run; add a run to compare with it")
        return place

    def read(self) -> Iterator[tuple[str, list[Run]]]:
        """Yields each system's name and its runs.

        Raises:
            I3Error: see `Runs.read`.
        """
        runs = iter(self._runs.read())
        for name, size in zip(self.shown, self._sizes, strict=True):
            yield name, [next(runs) for _ in range(size)]


def shown_names(paths: Sequence[Path]) -> list[str]:
    """The usual names of runs.

    Args:
        paths: run files, and names of frames.

    Returns:
        Their tags, which `search` makes the models' names, if each has one that tells it from the
        others and none is that of a program. Otherwise file names without "run." and suffixes such
        as .txt; the whole file names if two would be the same.
    """
    tags = [tag or "" for tag in map(tag_of, paths)]
    if _distinct(tags) and not any(tag.lower() in NO_NAMES for tag in tags):
        return tags
    short = [_shortened(path.name) for path in paths]
    return short if _distinct(short) else [path.name for path in paths]


def _distinct(names: Sequence[str]) -> bool:
    return all(names) and len(set(names)) == len(names)


def _shortened(name: str) -> str:
    path = Path(name)
    while path.suffix in SUFFIXES:
        path = path.with_suffix("")
    return path.name.removeprefix(PREFIX)


def _several(runs: Any) -> list[Any]:
    return list(runs) if isinstance(runs, list | tuple) else [runs]

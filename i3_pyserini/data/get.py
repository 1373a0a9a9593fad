"""Downloads and lists published data sets."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3_pyserini.data.catalog import CATALOG, CatalogFile, find_dataset, load_catalog
from i3_pyserini.errors import note
from i3_pyserini.formats.paths import AnyPath, Written

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path("data")  # default parent folder of data sets


@dataclass(frozen=True)
class Complete(Written):
    """The folder of a complete data set."""

    def __str__(self) -> str:
        return f"{self.path}: complete, {self.summary}"


@dataclass(frozen=True)
class Listing:
    """Data sets, or the files of one.

    Attributes:
        text: formatted text.
        rows: one row for each part of a data set, or for each file.
    """

    text: str
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> str:
        """The rows as a list of objects."""
        return json.dumps(self.rows, indent=2)

    def to_pandas(self) -> "pd.DataFrame":
        """The rows as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def get_data(
    name: str,
    *,
    output: AnyPath | None = None,
    only: Sequence[str] = (),
    catalog: AnyPath | None = None,
) -> Complete:
    """Downloads and prepares a data set; the same call resumes an interrupted one.

    Existing files are verified and kept. Files that cannot be downloaded are listed with their
    source.

    Args:
        name: name of a data set, such as msmarco-passage; see `list_data`.
        output: the folder to write. Default: data/NAME.
        only: parts of the data set. Default: all.
        catalog: another catalog file.

    Returns:
        The folder.

    Raises:
        I3Error: the data set or part is unknown, a file cannot be downloaded or is invalid, or
            there is not enough disk space.
    """
    dataset = find_dataset(name, Path(catalog or CATALOG))
    dataset.choose(only)  # checks the names of parts first
    note(f"{dataset.name}: {dataset.terms}")
    from i3_pyserini.data.dataset import get_dataset

    folder = Path(output or FOLDER / dataset.name)
    manifest = get_dataset(dataset, folder, only)
    size = sum(record.size for record in manifest.files.values())
    return Complete(folder, f"{len(manifest.files)} files, {size / 1e9:.1f} GB")


def list_data(
    name: str | None = None,
    *,
    output: AnyPath | None = None,
    catalog: AnyPath | None = None,
) -> Listing:
    """Lists all data sets, or the files of one.

    Args:
        name: a data set, to list its files.
        output: its folder. Default: data/NAME.
        catalog: another catalog file.

    Raises:
        I3Error: the data set is unknown.
    """
    path = Path(catalog or CATALOG)
    return _datasets(path) if name is None else _files(name, output, path)


def _datasets(catalog: Path) -> Listing:
    lines, rows = [], []
    for dataset in load_catalog(catalog).values():
        lines.append(f"{dataset.name}: {dataset.about}\n  {dataset.terms}")
        for part, purpose in dataset.groups.items():
            size = sum(_size(file) for file in dataset.choose([part]))
            lines.append(f"  {part:<12} {_shown(size):>9}  {purpose}")
            rows.append({"name": dataset.name, "part": part, "size": size, "purpose": purpose})
    return Listing("\n".join(lines), tuple(rows))


def _files(name: str, output: AnyPath | None, catalog: Path) -> Listing:
    from i3_pyserini.data.dataset import open_manifest

    dataset = find_dataset(name, catalog)
    folder = Path(output or FOLDER / dataset.name)
    manifest = open_manifest(dataset, folder)
    lines, rows = [f"{dataset.name} in {folder}: {dataset.terms}\n"], []
    width = max(len(file.path) for file in dataset.files)
    for file in dataset.files:
        state = "there" if manifest.has(file.path) else _state(folder / file.path)
        lines.append(
            f"{file.path:<{width}}  {_shown(_size(file)):>9}  {file.group:<11}  {state:<8}  "
            f"{file.purpose} ({file.licence}; from {file.origin})"
        )
        known = {"file": file.path, "part": file.group, "size": _size(file), "state": state}
        of_file = {"purpose": file.purpose, "licence": file.licence, "origin": file.origin}
        rows.append({**known, **of_file})
    return Listing("\n".join(lines), tuple(rows))


def _state(path: Path) -> str:
    if path.exists():
        return "unverified"
    return "partial" if path.with_name(f"{path.name}.part").exists() else "missing"


def _size(file: CatalogFile) -> int:
    return file.size or file.about_size or 0


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size else "?"

"""Getting a published data set, and listing those that there are."""

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

FOLDER = Path("data")  # data sets are folders in it, unless another is named


@dataclass(frozen=True)
class Complete(Written):
    """A data set's folder in which nothing is missing."""

    def __str__(self) -> str:
        return f"{self.path}: complete, {self.summary}"


@dataclass(frozen=True)
class Listing:
    """Data sets, or the files of one.

    Attributes:
        text: for reading.
        rows: one for each part of a data set, or for each file.
    """

    text: str
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> str:
        """The rows, as a list of objects."""
        return json.dumps(self.rows, indent=2)

    def to_pandas(self) -> "pd.DataFrame":
        """The rows, as a frame."""
        import pandas as pd

        return pd.DataFrame(self.rows)


def get_data(
    name: str,
    *,
    output: AnyPath | None = None,
    only: Sequence[str] = (),
    catalog: AnyPath | None = None,
) -> Complete:
    """Downloads and prepares a data set; the same call resumes what was interrupted.

    Files that are there are verified and kept. What cannot be downloaded is named, with its source.

    Args:
        name: a data set, such as msmarco-passage; `list_data` knows them.
        output: folder; data/NAME by default.
        only: parts of it; all by default.
        catalog: another catalogue.

    Returns:
        The folder.

    Raises:
        I3Error: there is no such data set or part, a file cannot be downloaded or is invalid, or
            there is too little room.
    """
    dataset = find_dataset(name, Path(catalog or CATALOG))
    dataset.choose(only)  # a mistyped part is said before anything else
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
    """Lists the data sets that `get_data` knows, or the files of one.

    Args:
        name: a data set, to list its files.
        output: its folder; data/NAME by default.
        catalog: another catalogue.

    Raises:
        I3Error: there is no such data set.
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

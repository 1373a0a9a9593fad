"""The catalog of data sets (`catalog.json`)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error

CATALOG = Path(__file__).with_name("catalog.json")


@dataclass(frozen=True)
class HubFile:
    """A place on the Hugging Face hub.

    Attributes:
        repo: `owner/name`.
        type: "dataset" or "model".
        file: a file name in any folder of the repository; None for all files.
    """

    repo: str
    type: str
    file: str | None = None

    @property
    def page(self) -> str:
        """Its URL for a browser."""
        prefix = "datasets/" if self.type == "dataset" else ""
        return f"https://huggingface.co/{prefix}{self.repo}"


@dataclass(frozen=True)
class Made:
    """How a file is created from others.

    Attributes:
        by: a name in `convert.MAKERS`.
        source: the file it is made from, by its path.
        members: members of that archive.
        also: path of another required file.
    """

    by: str
    source: str
    members: tuple[str, ...] = ()
    also: str | None = None


@dataclass(frozen=True)
class CatalogFile:
    """One file (or model folder) of a data set: downloaded from `url` or `hub`, or `made`.

    Attributes:
        path: its path in the data set's folder.
        group: its part of the data set, as in `get_data`.
        licence: short name of its license.
        purpose: its purpose.
        url: its address.
        headers: additional request headers.
        ir_datasets: its path in the folder of ir_datasets.
        hub: its place on the hub.
        made: how it is created.
        collection: the collection's name, if it is one.
        size: exact bytes; None if unknown.
        about_size: approximate bytes.
        md5: published checksum.
        lines: required number of lines.
    """

    path: str
    group: str
    licence: str
    purpose: str
    url: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    ir_datasets: str | None = None
    hub: HubFile | None = None
    made: Made | None = None
    collection: str | None = None
    size: int | None = None
    about_size: int | None = None
    md5: str | None = None
    lines: int | None = None

    @property
    def origin(self) -> str:
        """Its source, as text."""
        if self.made:
            return self.made.source
        if self.hub:
            return f"{self.hub.file or 'all files'} of {self.hub.page}"
        return self.url or ""


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Attributes:
        name: what the command line calls it.
        about: what it is.
        terms: its terms of use.
        groups: its parts, with descriptions.
        files: its files; each after those it is created from.
    """

    name: str
    about: str
    terms: str
    groups: dict[str, str]
    files: tuple[CatalogFile, ...]

    def choose(self, groups: Sequence[str]) -> list[CatalogFile]:
        """The files of some groups, or all files.

        Raises:
            I3Error: a group is unknown.
        """
        unknown = [group for group in groups if group not in self.groups]
        if unknown:
            raise I3Error(
                f"{self.name} has no part {unknown[0]!r}; it has {', '.join(self.groups)}"
            )
        return [file for file in self.files if not groups or file.group in groups]


def load_catalog(path: Path = CATALOG) -> dict[str, Dataset]:
    """Reads a catalog.

    Args:
        path: a JSON file in the form of the package's `catalog.json`.

    Returns:
        Data sets by name.

    Raises:
        I3Error: it cannot be read, is invalid, or a path is outside the folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _dataset(name, fields) for name, fields in content.items()}
    except OSError as error:
        raise I3Error(f"{path}: the catalog cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise I3Error(f"{path}: not a catalog ({type(error).__name__}: {error})") from error


def find_dataset(name: str, path: Path = CATALOG) -> Dataset:
    """Finds a data set in a catalog.

    Raises:
        I3Error: it is unknown.
    """
    catalog = load_catalog(path)
    if name not in catalog:
        raise I3Error(f"no data set {name!r} in the catalog; it has {', '.join(catalog)}")
    return catalog[name]


def _dataset(name: str, fields: dict[str, Any]) -> Dataset:
    files = tuple(_file(dict(file)) for file in fields["files"])
    return Dataset(name, fields["about"], fields["terms"], dict(fields["groups"]), files)


def _file(fields: dict[str, Any]) -> CatalogFile:
    path = Path(fields["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path {fields['path']!r} is outside the folder")
    hub, made = fields.pop("hub", None), fields.pop("made", None)
    return CatalogFile(
        **fields,
        hub=HubFile(**hub) if hub else None,
        made=Made(made["by"], made["from"], tuple(made.get("members", ())), made.get("with"))
        if made
        else None,
    )

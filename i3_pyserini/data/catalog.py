"""The catalogue of data sets: what there is to download, as data (`catalog.json`)."""

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
        file: a file's name, in whichever folder of the repository it is; None for all files.
    """

    repo: str
    type: str
    file: str | None = None

    @property
    def page(self) -> str:
        """Where a browser finds it."""
        prefix = "datasets/" if self.type == "dataset" else ""
        return f"https://huggingface.co/{prefix}{self.repo}"


@dataclass(frozen=True)
class Made:
    """How a file is made of others.

    Attributes:
        by: a name in `convert.MAKERS`.
        source: the file it is made from, by its path.
        members: which members of that archive.
        also: another file that is needed, by its path.
    """

    by: str
    source: str
    members: tuple[str, ...] = ()
    also: str | None = None


@dataclass(frozen=True)
class CatalogFile:
    """One file (or model folder) of a data set: downloaded from `url` or `hub`, or `made`.

    Attributes:
        path: where it belongs in the data set's folder.
        group: the part that it belongs to, as `get_data` calls it.
        licence: in short.
        purpose: what it is for.
        url: its address.
        headers: what the server wants to be told besides.
        ir_datasets: its path in ir_datasets' folder, which may have it already.
        hub: its place on the hub.
        made: what it is made of.
        collection: the collection's name, if it is one.
        size: bytes, exactly; None if not known.
        about_size: bytes, roughly.
        md5: its publisher's checksum.
        lines: lines that it must have.
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
        """Where it comes from, for people."""
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
        groups: parts of it that can be had by themselves, with what they are.
        files: its files; each after those it is made of.
    """

    name: str
    about: str
    terms: str
    groups: dict[str, str]
    files: tuple[CatalogFile, ...]

    def choose(self, groups: Sequence[str]) -> list[CatalogFile]:
        """The files of some groups; of all, if none is given.

        Raises:
            I3Error: there is no such group.
        """
        unknown = [group for group in groups if group not in self.groups]
        if unknown:
            raise I3Error(
                f"{self.name} has no part {unknown[0]!r}; it has {', '.join(self.groups)}"
            )
        return [file for file in self.files if not groups or file.group in groups]


def load_catalog(path: Path = CATALOG) -> dict[str, Dataset]:
    """Reads a catalogue.

    Args:
        path: a JSON file in the form of the package's `catalog.json`.

    Returns:
        Data sets by name.

    Raises:
        I3Error: it cannot be read, or is not in that form, or a path leads out of its folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _dataset(name, fields) for name, fields in content.items()}
    except OSError as error:
        raise I3Error(f"{path}: the catalogue cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise I3Error(f"{path}: not a catalogue ({type(error).__name__}: {error})") from error


def find_dataset(name: str, path: Path = CATALOG) -> Dataset:
    """One data set of a catalogue.

    Raises:
        I3Error: there is none of this name.
    """
    catalog = load_catalog(path)
    if name not in catalog:
        raise I3Error(f"no data set {name!r} in the catalogue; it has {', '.join(catalog)}")
    return catalog[name]


def _dataset(name: str, fields: dict[str, Any]) -> Dataset:
    files = tuple(_file(dict(file)) for file in fields["files"])
    return Dataset(name, fields["about"], fields["terms"], dict(fields["groups"]), files)


def _file(fields: dict[str, Any]) -> CatalogFile:
    path = Path(fields["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path {fields['path']!r} leads out of the folder")
    hub, made = fields.pop("hub", None), fields.pop("made", None)
    return CatalogFile(
        **fields,
        hub=HubFile(**hub) if hub else None,
        made=Made(made["by"], made["from"], tuple(made.get("members", ())), made.get("with"))
        if made
        else None,
    )

"""`data get`: downloads and verifies a data set of the catalog."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.data.catalog import CatalogFile, Dataset, load_catalog
from i3_pyserini.data.convert import UNPACKED, make
from i3_pyserini.data.download import download
from i3_pyserini.data.hub import STAGING, check_with_hub, fetch_from_hub
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import cannot_write, file_hash, locked, replacing
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.records import MANIFEST

ROUGHLY = 0.02  # tolerance for sizes known to three digits
BY_HAND = "by hand"


def get_dataset(dataset: Dataset, folder: Path, groups: Sequence[str] = ()) -> Manifest:
    """Downloads, creates and verifies missing files.

    Files put there by hand are verified and accepted. A file that cannot be downloaded is reported
    in one line, and the others are still downloaded.

    Args:
        dataset: a data set of the catalog.
        folder: its folder.
        groups: parts of it; all if empty.

    Returns:
        The folder's manifest.

    Raises:
        I3Error: a file is missing or invalid, there is not enough disk space, or another process is
            downloading.
    """
    with locked(folder):
        _remove_debris(folder)
        manifest = open_manifest(dataset, folder)
        files = still_needed(dataset, manifest, groups)
        _check_room(files, folder)
        failed: list[str] = []
        for file in files:
            if file.made and {file.made.source, file.made.also} & set(failed):
                continue  # its source was already reported
            try:
                source = _bring(file, folder)
                record(manifest, file, source)
            except I3Error as error:
                failed.append(file.path)
                _report(file, folder, error)
            except OSError as error:
                reason = error.strerror or error
                raise I3Error(f"{folder / file.path}: cannot be written ({reason})") from error
        if not failed:
            shutil.rmtree(folder / STAGING, ignore_errors=True)
    if failed:
        raise I3Error(
            f"{len(failed)} file(s) of {dataset.name} could not be downloaded (see above); put "
            "them in place by hand or fix the connection, and run the same command again"
        )
    return manifest


def open_manifest(dataset: Dataset, folder: Path) -> Manifest:
    """The folder's manifest, or a new one.

    Raises:
        I3Error: the folder belongs to another data set.
    """
    if not (folder / MANIFEST).exists():
        return Manifest(folder, dataset.name)
    manifest = Manifest.load(folder)
    if manifest.dataset != dataset.name:
        raise I3Error(f"{folder}: contains {manifest.dataset}; choose another output")
    return manifest


def still_needed(
    dataset: Dataset, manifest: Manifest, groups: Sequence[str] = ()
) -> list[CatalogFile]:
    """The missing files; archives only if something must still be created from them."""
    missing = [file for file in dataset.choose(groups) if not manifest.has(file.path)]
    sources = {file.made.source for file in dataset.files if file.made}
    wanted = {file.made.source for file in missing if file.made}
    return [file for file in missing if file.path not in sources or file.path in wanted]


def unneeded(manifest: Manifest) -> set[str]:
    """Downloads that may be removed, since everything created from them exists."""
    files = _of_catalog(manifest)
    sources = {file.made.source for file in files if file.made}
    wanted = {file.made.source for file in files if file.made and not manifest.has(file.path)}
    return sources - wanted


def never_had(manifest: Manifest) -> list[str]:
    """Paths of files that were never downloaded."""
    known = manifest.files
    return [
        file.path
        for file in _of_catalog(manifest)
        if not any(name == file.path or name.startswith(f"{file.path}/") for name in known)
    ]


def _of_catalog(manifest: Manifest) -> tuple[CatalogFile, ...]:
    catalog = load_catalog()
    return catalog[manifest.dataset].files if manifest.dataset in catalog else ()


def record(manifest: Manifest, file: CatalogFile, source: str) -> None:
    """Records a complete and verified file."""
    path = manifest.folder / file.path
    if path.is_dir():
        names = sorted(part.relative_to(manifest.folder).as_posix() for part in path.rglob("*"))
        for name in names:
            if (manifest.folder / name).is_file():
                manifest.add(name, source, file.licence)
    else:
        manifest.add(file.path, source, file.licence, file.collection)
    if file.collection:  # `corpus/corpus.jsonl` names its collection to whoever encodes it
        above = path.parents[1]
        own = Manifest(above, manifest.dataset, file.collection)
        own.files[path.relative_to(above).as_posix()] = manifest.files[file.path]
        own.save()
    manifest.save()  # last: what is recorded here is not looked at again


def _bring(file: CatalogFile, folder: Path) -> str:
    """Puts a file in place unless it exists; returns its source."""
    path = folder / file.path
    if path.exists():
        known = verify(file, path)
        if file.hub:
            known = check_with_hub(file.hub, path) or known
        return BY_HAND if known else f"{BY_HAND}, not verified"
    if file.made:
        make(file, folder)
        return file.made.source
    if file.hub:
        return fetch_from_hub(file.hub, path)
    if _from_ir_datasets(file, path):
        return f"{file.url} (from ir_datasets' folder)"
    assert file.url is not None  # noqa: S101  (the catalogue's tests see to it)
    download(file.url, path, file.headers)
    try:
        verify(file, path)
    except I3Error:
        path.unlink()
        raise
    return file.url


def verify(file: CatalogFile, path: Path) -> bool:
    """Compares a file with the catalog.

    Returns:
        Whether this verifies its content: by checksum, exact size or number of lines.

    Raises:
        I3Error: it is empty, of the wrong kind, or has another size, checksum or number of lines.
    """
    if path.is_dir():
        if file.hub is None or file.hub.file is not None:
            raise I3Error("is a folder; expected a file")
        weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
        if not (path / "config.json").is_file() or not weights:
            raise I3Error("has no config.json or no weights; is it a model?")
        return False
    size = path.stat().st_size
    if not size:
        raise I3Error("is empty")
    if file.size is not None and size != file.size:
        raise I3Error(f"has {size:,} bytes, expected {file.size:,}; incomplete download?")
    if file.about_size and not file.made and abs(size / file.about_size - 1) > ROUGHLY:
        raise I3Error(
            f"has {size:,} bytes, expected about {file.about_size:,}; incomplete download?"
        )
    if file.md5 is not None and file_hash(path, "md5") != file.md5:
        raise I3Error("wrong checksum (md5); remove it and download it again")
    if file.lines is not None and (lines := _count_lines(path)) != file.lines:
        raise I3Error(f"has {lines:,} lines, expected {file.lines:,}")
    return any(known is not None for known in (file.size, file.md5, file.lines))


def _count_lines(path: Path) -> int:
    with path.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))


def _from_ir_datasets(file: CatalogFile, path: Path) -> bool:
    """Uses a file from the folder of ir_datasets if it exists, to avoid the download."""
    if file.ir_datasets is None:
        return False
    home = Path(os.environ.get("IR_DATASETS_HOME", Path.home() / ".ir_datasets"))
    known = home / file.ir_datasets
    if not known.is_file() or known.stat().st_size != file.size:
        return False
    try:
        with replacing(path) as partial:
            shutil.copyfile(known, partial)
            verify(file, partial)
    except I3Error:
        return False
    return True


def _check_room(files: Sequence[CatalogFile], folder: Path) -> None:
    """Raises unless the disk has space for the files and the largest unpacked archive."""
    files = [file for file in files if not (folder / file.path).exists()]
    sizes = [file.size or file.about_size or 0 for file in files]
    unpacked = max((size for size, file in zip(sizes, files, strict=True) if file.made), default=0)
    unfinished = [*folder.rglob("*.part"), *(folder / STAGING).rglob("*")]
    there = sum(path.stat().st_size for path in unfinished if path.is_file())
    needed, free = sum(sizes) + unpacked - there, shutil.disk_usage(folder).free
    if needed > free:
        raise I3Error(
            f"{folder}: needs {needed / 1e9:.1f} GB, but the disk has {free / 1e9:.1f} GB free; "
            "choose another output, or parts of the data set with only"
        )


def _remove_debris(folder: Path) -> None:
    """Removes leftovers of a killed process; incomplete downloads are kept for resuming."""
    try:
        for path in [*folder.glob(f"{UNPACKED}*"), *folder.rglob(".*.partial-*")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error


def _report(file: CatalogFile, folder: Path, error: I3Error) -> None:
    path = folder / file.path
    if path.exists():
        advice = f"; replace it with the file from {file.origin}"
    elif file.made:
        advice = ""
    else:
        advice = f"; to add it by hand, download {file.origin} to {path}"
    tqdm.write(f"missing: {path}: {error}{advice}", file=sys.stderr)

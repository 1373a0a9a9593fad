"""Verifying a folder of data: its recorded files, the collection in it, and what a test knows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import AnyPath

if TYPE_CHECKING:
    from i3_pyserini.data.leakage import Leaks
    from i3_pyserini.formats.folder_manifest import Manifest

SHOWN = 5  # maximum files in an error


@dataclass(frozen=True)
class Checked:
    """The content of a valid folder.

    Attributes:
        folder: the folder.
        files: the state of each recorded file, by path; empty without a manifest.
        not_had: files of the data set that were never downloaded.
        collection: description of the collection; "" if there is none.
        leaks: queries of dev and test that are nearly those of training, or of passages' own
            words; None without a collection.
    """

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    not_had: tuple[str, ...] = ()
    collection: str = ""
    leaks: "Leaks | None" = None

    def __str__(self) -> str:
        lines = [f"{name}: {state}" for name, state in self.files.items()]
        lines += [f"{name}: not downloaded yet; use `data get`" for name in self.not_had]
        lines += [f"{self.folder}: {self.collection}"] * bool(self.collection)
        return "\n".join([*lines, *(self.leaks.lines() if self.leaks else ())])


def check_collection(
    folder: AnyPath,
    *,
    overlap: float = 0.8,
    output: AnyPath | None = None,
    overwrite: bool = False,
) -> Checked:
    """Verifies every recorded file of a folder, and the collection in it.

    It also finds leaks: queries of dev and test that are nearly those of training, nearly the title
    of a passage, or nearly the first sentence of a passage that is relevant to them.

    Args:
        folder: a folder of `get_data` or `import_collection`, or any folder in this layout.
        overlap: least share of common trigrams, from 0.6 to 1, for two texts to be nearly the same.
        output: TSV file to write with all leaks.
        overwrite: replace an existing file.

    Returns:
        The content of the folder.

    Raises:
        I3Error: a file is missing or has changed, or a line is invalid.
    """
    from i3_pyserini.data.collection import check_source
    from i3_pyserini.data.dataset import never_had
    from i3_pyserini.data.near_text import LEAST
    from i3_pyserini.data.watched import WatchedFolder
    from i3_pyserini.formats.atomic import refuse_existing
    from i3_pyserini.formats.folder_manifest import Manifest
    from i3_pyserini.formats.records import MANIFEST

    if not LEAST <= overlap <= 1:
        raise I3Error(f"overlap is {overlap:g}, must be from {LEAST} to 1")
    folder, target = Path(folder), None if output is None else Path(output)
    if target is not None:
        refuse_existing(target, overwrite)
    has_corpus = (folder / "corpus").is_dir()
    files: dict[str, str] = {}
    not_had: tuple[str, ...] = ()
    if not has_corpus and folder.is_dir() and not (folder / MANIFEST).exists():
        raise I3Error(
            f"{folder}: no folder 'corpus' and no {MANIFEST}; expected a folder of `data get` or "
            "`data import`, or one in this layout"
        )
    if (folder / MANIFEST).exists() or not has_corpus:
        manifest = Manifest.load(folder)
        files, not_had = _verified(manifest), tuple(never_had(manifest))
    if not has_corpus:
        if target is not None:
            raise I3Error(f"{folder}: no folder 'corpus', so no leaks to write to {target}")
        return Checked(folder, files, not_had)
    source = WatchedFolder(folder, overlap)
    collection = str(check_source(source))
    leaks = source.leaks()
    if target is not None:
        leaks.write(target, overwrite)
    return Checked(folder, files, not_had, collection, leaks)


def _verified(manifest: "Manifest") -> dict[str, str]:
    from tqdm import tqdm

    from i3_pyserini.data.dataset import unneeded

    done_with = unneeded(manifest)
    files, wrong = {}, []
    for name, state in tqdm(manifest.check(), "check", len(manifest.files), delay=2):
        if state == "missing" and name in done_with:
            files[name] = "removed (everything created from it exists)"
            continue
        files[name] = state
        if state != "ok":
            wrong.append(f"{name}: {state}")
    if wrong:
        more = f" and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
        raise I3Error(
            f"{manifest.folder}: {len(wrong):,} of {len(files):,} files are missing or changed "
            f"({'; '.join(wrong[:SHOWN])}{more}); remove those that changed, and run "
            "`data get` or `data import` again"
        )
    return files

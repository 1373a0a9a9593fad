"""An encoding job: its settings, stored beside its parts so that it can be resumed.

.INDEX.partial/job.json                    settings, corpus and the list of parts
.INDEX.partial/hashes.bin                  hashes of what the encoder reads, 16 bytes a passage
.INDEX.partial/part-00000.safetensors …    the parts written so far
.INDEX.partial/finished/                   the files of the index, before they are complete
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from i3_pyserini.encode.scan import PART_PASSAGES, Part, Scan, Shard, hash_of, scan
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import cannot_write, new_file
from i3_pyserini.formats.content_hashes import Hashes, HashWriter, written_hashes
from i3_pyserini.formats.parts import (
    Block,
    DamagedPartError,
    read_cut,
    read_part,
    write_part,
)
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.passages import Corpus, Place
from i3_pyserini.formats.records import differences, read_object

JOB = "job.json"
HASHES = "hashes.bin"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """An encoding, started or not.

    Attributes:
        folder: the hidden folder with its parts.
        corpus: the corpus.
        settings: everything that affects the vectors, and the output format.
        scan: the scan of the corpus at the start of the encoding.
    """

    folder: Path
    corpus: Corpus
    settings: Settings
    scan: Scan

    @property
    def fingerprint(self) -> str:
        """Hash of settings and corpus, stored in every part."""
        known = asdict(self.scan)
        del known["empty"]  # not counted by earlier versions
        text = json.dumps([self.settings, known], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, written or not."""
        return self.scan.parts

    def write(self, number: int, ids: list[str], vectors: Any, cut: int | None = None) -> None:
        """Writes a part; see `write_part`."""
        write_part(self._path(number), self.fingerprint, ids, vectors, cut)

    def share_cut(self) -> float | None:
        """The share of truncated passages, from 0 to 1; None if a part does not record it.

        Raises:
            I3Error: a part is damaged.
        """
        cut = []
        for number in range(len(self.parts)):
            path = self._path(number)
            try:
                cut.append(read_cut(path))
            except (DamagedPartError, FileNotFoundError) as error:
                raise _damaged(path) from error
        known = [number for number in cut if number is not None]
        return sum(known) / self.scan.passages if len(known) == len(cut) else None

    def read(self, number: int, with_contents: bool = False) -> Block:
        """Reads a part and checks it.

        Raises:
            I3Error: it is damaged, or the corpus has changed.
        """
        path = self._path(number)
        try:
            block = read_part(path, self.fingerprint)
        except (DamagedPartError, FileNotFoundError) as error:
            raise _damaged(path) from error
        if not with_contents:
            return block
        passages = list(self.passages(number))
        if [passage.docid for passage in passages] != block.ids:
            raise self.changed()
        return Block(block.ids, block.vectors, [passage.contents for passage in passages])

    def passages(self, number: int) -> Iterator[Passage]:
        """The passages of a part."""
        part = self.parts[number]
        return islice(self.corpus.read(part.start), part.passages)

    def blocks(self, with_contents: bool = False) -> Iterator[Block]:
        """All parts in order, one in memory at a time."""
        return (self.read(number, with_contents) for number in range(len(self.parts)))

    def has(self, number: int) -> bool:
        """Whether the file of a part exists, valid or not."""
        return self._path(number).exists()

    def hashes(self) -> Hashes:
        """The content hash of every passage, uint8 [N, 16].

        Raises:
            I3Error: the corpus has changed.
        """
        path = self.folder / HASHES
        found = written_hashes(path)
        if found is None or len(found) != self.scan.passages:  # begun by an earlier version
            found = None  # Windows writes no file that is mapped
            with HashWriter(path, bool(self.settings["titles"])) as writer:
                for number in range(len(self.parts)):
                    for passage in self.passages(number):
                        writer.add(passage)
            found = written_hashes(path)
        if found is None or len(found) != self.scan.passages:
            raise self.changed()
        return found

    def missing(self) -> list[int]:
        """Numbers of the parts to encode, including damaged ones."""
        missing = []
        for number in tqdm(range(len(self.parts)), desc="check parts", unit="part", delay=2):
            try:
                read_part(self._path(number), self.fingerprint)
            except FileNotFoundError:
                missing.append(number)
            except DamagedPartError:
                tqdm.write(f"{self._path(number)}: damaged, will be encoded again")
                missing.append(number)
        return missing

    def changed(self) -> I3Error:
        """The error for a corpus that changed since the start of the encoding."""
        return I3Error(
            f"{self.corpus.path}: has changed since this encoding began; restore the old files, "
            "or start over with --overwrite"
        )

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.safetensors"


def open_job(
    folder: Path,
    corpus: Corpus,
    settings: Settings,
    overwrite: bool = False,
    part_passages: int = PART_PASSAGES,
) -> Job:
    """Starts a job, or resumes an existing one.

    Args:
        folder: its folder, locked by the caller.
        corpus: the corpus.
        settings: everything that affects the vectors, including `shard` (`id`, `number`).
        overwrite: start over if the existing job is different.
        part_passages: passages per part.

    Raises:
        I3Error: the existing job has other settings, its corpus has changed, or the corpus is
            invalid.
    """
    shard = Shard(**settings["shard"])
    settings = _complete(settings, part_passages)
    if found := _begun(folder):
        before, known = found
        job = Job(folder, corpus, settings, known)
        if before == settings and hash_of(corpus, shard) == known.sha256:
            return job
        if not overwrite:
            _refuse_other(folder, before, settings)
            raise job.changed()
    _clear(folder)
    with HashWriter(folder / HASHES, bool(settings["titles"])) as hashes:
        found_now = scan(
            corpus, shard, folder, part_passages, lambda passage, _: hashes.add(passage)
        )
    job = Job(folder, corpus, settings, found_now)
    with new_file(folder / JOB) as file:
        json.dump({"settings": settings, "scan": asdict(job.scan)}, file, indent=1)
    return job


def drop_job(
    folder: Path, settings: Settings, overwrite: bool = False, part_passages: int = PART_PASSAGES
) -> None:
    """Removes a job whose parts are not needed any more; see `open_job` for the arguments.

    Raises:
        I3Error: it has other settings.
    """
    if (found := _begun(folder)) and not overwrite:
        _refuse_other(folder, found[0], _complete(settings, part_passages))
    _clear(folder)


def _complete(settings: Settings, part_passages: int) -> dict[str, Any]:
    """Settings as a file has them."""
    found: dict[str, Any] = json.loads(json.dumps({**settings, "part_passages": part_passages}))
    return found


def _begun(folder: Path) -> tuple[Settings, Scan] | None:
    """The job of a folder that has parts."""
    found = _load(folder / JOB)
    return found if any(folder.glob("part-*")) else None


def _refuse_other(folder: Path, before: Settings, now: Settings) -> None:
    if changes := differences(before, now):
        raise I3Error(
            f"{folder}: begun with other options ({'; '.join(changes)}); resume with the same "
            "ones, or start over with --overwrite"
        )


def _load(path: Path) -> tuple[Settings, Scan] | None:
    """Reads a job; None if there is none, or if it was interrupted before its first part."""
    try:
        content = read_object(path)
        known = content["scan"]
        parts = tuple(
            Part(Place(**part["start"]), int(part["passages"])) for part in known["parts"]
        )
        counts = known["titled"], known.get("empty", 0)
        return content["settings"], Scan(known["passages"], known["sha256"], parts, *counts)
    except FileNotFoundError:
        return None
    except I3Error as error:
        raise I3Error(f"{error}; remove {path.parent}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise I3Error(f"{path}: cannot be read ({error}); remove {path.parent}") from error


def _damaged(path: Path) -> I3Error:
    return I3Error(f"{path}: damaged; run the same command again to encode it again")


def _clear(folder: Path) -> None:
    try:
        for path in folder.glob("part-*"):
            path.unlink()
        (folder / JOB).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error

"""The ids of vectors, read by themselves: counted, none of them twice, and none cut off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.jsonl_vectors import read_jsonl_ids
from i3_pyserini.formats.unique import SeenIds
from i3_pyserini.formats.vector_files import FILES, Kind, read_docids


@dataclass(frozen=True)
class IdFile:
    """A file that has the ids of vectors.

    Attributes:
        path: the file.
        jsonl: whether it is JSON lines of vectors; otherwise it has one id a line.
    """

    path: Path
    jsonl: bool = False

    @classmethod
    def of(cls, folder: Path, kind: Kind) -> "IdFile":
        """The one in a folder of vectors."""
        return cls(folder / FILES[kind][-1], kind == "jsonl")

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yields line numbers and ids.

        Raises:
            I3Error: a line is not as it should be.
        """
        if self.jsonl:
            return read_jsonl_ids(self.path)
        return enumerate(read_docids(self.path), start=1)

    def refuse_cut_off(self) -> None:
        """Raises if the last line has no end, as encode writes it; half an id would look whole.

        Raises:
            I3Error: it has none, or the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - 1))
                last = file.read()
        except OSError as error:
            raise I3Error(f"{self.path}: cannot be read ({error.strerror})") from error
        if last not in (b"", b"\n"):
            raise I3Error(f"{self.path}: its last line has no end; it was cut off")


def count_ids(files: Sequence[IdFile], scratch: Path | None = None) -> list[int]:
    """Reads all ids of some files, which must differ.

    Args:
        files: the files.
        scratch: where 8 bytes an id can be written meanwhile; None for the system's own place.

    Returns:
        How many there are in each.

    Raises:
        I3Error: a line is not as it should be, or an id occurs a second time; names file and line.
    """
    seen = SeenIds(scratch)
    counts = [0] * len(files)
    with tqdm(desc="check ids", unit=" ids", unit_scale=True, delay=2) as bar:
        for place, file in enumerate(files):
            for _, docid in file:
                seen.add(docid)
                counts[place] += 1
                bar.update()
    if repeated := seen.repeated():
        second = repeated.second(docid for file in files for _, docid in file)
        if second is not None:
            _refuse_second(files, *second)
    return counts


def _refuse_second(files: Sequence[IdFile], position: int, docid: str) -> None:
    places = ((file.path, line) for file in files for line, _ in file)
    path, line = next(place for number, place in enumerate(places) if number == position)
    raise I3Error(f"{path}, line {line}: id {docid!r} occurs a second time; ids must be unique")

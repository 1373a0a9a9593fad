"""Where a collection is imported from: what every source gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from i3_pyserini.formats.made import Made
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.qrels import Duplicates, Judgements
from i3_pyserini.formats.topics import Topic


class Source(ABC):
    """A collection somewhere; subclasses say where.

    Attributes:
        name: what it is called.
        origin: where it came from, for the manifest.
        duplicates: what becomes of pairs that are judged twice; see `qrels.read_judgements`.
        keep: further fields of a passage to read; only of files.
        make_ids: whether passages are read without ids; only of files.
        language: of the passages, as a tag such as "de" or "zh-Hant"; None if unknown.
    """

    name: str
    origin: str
    duplicates: Duplicates = "refuse"
    keep: tuple[str, ...] = ()
    make_ids: bool = False
    language: str | None = None

    @abstractmethod
    def passages(self) -> Iterator[tuple[str, Passage]]:
        """All passages, in order, as a stream, each with its place for messages ("FILE, line N").

        Raises:
            I3Error: it cannot be read, or a line is invalid.
        """

    @abstractmethod
    def splits(self) -> list[str]:
        """Names of the splits that have topics, such as "train" and "test"."""

    @abstractmethod
    def topics(self, split: str) -> Iterator[Topic]:
        """The topics of a split; may hold more than those that are judged."""

    @abstractmethod
    def judgements(self, split: str) -> Judgements | None:
        """The judgements of a split; None if it is not judged."""

    def made(self, split: str) -> Made | None:
        """How the queries of a split were made; None if they were not."""
        return None

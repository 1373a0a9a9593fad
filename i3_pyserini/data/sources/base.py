"""What every source of a collection gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A passage.

    Attributes:
        place: where it stands, for messages ("FILE, line N").
        pid: its id.
        title: its title; None or "" if it has none.
        text: its text.
    """

    place: str
    pid: str
    title: str | None
    text: str


@dataclass(frozen=True)
class Topic:
    """A query; `place` as in `Document`."""

    place: str
    qid: str
    query: str


@dataclass(frozen=True)
class Judgement:
    """A judgement of a passage for a query; `place` as in `Document`."""

    place: str
    qid: str
    pid: str
    relevance: int


class Source(ABC):
    """A collection somewhere; subclasses say where.

    Attributes:
        name: what it is called.
        origin: where it came from, for the manifest.
    """

    name: str
    origin: str

    @abstractmethod
    def passages(self) -> Iterator[Document]:
        """All passages, in order, as a stream.

        Raises:
            I3Error: it cannot be read, or a line is not as it should be.
        """

    @abstractmethod
    def splits(self) -> list[str]:
        """Names of the splits that have topics, such as "train" and "test"."""

    @abstractmethod
    def topics(self, split: str) -> Iterator[Topic]:
        """The topics of a split; may hold more than those that are judged."""

    @abstractmethod
    def judgements(self, split: str) -> Iterator[Judgement]:
        """The judgements of a split; none if it is not judged."""

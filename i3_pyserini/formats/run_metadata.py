"""What made a run, in the form of ir_metadata.

Breuer et al., ir_metadata: An Extensible Metadata Schema for IR Experiments (SIGIR 2022). Its
sections are those of PRIMAD: platform, research goal, implementation, method, actor and data; `run`
and `inputs` are added here. `metadata_files` reads and writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from i3_pyserini.formats.records import KEY, Record, read_record, write_record

SCHEMA = 0.1


@dataclass(frozen=True)
class CollectionRecord(Record):
    """What was searched, and for which queries.

    Attributes:
        name: of the collection, if `i3_pyserini.data` made it.
        source: path of the corpus.
        sha256: of all bytes of its lines, in order; None if unknown.
        passages: their number.
        chunks: how documents were cut into these passages; None for a corpus that was not.
        topics: file or name of the queries.
        topics_sha256: of the lines `id<TAB>text` of all queries, which is that of a plain TSV file.
        queries: their number.
    """

    name: str | None = None
    source: str | None = None
    sha256: str | None = None
    passages: int | None = None
    chunks: Mapping[str, Any] | None = None
    topics: str | None = None
    topics_sha256: str | None = field(default=None, metadata={KEY: "topics sha256"})
    queries: int | None = None

    @classmethod
    def of(cls, values: dict[str, Any]) -> "CollectionRecord":
        """A record of values by JSON key."""
        return read_record(cls, values, "collection")


@dataclass(frozen=True)
class DataRecord(Record):
    """The section `data`."""

    test_collection: CollectionRecord | None = field(
        default=None, metadata={KEY: "test collection"}
    )


@dataclass(frozen=True)
class MethodRecord(Record):
    """The section `method`.

    Attributes:
        automatic: whether no person chose passages.
        ties: how equal scores are ordered.
        retrieval: stages, the last one last; each has a `name` and a `method`.
    """

    automatic: bool | None = None
    ties: str | None = field(default=None, metadata={KEY: "score ties"})
    retrieval: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class FileRecord(Record):
    """The run that was written.

    Attributes:
        file: its name.
        sha256: of its bytes.
        bytes: their number.
        queries: number of queries with hits.
        hits: number of lines.
        date: when it was written, in UTC.
    """

    file: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    queries: int | None = None
    hits: int | None = None
    date: str | None = None


@dataclass(frozen=True)
class InputRecord(Record):
    """A run that another one was made of.

    Attributes:
        file: its path.
        sha256: of its bytes.
        metadata: what made it; None if that is unknown.
    """

    file: str | None = None
    sha256: str | None = None
    metadata: "RunMetadata | None" = None


@dataclass(frozen=True)
class RunMetadata(Record):
    """The metadata of a run; see the schema at ir-metadata.org."""

    schema: Any = field(default=None, metadata={KEY: "schema-version"})
    version: Any = field(default=None, metadata={KEY: "run-version"})
    tag: str | None = None
    platform: Mapping[str, Any] | None = None
    goal: Any = field(default=None, metadata={KEY: "research goal"})
    implementation: Mapping[str, Any] | None = None
    method: MethodRecord | None = None
    actor: Any = None
    data: DataRecord | None = None
    run: FileRecord | None = None
    inputs: tuple[InputRecord, ...] | None = None

    @property
    def collection(self) -> CollectionRecord:
        """What was searched; an empty record if that is unknown."""
        return (self.data and self.data.test_collection) or CollectionRecord()

    @property
    def stages(self) -> tuple[Mapping[str, Any], ...]:
        """The stages of retrieval; the last one wrote the run."""
        return (self.method and self.method.retrieval) or ()

    def to_json(self) -> dict[str, Any]:
        """All that is known, as a JSON object."""
        return write_record(self)


@dataclass(frozen=True)
class Origin:
    """What a command knows of a run that it writes.

    Attributes:
        stages: see `MethodRecord.retrieval`.
        collection: see `CollectionRecord`.
        inputs: see `InputRecord`.
    """

    stages: tuple[Mapping[str, Any], ...] = ()
    collection: CollectionRecord = CollectionRecord()
    inputs: tuple[InputRecord, ...] = ()


UNKNOWN = Origin()

"""The manifest of an index: what is known of its vectors.

`INDEX/manifest.json`; an index of stock Pyserini has none. `index_directory` reads a whole index,
and `index_output` writes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.chunks import ChunksRecord
from i3_pyserini.formats.records import (
    KEY,
    MANIFEST,
    Record,
    key,
    read_object,
    read_record,
    write_object,
    write_record,
)

LINES = "lines_sha256"  # in `corpus`, where its `sha256` is also of how the lines were read
FORMAT = 2  # of the manifest; grows when a key that is there already gets another meaning


@dataclass(frozen=True)
class EncoderRecord(Record):
    """The encoder of the vectors, with everything that affects them; None for unknown values.

    Attributes:
        kind: "i3", "auto" (any Hugging Face encoder) or "imported".
        name: the model's directory or hub name.
        fingerprint: SHA-256 of its configuration and weights.
        dimension: dimension of its vectors.
        dtype: precision of the computation: "fp32", "bf16", "fp16", or "int8" (exported models).
        backend: "torch", "openvino" or "onnx".
        pooling: this and the following fields up to `similarity` are those of
            `i3_pyserini.model.settings.EncoderSettings`, which says what they mean.
        tokenizer: SHA-256 of the tokenizer.
        contradicted: flags that override the model's declarations, such as
            "--max-length: 256 declared, 96 given".
        cut: share of the passages that were longer than `passage_length`, from 0 to 1.
        libraries: versions of those that computed the vectors.
    """

    kind: str | None = key("class")
    name: str | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    dtype: str | None = None
    backend: str | None = None
    pooling: str | None = None
    normalize: bool | None = None
    dense: tuple[Mapping[str, Any], ...] | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    include_prompt: bool | None = None
    query_length: int | None = None
    passage_length: int | None = None
    lowercase: bool | None = None
    add_sep: bool | None = None
    prompt_behind_title: bool | None = None
    similarity: str | None = None
    tokenizer: str | None = None
    contradicted: tuple[str, ...] | None = None
    cut: float | None = None
    libraries: Mapping[str, str] | None = None

    @classmethod
    def of_older(cls, found: dict[str, Any]) -> dict[str, Any]:
        """Renames what format 1 called otherwise."""
        for old, new in (("l2_norm", "normalize"), ("max_length", "passage_length")):
            if old in found:
                found[new] = found.pop(old)
        if "prefix" in found:
            prefix = found.pop("prefix")
            found["passage_prompt"] = prefix
            if isinstance(prefix, str) and prefix:
                found |= {"passage_prompt": f"{prefix} ", "prompt_behind_title": True}
        return found

    @classmethod
    def from_json(cls, found: Any, place: str) -> "EncoderRecord":
        """Reads what `to_json` wrote.

        Raises:
            I3Error: it is damaged.
        """
        return read_record(cls, found, place)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of a manifest's key `model`."""
        return write_record(self)


@dataclass(frozen=True)
class CorpusRecord(Record):
    """The encoded corpus.

    Attributes:
        name: of the collection, if `i3_pyserini.data` made it.
        path: where it was.
        files: their names.
        fields: those of a passage that were read; none for title and text.
        docid_field: None for the usual ones.
        delimiter: between the fields of `contents`.
        title_field: None for the usual ones.
        text_field: None for the usual ones.
        table: how a table is read; see `i3_pyserini.formats.tables.Table`.
        bytes: size of all files.
        passages: number of passages.
        sha256: of all bytes of its lines, in order.
        shards: those hashes of each shard, for a merged index.
        chunks: how documents were cut into windows; None if they were not.
    """

    name: str | None = None
    path: str | None = None
    files: tuple[str, ...] | None = None
    fields: tuple[str, ...] | None = None
    docid_field: str | None = None
    delimiter: str | None = None
    title_field: str | None = None
    text_field: str | None = None
    table: Mapping[str, Any] | None = None
    bytes: int | None = None
    passages: int | None = None
    sha256: str | None = None
    shards: tuple[str | None, ...] | None = None
    chunks: ChunksRecord | None = None

    @classmethod
    def of(cls, **values: Any) -> "CorpusRecord":
        """A record of values by JSON key."""
        return read_record(cls, values, "corpus")


@dataclass(frozen=True)
class ShardRecord(Record):
    """Which shard of how many the vectors are of; counted from 0."""

    id: int = 0
    number: int = 1


@dataclass(frozen=True)
class TrainingRecord(Record):
    """What an approximate index was trained with."""

    vectors: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class TunedRecord(Record):
    """What tuning measured: recall@k with the parameters that it stored, and the target."""

    recall: float | None = None
    target: float | None = None
    k: int | None = None


@dataclass(frozen=True)
class BuiltRecord(Record):
    """How an index of another type was built from vectors.

    Attributes:
        type: such as "hnsw" or "lucene-flat".
        factory: FAISS's string for it.
        parameters: of building or of search.
        training: see `TrainingRecord`.
        tuned: see `TunedRecord`.
        of: the directory of vectors that it was built from.
        faiss: version of the library.
        bytes: size of the file `index`.
        language: of the analyzer of a BM25 index, such as "de"; None for English.
        dimensions: number of first dimensions that were kept of each vector; None for all.
    """

    type: str | None = None
    factory: str | None = None
    parameters: Mapping[str, Any] | None = None
    training: TrainingRecord | None = None
    tuned: TunedRecord | None = None
    of: str | None = None
    faiss: str | None = None
    bytes: int | None = None
    language: str | None = None
    dimensions: int | None = None


@dataclass(frozen=True)
class UpdateRecord(Record):
    """How an index was made of an older one.

    Attributes:
        of: directory of the older one.
        times: number of updates since all passages were encoded.
        taken_over: passages with a vector of the older one.
        encoded: passages that were encoded.
        removed: passages of the older one whose id is gone.
    """

    of: str | None = None
    times: int | None = None
    taken_over: int | None = None
    encoded: int | None = None
    removed: int | None = None


@dataclass(frozen=True)
class SourceRecord(Record):
    """A file that vectors were imported from.

    Attributes:
        file: its name.
        sha256: its hash.
        quantized: how its vectors are quantized, such as "int8".
    """

    file: str | None = None
    sha256: str | None = None
    quantized: str | None = None


@dataclass(frozen=True)
class IndexManifest(Record):
    """The manifest of an index.

    Attributes:
        format: see `FORMAT`.
        version: of the i3_pyserini that made the vectors.
        encoder: see `EncoderRecord`.
        corpus: see `CorpusRecord`.
        shard: see `ShardRecord`; None for an index that has none, such as an imported one.
        titles: whether titles were encoded.
        store_dtype: "float32" or "float16".
        kind: of the files.
        built: see `BuiltRecord`.
        source: files that the vectors were imported from.
        sha256: of each file beside the manifest, by its name.
        update: see `UpdateRecord`; None if all passages were encoded together.
        passages: number of vectors.
        dimension: numbers in each.
        pyserini: version that made a Lucene index.
    """

    format: int = 1
    version: str | None = key("i3_pyserini")
    encoder: EncoderRecord = field(default_factory=EncoderRecord, metadata={KEY: "model"})
    corpus: CorpusRecord = field(default_factory=CorpusRecord)
    shard: ShardRecord | None = None
    titles: bool | None = None
    store_dtype: str | None = None
    kind: str | None = key("output")
    built: BuiltRecord = field(default_factory=BuiltRecord, metadata={KEY: "index"})
    source: tuple[SourceRecord, ...] | None = None
    sha256: Mapping[str, str] | None = None
    update: UpdateRecord | None = None
    passages: int | None = None
    dimension: int | None = None
    pyserini: str | None = None

    @classmethod
    def read(cls, index: Path) -> "IndexManifest | None":
        """The manifest of a directory; None where there is none.

        Raises:
            I3Error: it is damaged, or from a newer version that changed the meaning of keys.
        """
        path = index / MANIFEST
        try:
            found = read_object(path)
        except FileNotFoundError:
            return None
        manifest = read_record(cls, found, str(path))
        if manifest.format > FORMAT:
            raise I3Error(
                f"{path}: was written by a newer i3_pyserini ({manifest.version}, format "
                f"{manifest.format}); this one reads formats 1 to {FORMAT}: update it"
            )
        return manifest

    def write(self, index: Path) -> None:
        """Writes the manifest of a directory; an older one is replaced as a whole.

        Raises:
            I3Error: it cannot be written.
        """
        write_object(index / MANIFEST, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the file; `format` is the one of this version."""
        return write_record(replace(self, format=FORMAT))


def read_manifest(index: Path) -> IndexManifest:
    """The manifest of a directory; an empty one where there is none, as of stock Pyserini.

    Raises:
        I3Error: see `IndexManifest.read`.
    """
    return IndexManifest.read(index) or IndexManifest()

"""Exported folders: the encoders of a model as ONNX files. Read without torch and transformers.

    FOLDER/i3_onnx.json            the model, its settings, and hashes of the ONNX files
    FOLDER/query/onnx/model.onnx   maps ids and mask to vectors of queries
    FOLDER/query/                  tokenizer.json, tokenizer_config.json and config.json
    FOLDER/passage/                the same for passages

`query` and `passage` are each complete for other tools, which read a tokenizer from a folder and
the graph from its `onnx/model.onnx`. `i3_pyserini.integrations.onnx` writes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.records import Record, key, read_object, read_record
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.texts import (
    PassageTemplate,
    TokenIds,
    check_texts,
    passage_segments,
    query_texts,
)
from i3_pyserini.model.tokenizer_file import read_tokenizer_file

RECORD = "i3_onnx.json"
GRAPH = "onnx/model.onnx"
Side = Literal["query", "passage"]
SIDES: tuple[Side, Side] = ("query", "passage")
AGAIN = "export the model again"


@dataclass(frozen=True)
class SideRecord(Record):
    """One side of an exported model.

    Attributes:
        length: maximum ids of a text.
        pad_id: padding id.
        files: SHA-256 of the files of its graph, by path in the side's folder.
    """

    length: int = 0
    pad_id: int = 0
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExportRecord(Record):
    """The content of `i3_onnx.json`.

    Attributes:
        kind: "i3", or "auto" for any other Hugging Face encoder.
        model: directory or hub name of the exported model.
        fingerprint: fingerprint of its configuration and weights; None for a hub name.
        tokenizer: fingerprint of its tokenizers.
        dimension: the vectors' dimension, H.
        dtype: "fp32" or "int8".
        settings: the fields of `EncoderSettings`.
        template: the fields of `PassageTemplate`; None for an encoder that is no I³ model.
        query: the query encoder.
        passage: the passage encoder.
        libraries: versions of those that made it.
    """

    kind: str = key("class", "auto")
    model: str = ""
    fingerprint: str | None = None
    tokenizer: str | None = None
    dimension: int = 0
    dtype: str = "fp32"
    settings: Mapping[str, Any] = field(default_factory=dict)
    template: Mapping[str, str] | None = None
    query: SideRecord = field(default_factory=SideRecord)
    passage: SideRecord = field(default_factory=SideRecord)
    libraries: Mapping[str, str] = field(default_factory=dict)


def is_exported(name: str | Path) -> bool:
    """Whether this is an exported folder."""
    return (Path(name) / RECORD).is_file()


def read_export(folder: Path) -> ExportRecord:
    """Reads what is known of an exported folder.

    Raises:
        I3Error: it is damaged.
    """
    path = folder / RECORD
    record = read_record(ExportRecord, read_object(path), str(path))
    if record.kind not in ("i3", "auto") or record.dimension < 1:
        raise I3Error(f"{path}: no encoder with a dimension; {AGAIN}")
    return record


def settings_of_export(record: ExportRecord) -> EncoderSettings:
    """The settings of an exported model.

    Raises:
        I3Error: a value is invalid.
    """
    return EncoderSettings.of_fields(record.settings)


def check_graph(folder: Path, side: Side, record: ExportRecord) -> Path:
    """The file of a graph, whose content is that of the export.

    Raises:
        I3Error: a file is missing or has changed.
    """
    known: SideRecord = getattr(record, side)
    if GRAPH not in known.files:
        raise I3Error(f"{folder / RECORD}: names no {side}/{GRAPH}; {AGAIN}")
    for name, expected in known.files.items():
        path = folder / side / name
        if not path.is_file():
            raise I3Error(f"{path}: does not exist; {AGAIN}")
        if file_hash(path) != expected:
            raise I3Error(f"{path}: has changed since it was exported; {AGAIN}")
    return folder / side / GRAPH


class ExportedTokenizer:
    """The ids of one side of an exported model.

    Args:
        folder: the exported folder.
        side: which side.
        record: what is known of the folder.

    Raises:
        I3Error: the side's tokenizer is missing or damaged.
    """

    def __init__(self, folder: Path, side: Side, record: ExportRecord) -> None:
        found = read_tokenizer_file(str(folder / side))
        if found is None:
            raise I3Error(f"{folder / side}: no tokenizer.json; {AGAIN}")
        own: SideRecord = getattr(record, side)
        self._tokenizer, self._record = found, own
        self._settings, self._template = settings_of_export(record), _template(folder, record)
        self.core = found.core

    def queries(self, queries: Sequence[str]) -> TokenIds:
        """The ids of queries, with the prompt, truncated to the model's length.

        Raises:
            I3Error: a query is not a string.
        """
        return self._ids(query_texts(queries, self._settings.query_prompt), None)

    def passages(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> TokenIds:
        """The ids of passages, with titles and prompt, truncated to the model's length.

        Raises:
            I3Error: a text is not a string.
        """
        return self._ids(*self.segments(texts, titles))

    def segments(
        self, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> tuple[list[str], list[str] | None]:
        """What is tokenized for passages: first and, if there are any, second segments.

        Raises:
            I3Error: a text is not a string.
        """
        if self._template is not None:
            return self._template.texts(texts, titles), None
        check_texts(texts, "text of passage")
        return passage_segments(self._settings, self._settings.passage_prompt, texts, titles)

    def _ids(self, first: list[str], second: list[str] | None) -> TokenIds:
        inputs: Any = first if second is None else list(zip(first, second, strict=True))
        ids = self._tokenizer.ids(inputs, self._record.length)
        # Without special tokens, an empty text would have no ids.
        return TokenIds((row or [self._record.pad_id] for row in ids), ids.cut)


def _template(folder: Path, record: ExportRecord) -> PassageTemplate | None:
    if record.kind != "i3":
        return None
    names = [one.name for one in fields(PassageTemplate)]
    values = record.template or {}
    if missing := [name for name in names if name not in values]:
        raise I3Error(f"{folder / RECORD}: template has no {missing[0]!r}; {AGAIN}")
    return PassageTemplate(**{name: values[name] for name in names})

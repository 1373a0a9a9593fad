"""Writes the vectors of an index with ids, titles, texts and metadata, in other formats."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing, replacing
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.index_output import PASSAGES, IndexOutput
from i3_pyserini.formats.index_texts import not_in_corpus
from i3_pyserini.formats.metadata import FieldTypes
from i3_pyserini.formats.parquet_vectors import write_parquet
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.formats.vector_files import Shape, write_files

TYPES = {"integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean}  # others are texts


@dataclass(frozen=True)
class IndexExport:
    """The vectors of an index and what is known of their passages.

    Attributes:
        shape: of the vectors.
        blocks: the vectors with their ids; read once.
        manifest: of the index.
        texts: the passages; None if they are unknown.
    """

    shape: Shape
    blocks: Iterator[Block]
    manifest: IndexManifest
    texts: TextStore | None

    def to_folder(self, target: Path, kind: Literal["jsonl", "npy"], overwrite: bool) -> None:
        """Writes a folder of vectors with a manifest."""
        output = IndexOutput(target, kind, overwrite)
        dtype = self.manifest.store_dtype or "float32"
        write = self._write_jsonl if kind == "jsonl" else self._write_npy
        with output.work():
            output.refuse_interrupted()
            itemsize = 2 if dtype == "float16" else 4
            output.check_space(output.bytes_needed(self.shape, itemsize=itemsize))
            output.publish(write, self.manifest, self.shape)

    def to_parquet(self, target: Path, overwrite: bool) -> None:
        """Writes a Parquet file, a row group at a time."""
        if target.suffix.lower() != ".parquet":
            raise I3Error(f"{target}: the name of a Parquet file ends with .parquet")
        refuse_existing(target, overwrite)
        kinds = self._kinds()
        columns = {name: TYPES.get(kind, pl.String) for name, kind in kinds.items()}
        schema: dict[str, Any] = {"id": pl.String, "title": pl.String, "text": pl.String}
        schema |= {**columns, "vector": pl.Array(pl.Float32, self.shape.dimension)}

        def frames() -> Iterator[pl.DataFrame]:
            for block, passages in self._passages():
                rows = [self._row(passage, kinds) for passage in passages]
                values: dict[str, Any] = {n: [row.get(n) for row in rows] for n in schema}
                values |= {"id": block.ids, "vector": block.vectors.astype("float32")}
                yield pl.DataFrame(values, schema=schema)

        with replacing(target) as partial:
            known = replace(self.manifest, sha256=None)  # of the index's files
            write_parquet(partial, schema, frames, json.dumps(known.to_json()))

    def _write_jsonl(self, folder: Path) -> None:
        with (folder / "embeddings.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for block, passages in self._passages():
                contents = block.contents or [""] * len(block.ids)
                vectors = block.vectors.tolist()
                rows = zip(block.ids, contents, passages, vectors, strict=True)
                for docid, text, passage, vector in rows:
                    record = {"id": docid, "contents": text, **_known(passage), "vector": vector}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def _write_npy(self, folder: Path) -> None:

        dtype = self.manifest.store_dtype or "float32"
        if self.texts is None:
            write_files("npy", folder, self.blocks, self.shape, dtype)
            return
        with (folder / PASSAGES).open("w", encoding="utf-8", newline="\n") as file:

            def written() -> Iterator[Block]:
                for block, passages in self._passages(shown=False):
                    for docid, passage in zip(block.ids, passages, strict=True):
                        record = {"id": docid, **_known(passage)}
                        file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    yield block

            write_files("npy", folder, written(), self.shape, dtype)

    def _passages(self, shown: bool = True) -> Iterator[tuple[Block, list[Passage | None]]]:
        """Blocks of vectors and their passages; all None if these are unknown."""
        total = self.shape.passages
        with tqdm(total=total, desc="export", unit=" passages", delay=2, disable=not shown) as bar:
            for block in self.blocks:
                passages: list[Passage | None] = [None] * len(block.ids)
                if self.texts is not None:
                    passages = [self.texts.get(docid) for docid in block.ids]
                    if None in passages:
                        raise not_in_corpus(block.ids[passages.index(None)], self.texts)
                yield block, passages
                bar.update(len(block.ids))

    def _kinds(self) -> dict[str, str]:
        """The type of each field of metadata; see `FieldTypes`."""
        found = FieldTypes(())
        for extra in self.texts.metadata() if self.texts is not None else ():
            found.add(extra)
        return found.known

    def _row(self, passage: Passage | None, kinds: dict[str, str]) -> dict[str, Any]:
        """The cells of a passage; lists, objects and mixed values as JSON."""
        if passage is None:
            return {}
        extra = {
            name: json.dumps(value, ensure_ascii=False) if kinds[name] == "json" else value
            for name, value in passage.extra.items()
        }
        return {"title": passage.title, "text": passage.text, **extra}


def _known(passage: Passage | None) -> dict[str, Any]:
    """The fields of a passage in JSON lines, with `contents` as `data import` writes them."""
    if passage is None:
        return {}
    title, text = passage.title or "", passage.text
    contents = f"{title}\n{text}" if title else text
    return {"contents": contents, "title": title, "text": text, **passage.extra}

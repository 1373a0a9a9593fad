"""Merges shards, imports and exports vectors, and verifies indexes."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

Kind = Literal["faiss", "npy", "jsonl"]
Quantized = Literal["int8", "uint8", "binary", "ubinary"]


@dataclass(frozen=True)
class Verified:
    """An index that passed all checks.

    Attributes:
        checks: one line for each check.
    """

    checks: Sequence[str]

    def __str__(self) -> str:
        return "\n".join([*self.checks, "ok"])


def merge_shards(shards: Sequence[AnyPath], *, output: AnyPath, overwrite: bool = False) -> Written:
    """Merges separately encoded shards into one index.

    Args:
        shards: the directories of all shards, in any order.
        output: the directory to write.
        overwrite: replace an existing index.

    Returns:
        The index, identical to one encoding of the whole corpus.

    Raises:
        I3Error: a shard is missing, given twice, incomplete, or from another encoding.
    """
    from i3_pyserini.encode.merge import merge

    paths = [Path(shard) for shard in shards]
    shape = merge(paths, Path(output), overwrite)
    found = f"{shape.passages:,} passages of {shape.dimension} dimensions"
    return Written(Path(output), f"{found}, from {len(paths)} shards")


def import_vectors(
    vectors: AnyPath,
    *,
    output: AnyPath,
    ids: AnyPath | None = None,
    kind: Kind = "faiss",
    name: str | None = None,
    quantized: Quantized | None = None,
    ranges: AnyPath | None = None,
    overwrite: bool = False,
) -> Written:
    """Makes an index from vectors that were computed elsewhere.

    Args:
        vectors: a .npy file [passages, dimensions], JSON lines with id and vector (a file or
            folder), a .parquet file with these columns, an output folder {index, docid} of
            pyserini.encode, or a FlexIndex of pyterrier_dr.
        output: the directory to write.
        ids: file with one id per line, for a .npy file.
        kind: output format: "faiss" ({index, docid}), "npy" (embeddings.npy and docid) or "jsonl"
            (for Anserini).
        name: name of the model that computed the vectors, for the manifest.
        quantized: a .npy file that sentence-transformers quantized: "int8", "uint8", "binary" or
            "ubinary". The index has floats again; `index build` makes it smaller.
        ranges: a .npy file [2, dimensions] with the smallest and largest values that "int8" and
            "uint8" were made with.
        overwrite: replace an existing index.

    Returns:
        The index.

    Raises:
        I3Error: the numbers of ids and vectors differ, an id occurs twice, or a vector has NaN or
            infinite values.
    """
    from i3_pyserini.encode.own_vectors import find_vectors, write_own_vectors
    from i3_pyserini.formats.index_output import IndexOutput
    from i3_pyserini.formats.quantized import Quantization

    if quantized is None and ranges is not None:
        raise I3Error(f"--ranges {ranges}: only with --quantized")
    codes = None
    if quantized is not None:
        codes = Quantization.of(quantized, None if ranges is None else Path(ranges))
    found = find_vectors(Path(vectors), None if ids is None else Path(ids), codes)
    shape = write_own_vectors(found, IndexOutput(Path(output), kind, overwrite), name)
    return Written(Path(output), f"{shape.passages:,} vectors of {shape.dimension} dimensions")


def export_index(
    index: AnyPath,
    *,
    to: Literal["jsonl", "npy", "parquet", "flex"],
    output: AnyPath,
    corpus: AnyPath | None = None,
    cache: AnyPath | None = None,
    overwrite: bool = False,
) -> Written:
    """Exports the vectors of an index with ids, titles, texts and metadata.

    Args:
        index: a directory of encoded vectors, not an approximate index.
        to: "jsonl" (a folder with embeddings.jsonl, as Anserini and Pyserini read it), "npy" (a
            folder with embeddings.npy, docid and passages.jsonl), "parquet" (one file) or "flex" (a
            FlexIndex of pyterrier_dr, without texts).
        output: the folder or file to write.
        corpus: the encoded corpus. Default: the one named in the manifest, if it still exists.
        cache: folder for its text store. Default: the folder of the corpus.
        overwrite: replace an existing output.

    Returns:
        The folder or file.

    Raises:
        I3Error: the vectors are damaged, a passage is not in the corpus, or the output exists or
            cannot be written.
    """
    from i3_pyserini.formats.index_directory import IndexDirectory
    from i3_pyserini.formats.index_export import IndexExport
    from i3_pyserini.formats.index_texts import corpus_of
    from i3_pyserini.formats.textstore import open_store

    opened = IndexDirectory.open(Path(index))
    shape, blocks = opened.vectors()
    found = f"{shape.passages:,} passages of {shape.dimension} dimensions"
    if to == "flex":
        from i3_pyserini.formats.flex import write_flex

        write_flex(Path(output), blocks, shape, overwrite)
        return Written(Path(output), f"{found}, ids only")
    read = corpus_of(Path(index), None if corpus is None else Path(corpus))
    if read is None and opened.manifest.corpus.path is None:
        note(f"{index}: its manifest names no corpus: no titles, texts and metadata")
    texts = None if read is None else open_store(read, None if cache is None else Path(cache))
    export = IndexExport(shape, blocks, opened.manifest, texts)
    target = Path(output)
    if to == "parquet":
        export.to_parquet(target, overwrite)
    else:
        export.to_folder(target, to, overwrite)
    return Written(target, f"{found}, {'ids only' if texts is None else 'with titles and texts'}")


def verify_index(
    index: AnyPath,
    *,
    corpus: AnyPath | None = None,
    model: NameOrPath | None = None,
    check: int = 100,
    seed: int = 0,
    fields: Sequence[str] = (),
    encoder: EncoderOptions | None = None,
    corpus_options: CorpusOptions = USUAL,
) -> Verified:
    """Checks the files and ids of an index, and encodes a sample of its passages again.

    Args:
        index: a directory of vectors or of one shard.
        corpus: the corpus to compare ids with and to sample passages from.
        model: the model to encode with. Default: the one named in the manifest.
        check: number of passages to encode again.
        seed: random seed for the sample.
        fields: fields of the corpus, for an index without a manifest; titles are encoded if "title"
            is among them.
        encoder: encoder settings, for an index without a manifest.
        corpus_options: how to read the corpus, if its format is unusual.

    Returns:
        One line for each check that passed.

    Raises:
        I3Error: a check fails.
    """
    if check < 0:
        raise I3Error(f"check is {check}, must be at least 0")
    from i3_pyserini.encode.reference import Flags, reference_of
    from i3_pyserini.encode.verify import verify

    options = encoder or EncoderOptions()
    flags = Flags(
        None if corpus is None else Path(corpus),
        None if model is None else fspath(model),
        check,
        seed,
        options.encoder_class,
        tuple(fields),
        options.settings(),
        corpus_options.reading(),
    )
    return Verified(list(verify(Path(index), reference_of(Path(index), flags))))

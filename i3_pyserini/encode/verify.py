"""Verifies an index: files, ids, vectors, and whether the model computes the same vectors."""

import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from tqdm import tqdm

from i3_pyserini.encode.batches import Batching, encode_ids
from i3_pyserini.encode.reference import Reference
from i3_pyserini.encode.scan import shard_lines
from i3_pyserini.encode.spec import EncoderSource, EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import file_hash
from i3_pyserini.formats.docids import IdFile, count_ids
from i3_pyserini.formats.first_dimensions import for_index, whole_dimension
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.formats.index_directory import IndexDirectory
from i3_pyserini.formats.parts import Array, Block
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.formats.vector_files import Shape


@dataclass(frozen=True)
class Lengths:
    """The lengths (L2 norms) of all vectors.

    Attributes:
        least: the smallest.
        mean: their mean.
        most: the largest.
        zeros: number of zero vectors.
    """

    least: float
    mean: float
    most: float
    zeros: int


def verify(index: Path, reference: Reference) -> Iterator[str]:
    """Checks an index, cheapest check first.

    Args:
        index: a directory of vectors, with or without a manifest.
        reference: the model and collection to compare it with.

    Yields:
        One line for each check that passed.

    Raises:
        I3Error: a check failed; names the id, or file and line.
    """
    directory = IndexDirectory.open(index)
    shape, blocks = directory.vectors()
    _compare_manifest(directory, shape)
    as_noted = "as its manifest says" if directory.has_manifest else f"without a {MANIFEST}"
    found = f"{shape.passages:,} vectors of {shape.dimension} dimensions ({directory.kind})"
    yield _line("files", f"{found}, {as_noted}")
    yield _line("model", _compare_model(directory, reference, shape))
    if isinstance(reference.source, EncoderSpec):
        yield _line("tokenizer", _read_by_transformers(reference.source.name))
    ids = directory.ids
    if directory.has_manifest:
        ids.refuse_cut_off()
    yield _line("ids", f"{_count(ids, shape):,}, none twice")
    rows = spread(shape.passages, reference.passages if reference.corpus else 0, reference.seed)
    lengths, stored = look_through(index, blocks, rows, reference.unit_tolerance)
    yield _line(
        "vectors",
        f"all finite, lengths {lengths.least:.4g} to {lengths.most:.4g}, {lengths.mean:.4g} on "
        f"average, {lengths.zeros:,} of them 0",
    )
    if known := directory.manifest.sha256:
        _compare_bytes(index, known)
        yield _line("bytes", f"of {', '.join(known)}, with the hashes of the manifest")
    if reference.corpus is None:
        return
    passages = compare_ids(ids, reference, shape, rows)
    yield _line("collection", f"the same {shape.passages:,} ids in the same order")
    if passages and reference.source:
        cosines = compare_vectors(index, stored, passages, reference, directory.manifest)
        yield _line(
            "sample",
            f"{len(passages):,} passages encoded again, cosine {cosines.min():.6f} at least, "
            f"{cosines.mean():.6f} on average",
        )


def spread(total: int, count: int, seed: int) -> list[int]:
    """Sorted random rows, one from each of `count` ranges of equal length."""
    count = min(total, count)
    numbers = random.Random(seed)  # noqa: S311  (no secret)
    return [
        numbers.randrange(total * place // count, total * (place + 1) // count)
        for place in range(count)
    ]


def look_through(
    index: Path, blocks: Iterable[Block], rows: Sequence[int], tolerance: float | None = None
) -> tuple[Lengths, Array]:
    """Reads all vectors once.

    Args:
        index: for messages.
        blocks: the vectors.
        rows: rows to return, sorted.
        tolerance: allowed deviation of lengths from 1; None for any length.

    Returns:
        Their lengths, and float [rows, H].

    Raises:
        I3Error: a vector has NaN or infinite values, or its length is not 1; names its id.
    """
    least, most, total, zeros, start = np.inf, 0.0, 0.0, 0, 0
    kept: list[Array] = []
    with tqdm(desc="vectors", unit=" vectors", unit_scale=True, delay=2) as bar:
        for block in blocks:
            lengths = np.linalg.norm(block.vectors.astype(np.float64), axis=1)
            _refuse_unsound(index, block, lengths, start, tolerance)
            least, most = min(least, float(lengths.min())), max(most, float(lengths.max()))
            total, zeros = total + float(lengths.sum()), zeros + int((lengths == 0).sum())
            end = start + len(lengths)
            chosen = rows[bisect_left(rows, start) : bisect_left(rows, end)]
            kept += [block.vectors[row - start] for row in chosen]
            start = end
            bar.update(len(lengths))
    return Lengths(float(least), total / start, most, zeros), np.array(kept)


def compare_ids(
    ids: IdFile, reference: Reference, shape: Shape, rows: Sequence[int]
) -> list[Passage]:
    """Checks that index and collection have the same ids in the same order.

    Returns:
        The passages of the sampled rows.

    Raises:
        I3Error: they differ; names the first difference.
    """
    corpus, kept, chosen = reference.corpus, [], set(rows)
    if corpus is None:
        return []
    lines = shard_lines(corpus, reference.shard)
    passages = ((place, corpus.passage(line, place)) for place, line in lines if line.strip())
    pairs = zip_longest(ids, passages)
    bar = tqdm(pairs, "collection", shape.passages, unit=" ids", unit_scale=True, delay=2)
    for row, (ours, theirs) in enumerate(bar):
        if theirs is None:
            raise I3Error(
                f"{ids.path}, line {ours[0]}: id {ours[1]!r}, but {corpus.path} ended before it"
            )
        place, passage = theirs
        if ours is None:
            where = corpus.name_of(place)
            raise I3Error(f"{where}: id {passage.docid!r} is not in {ids.path}, which ended before")
        if ours[1] != passage.docid:
            raise I3Error(
                f"{corpus.name_of(place)}: id {passage.docid!r}, but {ours[1]!r} in {ids.path}, "
                f"line {ours[0]}"
            )
        if row in chosen:
            kept.append(passage)
    return kept


def compare_vectors(
    index: Path,
    stored: Array,
    passages: Sequence[Passage],
    reference: Reference,
    manifest: IndexManifest,
) -> Array:
    """Encodes passages again.

    Args:
        index: for messages.
        stored: their vectors [N, H].
        passages: N passages.
        reference: has the encoder.
        manifest: of the index, which says how its vectors were shortened.

    Returns:
        The cosines, float64 [N].

    Raises:
        I3Error: a vector differs; names the passage.
    """
    if reference.source is None:
        return np.empty(0)
    whole = _encode(reference.source, passages, reference.with_titles)
    again = for_index(whole, manifest).astype(np.float64)
    before = stored.astype(np.float64)
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (before, again)]
    cosines = _cosines(before, again, *lengths)
    worst = int(np.argmin(cosines))
    least = reference.least_cosine
    if cosines[worst] < least:
        raise I3Error(
            f"{index}: the vector of id {passages[worst].docid!r} and the passage encoded again "
            f"have a cosine of {cosines[worst]:.4f}, below {least}; different model or "
            "options?"
        )
    # Allowed deviation of a length: the distance of vectors of length 1 with the lowest cosine.
    off = np.abs(lengths[0] - lengths[1]) > (2 - 2 * least) ** 0.5 * lengths[1]
    if off.any():
        row = int(np.argmax(off))
        raise I3Error(
            f"{index}: the vector of id {passages[row].docid!r} has length {lengths[0][row]:.4g}, "
            f"but {lengths[1][row]:.4g} when encoded again; --l2-norm for one of them?"
        )
    return cosines


def _line(name: str, found: str) -> str:
    return f"{name:<12}{found}"


def _compare_manifest(index: IndexDirectory, shape: Shape) -> None:
    if not shape.passages or not shape.dimension:
        raise I3Error(f"{index.path}: no vectors in it")
    if not index.has_manifest:
        return
    known = index.manifest
    for name, value, noted in (
        ("passages", shape.passages, known.passages),
        ("dimension", shape.dimension, known.dimension),
        ("output", index.kind, known.kind),
    ):
        if noted != value:
            raise I3Error(
                f"{index.path}: {name} {value}, but {noted} in its {MANIFEST}; encode it again"
            )


def _compare_bytes(index: Path, known: Mapping[str, str]) -> None:
    for name, sha256 in known.items():
        if Path(name).name != name or not (index / name).is_file():
            raise I3Error(f"{index / MANIFEST}: sha256: no file {name!r} beside it")
        if file_hash(index / name) != sha256:
            raise I3Error(
                f"{index / name}: has other bytes than when it was written; copy it again, or "
                "make it again"
            )


def _compare_model(index: IndexDirectory, reference: Reference, shape: Shape) -> str:
    known = index.manifest.encoder
    name = known.name or "no name"
    if reference.source is None:
        return f"{name}, not compared (give the model with --model)"
    found = reference.source.describe()
    whole = whole_dimension(index.manifest, shape.dimension)
    if found.dimension != whole:
        raise I3Error(
            f"{index.path}: vectors of {whole} dimensions, but the model's have {found.dimension}"
        )
    if not known.fingerprint or not found.fingerprint:
        return f"{found.name}, of the same dimension; no fingerprint to compare"
    if known.fingerprint != found.fingerprint:
        raise I3Error(
            f"{index.path}: encoded by another model ({name}) than {found.name}, or the model "
            "has changed"
        )
    return f"{found.name}, with the fingerprint of the manifest"


def _read_by_transformers(name: str) -> str:
    """Checks whether stock Pyserini tokenizes queries as this package tokenizes passages."""
    from i3_pyserini.model.tokenizer_check import FIX, check_tokenizer  # noqa: PLC0415  (seconds)

    found = check_tokenizer(name)
    if found is None:
        return "transformers, and so stock Pyserini, reads it as the model's files say"
    return f"{found}. Passages and queries here follow the file, stock Pyserini does not; {FIX}"


def _count(ids: IdFile, shape: Shape) -> int:
    (count,) = count_ids([ids])
    if count != shape.passages:
        raise I3Error(f"{ids.path}: {count:,} ids for {shape.passages:,} vectors")
    return count


def _refuse_unsound(
    index: Path, block: Block, lengths: Array, start: int, tolerance: float | None
) -> None:
    finite = np.isfinite(lengths)
    if not finite.all():
        row = int(np.argmin(finite))
        raise I3Error(
            f"{index}: the vector of id {block.ids[row]!r} (row {start + row}, from 0) is not "
            "finite; encode it again"
        )
    off = np.zeros(len(lengths)) if tolerance is None else np.abs(lengths - 1) > tolerance
    if off.any():
        row = int(np.argmax(off))
        raise I3Error(
            f"{index}: the vector of id {block.ids[row]!r} (row {start + row}, from 0) has length "
            f"{lengths[row]:.4g}, but its model normalizes to length 1"
        )


def _encode(source: EncoderSource, passages: Sequence[Passage], with_titles: bool) -> Array:
    encoder = source.load(None)
    titles = [passage.title for passage in passages] if with_titles else None
    ids = encoder.ids([passage.text for passage in passages], titles)
    with tqdm(total=len(ids), desc="encode", unit="passage", delay=2) as bar:
        return encode_ids(encoder, ids, Batching(), bar.update)


def _cosines(before: Array, again: Array, length: Array, length_again: Array) -> Array:
    """The cosine of each row; 1 if both vectors are 0."""
    products = length * length_again
    cosines = (before * again).sum(axis=1) / np.where(products == 0, 1, products)
    return np.where((length == 0) & (length_again == 0), 1, cosines)

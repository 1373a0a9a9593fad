"""Builds an index from encoded vectors, with some thousand of them in memory at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.atomic import refuse_inputs
from i3_pyserini.formats.docids import write_docids
from i3_pyserini.formats.first_dimensions import check_size, shortened
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import BuiltRecord, IndexManifest, TrainingRecord, read_manifest
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.parts import Block
from i3_pyserini.formats.vector_files import Shape, read_files, write_files
from i3_pyserini.search.faiss_index import write_index
from i3_pyserini.search.index.norms import Norms, is_graph, note_skewed
from i3_pyserini.search.index.training import train
from i3_pyserini.search.index.types import Plan, plan


@dataclass(frozen=True)
class Built:
    """The result of a build.

    Attributes:
        plan: see `Plan`.
        shape: number and dimension of the vectors.
    """

    plan: Plan
    shape: Shape


def build(
    source: Path,
    output: IndexOutput,
    kind: str,
    training: int | None = None,
    seed: int = 0,
    dimensions: int | None = None,
) -> Built:
    """Builds an index directory for this package and stock Pyserini.

    The source is read twice: for the training vectors, and to add all vectors. Memory holds the
    index and a block of vectors.

    Args:
        source: a directory of encoded vectors.
        output: the output.
        kind: see `plan`.
        training: number of training vectors; None for the default of the type.
        seed: random seed for their choice.
        dimensions: keep only so many first dimensions of each vector; None for all.

    Raises:
        I3Error: the source has no more dimensions than that, is damaged, or its vectors have NaN or
            infinite values; the type is unknown or needs more vectors for training; or the output
            cannot be written.
    """
    shape, known = read_files(source)[0], read_manifest(source)
    if dimensions is not None:
        check_size(dimensions, shape.dimension, known, str(source))
        shape = Shape(shape.passages, dimensions)
    wanted = plan(kind, shape.passages, shape.dimension)
    size = min(training or wanted.training, shape.passages)
    index = wanted.empty(shape.dimension)
    refuse_inputs([output.target], [source])
    with output.work():
        output.refuse_interrupted()
        output.check_space(_bytes(index, shape))
        if not index.is_trained:
            train(index, _sample(source, shape, size, seed), wanted.factory)

        kept = dimensions or known.built.dimensions
        manifest = _manifest(known, source, wanted, size, seed, kept)

        norms = Norms()

        def write(finished: Path) -> None:
            if isinstance(index, faiss.IndexFlat):  # which FAISS would hold in memory
                write_files("faiss", finished, _blocks(source, shape), shape)
            else:
                blocks = _blocks(source, shape)
                _write(index, norms.of(blocks) if is_graph(index) else blocks, finished)

        output.publish(write, manifest, shape)
    if is_graph(index):
        note_skewed(norms, str(output.target))
    return Built(wanted, shape)


def _write(index: faiss.Index, blocks: Iterable[Block], folder: Path) -> None:
    for block in write_docids(folder / "docid", blocks):
        index.add(np.ascontiguousarray(block.vectors, dtype=np.float32))
    write_index(index, folder / "index")


def _sample(source: Path, shape: Shape, size: int, seed: int) -> Scores:
    """A random sample of vectors, without replacement, in the order of the source."""
    rows = np.sort(np.random.default_rng(seed).choice(shape.passages, size, replace=False))
    chosen = np.empty((size, shape.dimension), dtype=np.float32)
    start = taken = 0
    for block in _blocks(source, shape, "sample"):
        end = start + len(block.ids)
        some = rows[taken : np.searchsorted(rows, end)] - start
        chosen[taken : taken + len(some)] = block.vectors[some]
        start, taken = end, taken + len(some)
    return chosen


def _blocks(source: Path, shape: Shape, what: str = "add") -> Iterator[Block]:
    with tqdm(total=shape.passages, desc=what, unit=" vectors", unit_scale=True, delay=2) as bar:
        normalize = bool(read_manifest(source).encoder.normalize)
        for block in _finite(read_files(source)[1], source):
            if block.vectors.shape[1] == shape.dimension:
                yield block
            else:
                yield Block(block.ids, shortened(block.vectors, shape.dimension, normalize))
            bar.update(len(block.ids))


def _finite(blocks: Iterable[Block], source: Path) -> Iterator[Block]:
    for block in blocks:
        finite = np.isfinite(block.vectors).all(axis=1)
        if not finite.all():
            docid = block.ids[int(np.argmin(finite))]
            raise I3Error(f"{source}: the vector of {docid!r} is not finite; encode it again")
        yield block


def _bytes(index: faiss.Index, shape: Shape) -> int:
    """The approximate size of the file."""
    try:
        code = int(index.sa_code_size())
    except RuntimeError:  # some types have no codes of their own; a graph has links besides
        code = 4 * shape.dimension + 300
    return shape.passages * (code + 24)


def _manifest(
    known: IndexManifest, source: Path, wanted: Plan, size: int, seed: int, dimensions: int | None
) -> IndexManifest:
    return replace(
        known,
        version=known.version or __version__,
        built=BuiltRecord(
            type=wanted.name,
            factory=wanted.factory,
            parameters=dict(wanted.parameters),
            training=TrainingRecord(vectors=size, seed=seed),
            of=str(source.resolve()),
            faiss=faiss.__version__,
            dimensions=dimensions,
        ),
    )

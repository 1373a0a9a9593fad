"""The first dimensions of vectors (Matryoshka), of which a smaller index can be made."""

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.hits import Scores
from i3_pyserini.formats.index import IndexManifest


def shortened(vectors: Scores, size: int, normalize: bool) -> Scores:
    """The first dimensions of vectors.

    Args:
        vectors: float32 [N, H].
        size: how many dimensions.
        normalize: whether the whole vectors have unit length; then the result has it too.

    Returns:
        float32 [N, size].

    Source: Kusupati et al., 2022, "Matryoshka Representation Learning", section 3.
    """
    short = np.ascontiguousarray(vectors[:, :size], dtype=np.float32)
    if not normalize:
        return short
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    result: Scores = short / np.maximum(lengths, np.float32(1e-12))
    return result


def whole_dimension(manifest: IndexManifest, own: int) -> int:
    """Dimension of the vectors of queries, before they are shortened as the index is.

    Args:
        manifest: the manifest of the index.
        own: dimension of the index.
    """
    return (manifest.encoder.dimension if manifest.built.dimensions else None) or own


def for_index(vectors: Scores, manifest: IndexManifest) -> Scores:
    """The vectors of queries as an index needs them: shortened as its vectors are.

    Args:
        vectors: float32 [Q, H], of the model that encoded the index.
        manifest: the manifest of the index.
    """
    size, whole = manifest.built.dimensions, manifest.encoder.dimension
    if size is None or vectors.ndim != 2 or vectors.shape[1] != whole:  # noqa: PLR2004  ([Q, H])
        return vectors
    return shortened(vectors, size, bool(manifest.encoder.normalize))


def refuse_shortened(manifest: IndexManifest, place: str) -> None:
    """Raises if vectors are shortened, for stock Pyserini, which does not shorten queries.

    Raises:
        I3Error: names the dimensions, and the command that searches them.
    """
    if size := manifest.built.dimensions:
        raise I3Error(
            f"{place}: has the first {size} of {manifest.encoder.dimension} dimensions, and stock "
            "Pyserini does not shorten queries; use i3-pyserini search, or the whole vectors"
        )


def check_size(size: int, known: int, manifest: IndexManifest, place: str) -> None:
    """Raises if vectors cannot be shortened to a size.

    Args:
        size: the dimensions to keep.
        known: the dimensions that there are.
        manifest: of these vectors.
        place: their folder.

    Raises:
        I3Error: they have no more dimensions, or their manifest does not say how queries are
            encoded.
    """
    if size >= known:
        raise I3Error(f"dimensions is {size}, but the vectors of {place} have {known}; name fewer")
    if manifest.encoder.dimension is None or manifest.encoder.normalize is None:
        raise I3Error(
            f"{place}: its manifest does not say what encoded these vectors, so that queries could "
            "not be shortened alike; encode the corpus with i3-pyserini encode"
        )

"""Vectors as sentence-transformers quantizes them, read as floats.

Source: `quantize_embeddings` of sentence-transformers 6.2, which this reverses up to rounding.
Where a version truncates int8 toward zero, negative codes come back up to a step and a half off.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.parts import Array
from i3_pyserini.formats.vector_files import open_npy

Precision = Literal["int8", "uint8", "binary", "ubinary"]
SIGNED = ("int8", "binary")  # their codes are 128 less
LEVELS = 255
BITS = 8


@dataclass(frozen=True)
class Quantization:
    """How codes become vectors.

    Attributes:
        precision: "int8" and "uint8" have a byte for each dimension, "binary" and "ubinary" a bit.
        ranges: float32 [2, H], the smallest and the largest value of each dimension; None for bits.
        file: their file.
    """

    precision: Precision
    ranges: Array | None = None
    file: Path | None = None

    @classmethod
    def of(cls, precision: Precision, ranges: Path | None) -> "Quantization":
        """Checks what the user says of a file.

        Args:
            precision: what the codes are.
            ranges: a `.npy` file, for bytes only.

        Raises:
            I3Error: a precision that does not exist, ranges that it needs, or has no use for.
        """
        if precision not in get_args(Precision):
            known = ", ".join(get_args(Precision))
            raise I3Error(f"--quantized {precision}: expected one of {known}")
        if "binary" in precision:
            if ranges is not None:
                raise I3Error(f"--ranges {ranges}: not for {precision}, which has none")
            return cls(precision)
        if ranges is None:
            raise I3Error(
                f"--quantized {precision}: give the ranges that the vectors were quantized with, "
                "a .npy file [2, dimensions] of smallest and largest values, with --ranges"
            )
        found = np.asarray(open_npy(ranges), dtype=np.float32)
        if len(found) != 2 or not (found[0] <= found[1]).all():  # noqa: PLR2004  (two rows)
            raise I3Error(f"{ranges}: expected [2, dimensions], smallest values and largest values")
        return cls(precision, found, ranges)

    def dimension(self, codes: Array) -> int:
        """The dimension of the vectors of an array.

        Args:
            codes: [N, H], or [N, H / 8] for bits.

        Raises:
            I3Error: its type is not that of the precision, or it does not have the ranges' width.
        """
        expected = "int8" if self.precision in SIGNED else "uint8"
        if codes.dtype.name != expected:
            raise I3Error(f"{codes.dtype}; --quantized {self.precision} expects {expected}")
        if self.ranges is None:
            return int(codes.shape[1]) * BITS
        if self.ranges.shape[1] != codes.shape[1]:
            raise I3Error(
                f"{codes.shape[1]} dimensions, but {self.file} has ranges of {self.ranges.shape[1]}"
            )
        return int(codes.shape[1])

    def floats(self, codes: Array) -> Array:
        """The vectors of codes, float32 [N, H].

        A byte is the middle of its step; a bit is plus or minus 1/√H, which makes vectors of unit
        length.
        """
        values = codes.astype(np.int16) + (128 if self.precision in SIGNED else 0)
        if self.ranges is None:
            bits = np.unpackbits(values.astype(np.uint8), axis=1).astype(np.float32)
            vectors: Array = (2 * bits - 1) / np.float32(np.sqrt(bits.shape[1]))
            return vectors
        low, high = self.ranges
        steps = (high - low) / LEVELS
        middles: Array = (low + (values + np.float32(0.5)) * steps).astype(np.float32)
        return middles

"""FAISS, with matrix products for this processor.

FAISS's wheels bring an OpenBLAS of 2021. It knows no processor that came later, and multiplies on
those with the instructions of 2004: on a Xeon of 2023, at a quarter of the speed. It reads once,
when it is loaded, which kernels it should take. So the package imports FAISS here only.
"""

import os
import platform
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import numpy as np  # noqa: F401  (before the variable is set: its own OpenBLAS chooses well)

from i3_pyserini.system import instructions

VARIABLE = "OPENBLAS_CORETYPE"
# Kernels of OpenBLAS, best first, and the instructions that they need.
KERNELS = {
    "SkylakeX": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"},
    "Haswell": {"avx2", "fma"},
}
X86 = ("x86_64", "amd64")


@contextmanager
def kernels_of_processor(environment: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Names the kernels to an OpenBLAS that is loaded in the block, unless the user did."""
    wanted = kernels(instructions()) if platform.machine().lower() in X86 else None
    if wanted is None or VARIABLE in environment:
        yield
        return
    environment[VARIABLE] = wanted
    try:
        yield
    finally:
        environment.pop(VARIABLE, None)  # other libraries are newer, and know more


def kernels(known: frozenset[str]) -> str | None:
    """The best kernels for a processor with these instructions; None to leave OpenBLAS its choice.

    Args:
        known: the processor's instructions, as Linux names them.
    """
    return next((name for name, needed in KERNELS.items() if needed <= known), None)


with kernels_of_processor():
    import faiss as faiss  # noqa: PLC0414, TID251  (others import it from here)

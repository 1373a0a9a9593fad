"""Part files: some thousand vectors with their ids, written atomically.

A part is a safetensors file with `vectors` [N, H] (float32 or float16) and `ids` (uint8: UTF-8, a
line end after each), and in its header the number of passages, a SHA-256 of both, and the job that
it belongs to.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_bytes

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Block:
    """Passages of an index, in order.

    Attributes:
        ids: their N ids.
        vectors: float32 or float16 [N, H].
        contents: their N texts as Pyserini writes them; None where nobody asked for them.
    """

    ids: list[str]
    vectors: Array
    contents: list[str] | None = None


class DamagedPartError(Exception):
    """A part file is not what was once written."""


def write_part(
    path: Path, job: str, ids: list[str], vectors: Array, cut: int | None = None
) -> None:
    """Writes a part; it appears under its name when it is on the disk.

    Args:
        path: the file.
        job: the fingerprint of the job it belongs to.
        ids: N ids.
        vectors: float32 or float16 [N, H].
        cut: number of truncated passages; None if unknown.

    Raises:
        I3Error: a vector is not finite (its passage is named), or writing failed.
    """
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        docid = ids[int(np.argmin(finite))]
        raise I3Error(f"passage {docid!r}: its vector is not finite; {_advice(vectors)}")
    tensors = {"ids": _bytes_of(ids), "vectors": np.ascontiguousarray(vectors)}
    header = {"job": job, "passages": str(len(ids)), "sha256": _hash(tensors)}
    if cut is not None:
        header["cut"] = str(cut)
    with new_bytes(path, overwrite=True) as file:
        file.write(save(tensors, metadata=header))


def read_part(path: Path, job: str) -> Block:
    """Reads a part and checks it.

    Raises:
        DamagedPartError: it is damaged, or belongs to another job.
        FileNotFoundError: it does not exist.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = read_arrays(file, {"ids": ("U8",), "vectors": ("F32", "F16")})
    except (OSError, SafetensorError) as error:
        raise DamagedPartError(f"{path}: {error}") from error
    if header.get("job") != job or header.get("sha256") != _hash(tensors):
        raise DamagedPartError(f"{path}: belongs to another job, or has changed")
    return Block(tensors["ids"].tobytes().decode("utf-8").split("\n")[:-1], tensors["vectors"])


def read_arrays(file: Any, kinds: Mapping[str, Sequence[str]]) -> dict[str, Array]:
    """The arrays of an open safetensors file.

    Args:
        file: as `safe_open` gives it for NumPy, which lacks some types of numbers.
        kinds: the types that each array may have, by its name, as safetensors calls them.

    Raises:
        SafetensorError: an array is missing, or has numbers of another type.
    """
    for name, expected in kinds.items():
        found = file.get_slice(name).get_dtype()
        if found not in expected:
            raise SafetensorError(f"{name}: numbers are {found}, not {' or '.join(expected)}")
    return {name: file.get_tensor(name) for name in kinds}


def read_cut(path: Path) -> int | None:
    """The number of truncated passages of a part; None if it does not record it.

    Raises:
        DamagedPartError: it is damaged.
        FileNotFoundError: it does not exist.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            cut = (file.metadata() or {}).get("cut")
        return None if cut is None else int(cut)
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, ValueError) as error:
        raise DamagedPartError(f"{path}: {error}") from error


def _advice(vectors: Array) -> str:
    if vectors.dtype == np.float16:
        return "use --store-dtype fp32, or check the model"
    return "is the model damaged? (with --dtype fp16 try bf16 or fp32)"


def _bytes_of(ids: list[str]) -> Array:
    return np.frombuffer("".join(f"{docid}\n" for docid in ids).encode("utf-8"), dtype=np.uint8)


def _hash(tensors: dict[str, Array]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()

"""Runs ONNX files that map ids and mask to vectors, with onnxruntime and without torch."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.errors import I3Error

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "sentence_embedding"  # the name that sentence-transformers and others look for
EXTRA = "pip install 'i3-pyserini[onnx]'"

Ids = np.ndarray[Any, np.dtype[np.int64]]
Vectors = np.ndarray[Any, np.dtype[np.float32]]


def need(*packages: str) -> None:
    """Checks that packages of the extra `onnx` are installed.

    Raises:
        I3Error: one is not; names the command to install it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise I3Error(f"{package} is not installed: {EXTRA}")


class OnnxFunction:
    """The function of an ONNX file. Several threads may call it at once.

    Args:
        path: the file.
        threads: threads for each call.

    Raises:
        I3Error: onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        need("onnxruntime")
        import onnxruntime  # noqa: PLC0415  (an extra)

        onnxruntime.disable_telemetry_events()  # which its builds for Windows have
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # it would keep a plan for each shape of a batch
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common class
            raise I3Error(f"{path}: onnxruntime cannot read it ({_reason(error)})") from error
        self._path = path
        names = {one.name for one in self._session.get_inputs()}
        if names != set(INPUTS):
            raise I3Error(f"{path}: its inputs are {sorted(names)}, expected {', '.join(INPUTS)}")

    def __call__(self, ids: Ids, mask: Ids) -> Vectors:
        """Maps int64 [B, T] and its mask to float32 [B, H].

        Raises:
            I3Error: onnxruntime cannot compute it, for example for an id without an embedding.
        """
        try:
            vectors: Vectors = self._session.run([OUTPUT], dict(zip(INPUTS, (ids, mask))))[0]  # noqa: B905  (two and two)
        except Exception as error:  # as above
            raise I3Error(f"{self._path}: cannot be run ({_reason(error)})") from error
        return vectors


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

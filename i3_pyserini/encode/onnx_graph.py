"""Writes modules as ONNX files, and checks and quantizes them.

torch's older exporter (`dynamo=False`) takes a tenth of the time, but keeps the size of the example
batch in I³ models whose interaction is "paper", and its maintainers advise against it.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from i3_pyserini.errors import I3Error
from i3_pyserini.model.loading import quiet_transformers
from i3_pyserini.model.onnx_session import INPUTS, OUTPUT, OnnxFunction, need

LARGEST = 1_900_000_000  # bytes of weights inside the file: a message of protobuf has at most 2 GB


def write_graph(module: nn.Module, path: Path) -> None:
    """Writes a module as an ONNX file, for batches of any size and length.

    Weights of more than `LARGEST` bytes are written to a second file beside it.

    Args:
        module: maps `input_ids` and `attention_mask`, int64 [B, T], to float [B, H].
        path: the file; its folder exists.

    Raises:
        I3Error: a package is not installed, or the exporter does not support the module.
    """
    need("onnx", "onnxscript", "onnxruntime")
    module = module.eval().float()
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    size = sum(one.numel() * one.element_size() for one in module.parameters())
    try:
        with torch.no_grad(), quiet_transformers(), _quiet():
            torch.onnx.export(
                module,
                (ids, mask),
                path,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_shapes=(axes, axes),
                dynamo=True,
                external_data=size > LARGEST,
                verbose=False,
            )
    except Exception as error:  # the exporter raises almost anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise I3Error(f"torch cannot export this model to ONNX ({reason})") from error


def as_onnx(module: nn.Module, threads: int) -> OnnxFunction:
    """The function of a module, run by onnxruntime.

    Args:
        module: see `write_graph`.
        threads: threads for each call.

    Raises:
        I3Error: see `write_graph`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_graph(module, path)
        return OnnxFunction(path, threads)


def quantize(path: Path) -> None:
    """Replaces an ONNX file by one with 8-bit weights.

    Inputs of matrix products are quantized while it runs, with one scale for a whole batch: the
    vector of a text depends slightly on the other texts of its batch.

    Raises:
        I3Error: onnxruntime does not support the graph.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415  (an extra)

    large = {one for one in path.parent.iterdir() if one != path}
    target = path.with_name("quantized.onnx")
    try:
        with _quiet():
            quantize_dynamic(
                path,
                target,
                weight_type=QuantType.QInt8,
                per_channel=True,
                use_external_data_format=bool(large),
            )
    except Exception as error:  # as above
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise I3Error(f"onnxruntime cannot quantize this model ({reason})") from error
    for one in large:
        one.unlink()
    target.replace(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences notes of exporters, which are about their own work."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

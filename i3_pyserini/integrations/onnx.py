"""Exports a model as ONNX files that need no torch; see `i3_pyserini.model.exported`."""

from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written


def export_model(
    model: NameOrPath,
    *,
    output: AnyPath,
    to: Literal["onnx"] = "onnx",
    int8: bool = False,
    encoder: EncoderOptions | None = None,
) -> Written:
    """Exports a model as two ONNX files, for queries and passages, that need no torch.

    The files map ids to finished vectors: pooling, dense layers, reconstruction and interaction
    of an I³ model, and normalization are inside. The folder is also a model for `encode`, `search`
    and `load`. It appears only if onnxruntime computes torch's vectors with it (1e-5).

    Args:
        model: a directory or hub name of an I³ model or of any other Hugging Face encoder.
        output: the folder to write; it must not exist.
        to: the format.
        int8: store 8-bit weights, for files of a quarter of the size. The vectors differ; see
            docs/how-to/onnx.md for the effect on rankings.
        encoder: settings that override the model's own files.

    Returns:
        The folder.

    Raises:
        I3Error: the model cannot be exported, the output exists, or onnxruntime computes other
            vectors than torch.
    """
    from i3_pyserini.encode.spec import spec_of
    from i3_pyserini.formats.atomic import new_folder
    from i3_pyserini.model.exported import is_exported
    from i3_pyserini.model.onnx_session import need

    target, name = Path(output), fspath(model)
    if target.exists():
        raise I3Error(f"{target}: exists; choose another name")
    if is_exported(name):
        raise I3Error(f"{name}: is an exported model; give the model that it was made from")
    need("onnx", "onnxscript", "onnxruntime")
    spec = spec_of(name, encoder or EncoderOptions())
    from i3_pyserini.integrations.onnx_folder import write_folder

    with new_folder(target) as partial:
        summary = write_folder(spec, partial, int8)
    return Written(target, summary)

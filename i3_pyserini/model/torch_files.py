"""Reads tensors that `torch.save` wrote, without running code that such a file may contain."""

import pickle
import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from i3_pyserini.errors import I3Error


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """Reads the tensors of a file of `torch.save`.

    Returns:
        Tensor by name.

    Raises:
        I3Error: the file does not exist, is truncated, is not one of PyTorch, or contains anything
            but named tensors.
    """
    if not path.is_file():
        raise I3Error(f"{path}: no such file")
    with path.open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):  # of a zip file or a pickle
            raise I3Error(f"{path}: truncated, or not a PyTorch checkpoint; download it again")
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols, in other files
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)|Unsupported \w+ [\w.]+", str(error))
        what = f" ({found[1] or found[0]})" if found else ""
        raise I3Error(
            f"{path}: refused: it contains more than plain tensors{what}; no code in it was "
            "executed"
        ) from error
    except Exception as error:  # a damaged file raises almost anything
        raise I3Error(
            f"{path}: truncated, or not a PyTorch checkpoint; download it again"
        ) from error
    if not isinstance(content, dict) or not content:
        raise I3Error(
            f"{path}: contains a {type(content).__name__}, not the tensors of a checkpoint"
        )
    strangers = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise I3Error(f"{path}: these entries are not tensors: {', '.join(strangers[:20])}")
    return {str(key): value for key, value in content.items()}

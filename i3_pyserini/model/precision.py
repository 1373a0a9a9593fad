"""Which processors compute bf16 in hardware; on others it is many times slower than fp32."""

import sys

import torch
from tqdm import tqdm


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is quick there; where it is not, torch falls back on loops without BLAS."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and bool(
            torch.ops.mkldnn._is_mkldnn_bf16_supported()
        )
    return False


def note_slow_bf16(dtype: str, device: torch.device) -> None:
    """Says on stderr that fp32 is the better choice, where it is."""
    if dtype == "bf16" and not computes_bf16(device):
        tqdm.write(
            f"note: {device} has no bf16 in hardware; fp32 is several times as fast here",
            file=sys.stderr,
        )

"""Which processors compute bf16 in hardware; on others it is many times slower than fp32."""

import platform
import sys

import torch
from tqdm import tqdm

X86 = ("x86_64", "amd64")


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bf16.

    oneDNN also reports support on x86 processors that have AVX-512 but no bf16 instructions. It
    emulates them there, and a training step takes more than twice as long as in fp32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    used = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # ONEDNN_MAX_CPU_ISA may forbid it
    if platform.machine().lower() not in X86:
        return used
    return used and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def note_slow_bf16(dtype: str, device: torch.device) -> None:
    """Notes on stderr that fp32 is faster, on devices where it is."""
    if dtype == "bf16" and not computes_bf16(device):
        tqdm.write(
            f"note: {device} has no bf16 instructions; fp32 is several times as fast here",
            file=sys.stderr,
        )

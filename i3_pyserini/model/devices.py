"""Selects devices and torch's threads, and checks whether devices support bf16 in hardware.

On other devices, bf16 is many times slower than fp32.
"""

import os
import platform
import sys

import torch
from tqdm import tqdm

from i3_pyserini.errors import I3Error
from i3_pyserini.threads import usable_cpus

X86 = ("x86_64", "amd64")


def torch_device(name: str | None) -> torch.device:
    """The device with this name, such as "cuda:1", "mps" or "cpu"; for None see `first_gpu`.

    Raises:
        I3Error: the device does not exist.
    """
    if name is None:
        name = first_gpu() or "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise I3Error(f"--device {name} is not usable ({reason}); try --device cpu") from error
    return device


def first_gpu() -> str | None:
    """The name of the first GPU, of CUDA (or ROCm) or Apple's; None if there is none."""
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else None


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 instructions.

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
    """Prints a note on devices where fp32 is faster than bf16; Apple's GPUs are not judged."""
    if dtype == "bf16" and device.type != "mps" and not computes_bf16(device):
        tqdm.write(
            f"note: {device} has no bf16 instructions; fp32 is several times as fast here",
            file=sys.stderr,
        )


def limit_torch() -> int:
    """Lowers torch's number of threads to the usable CPUs, unless a variable sets it.

    For programs that import torch first, such as notebooks; commands have set it before.

    Returns:
        The number of threads.
    """
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > usable_cpus():
        torch.set_num_threads(usable_cpus())
    return torch.get_num_threads()

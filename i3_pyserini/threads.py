"""The number of threads that this process may use, and the setting of it for all libraries.

Libraries count the machine's CPUs. In a container that may use two of 64 they start 64 threads, and
beside other busy processes their threads spin while they wait for one another. `set_threads` is
called by commands before numpy, torch and faiss are imported, since these read the environment
once. Nothing is set when the package is imported.
"""

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from i3_pyserini.system import PROC, cpus_by_affinity, lines

SELF = PROC / "self"
# OpenMP (torch, FAISS), OpenBLAS, MKL, Accelerate, Rayon (tokenizers), Polars.
NUMBERS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
# Threads that wait sleep at once. OpenBLAS: 2^4 cycles, its minimum.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}


def usable_cpus(process: Path = SELF) -> int:
    """The number of CPUs that this process may use, by affinity and by quotas of its cgroups.

    Args:
        process: the folder of `cgroup` and `mountinfo`.

    Returns:
        At least 1; a fraction of a CPU is rounded up.
    """
    quotas = [math.ceil(quota) for quota in _quotas(process)]
    return max(1, min([cpus_by_affinity(), *quotas]))


def thread_count(threads: int | None = None) -> int:
    """The number of threads to use.

    Args:
        threads: the number that was asked for; None for that of OMP_NUM_THREADS, or else one for
            each usable CPU.
    """
    if threads:
        return threads
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else usable_cpus()


def set_threads(
    threads: int | None = None, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Sets the environment variables of all libraries with threads, for this process and others.

    Args:
        threads: their number, whatever the variables are; None to keep variables that are set, and
            to set others to `thread_count()`.
        environment: the variables.
    """
    number = str(thread_count(threads))
    for name in NUMBERS:
        environment[name] = number if threads else environment.get(name, number)
    for name, value in WAITING.items():
        environment.setdefault(name, value)


def limit_loaded() -> None:
    """Lowers the numbers of threads of loaded libraries to the usable CPUs, unless a variable does.

    For programs that import libraries first, such as notebooks; commands have set them before.
    Covers OpenMP and BLAS, which FAISS and numpy use; for torch, see `limit_torch`.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (commands do not need it)

    cpus = usable_cpus()
    for library in ThreadpoolController().lib_controllers:
        if library.num_threads > cpus:
            library.set_num_threads(cpus)


def _quotas(process: Path) -> Iterator[float]:
    """The quotas, in CPUs, of the process's cgroups and of all groups that these are in."""
    groups = dict(_groups(process))
    for version, root, mount in _mounts(process):
        path = groups.get(version)
        if path is None:
            continue
        # In a container, the mount shows only a part of the hierarchy, from `root` on.
        inside = path.relative_to(root) if path.is_relative_to(root) else Path()
        for folder in (mount / inside, *(mount / parent for parent in inside.parents)):
            quota = _quota_2(folder) if version == 2 else _quota_1(folder)  # noqa: PLR2004
            if quota:
                yield quota


def _groups(process: Path) -> Iterator[tuple[int, Path]]:
    """The group of the process in each version of cgroups: `0::/PATH`, `1:cpu,cpuacct:/PATH`."""
    for line in lines(process / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield 2, Path(path)
        elif "cpu" in controllers.split(","):
            yield 1, Path(path)


def _mounts(process: Path) -> Iterator[tuple[int, Path, Path]]:
    """Version, root and mount point of hierarchies that can have quotas."""
    for line in lines(process / "mountinfo"):
        mount, _, kind = (part.split() for part in line.partition(" - "))
        if len(mount) < 5 or len(kind) < 3:  # noqa: PLR2004
            continue
        root, point = (Path(_unescaped(word)) for word in mount[3:5])
        if kind[0] == "cgroup2":
            yield 2, root, point
        elif kind[0] == "cgroup" and "cpu" in kind[2].split(","):
            yield 1, root, point


def _unescaped(word: str) -> str:
    r"""A path of mountinfo, which has `\040` for a blank."""
    for letter in " \t\n\\":
        word = word.replace(f"\\{ord(letter):03o}", letter)
    return word


def _quota_2(folder: Path) -> float | None:
    return _quotient(" ".join(lines(folder / "cpu.max")).split())


def _quota_1(folder: Path) -> float | None:
    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _quotient([" ".join(lines(folder / name)).strip() for name in files])


def _quotient(words: list[str]) -> float | None:
    """Quota by period, both in microseconds; None without a valid quota ("max", -1)."""
    if len(words) != 2 or not all(word.isdecimal() and int(word) for word in words):  # noqa: PLR2004
        return None
    return int(words[0]) / int(words[1])

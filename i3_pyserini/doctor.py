"""`python -m i3_pyserini.doctor`: one line for each thing that bites, with its fix."""

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.errors import run_command
from i3_pyserini.java import FIX, MODULE, OLDEST, find_java
from i3_pyserini.traps import ALWAYS, trap_words

OPENAI_REFUSES_EMPTY_KEY = (2, 33)


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        subject: what was looked at.
        state: what is there.
        fix: what to do; None if nothing is to be done.
    """

    subject: str
    state: str
    fix: str | None = None


def check_python() -> Finding:
    """Python's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    fix = None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed"
    return Finding("python", version, fix)


def check_java() -> Finding:
    """A runtime that stock Pyserini can start."""
    java, seen = find_java()
    if java is None:
        found = ", ".join(f"Java {other.version} in {other.home}" for other in seen) or "none"
        return Finding("java", f"none of version {OLDEST}+ with {MODULE} (found: {found})", FIX)
    state = f"{java.version} with {MODULE} ({java.source})"
    if java.source in ("JAVA_HOME", "java on the path"):
        return Finding("java", state)
    return Finding("java", state, f"stock commands need: export JAVA_HOME={java.home}")


def check_openai() -> Finding:
    """Whether pyserini can be imported without an OpenAI key."""
    pyserini, openai = _version("pyserini"), _version("openai")
    if pyserini is None:
        return Finding("pyserini", "not installed", "pip install pyserini")
    state = f"{pyserini}, openai {openai or 'not installed'}"
    too_new = openai is not None and _numbers(openai) >= OPENAI_REFUSES_EMPTY_KEY
    if _numbers(pyserini) < (2,) and too_new and not os.environ.get("OPENAI_API_KEY"):
        return Finding(
            "pyserini",
            state,
            "this pyserini cannot be imported with this openai: pip install 'openai<2.33'",
        )
    return Finding("pyserini", state)


def check_faiss() -> Finding:
    """FAISS, which stock Pyserini does not install by itself."""
    version = _version("faiss-cpu") or _version("faiss-gpu") or _version("faiss")
    fix = None if version else "pip install faiss-cpu"
    return Finding("faiss", version or "not installed", fix)


def check_torch() -> Finding:
    """The device that models run on."""
    import torch

    if torch.cuda.is_available():
        return Finding("torch", f"{torch.__version__}, {torch.cuda.get_device_name(0)}")
    return Finding("torch", f"{torch.__version__}, CPU with {torch.get_num_threads()} threads")


def check_network() -> Finding:
    """Whether models are taken from the hub or from disk only."""
    offline = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)]
    if offline:
        return Finding(
            "hub", f"offline by {', '.join(offline)}: models come from disk or the cache"
        )
    return Finding("hub", "asked for models that are not on disk")


def check_paths(paths: list[Path]) -> Iterator[Finding]:
    """Paths in which stock Pyserini would find another encoder's name."""
    for path in paths:
        found = ", ".join(trap_words(path))
        if trap_words(path, ALWAYS):
            fix = "rename it: stock Pyserini changes the vectors, whatever --encoder-class says"
        else:
            fix = "always give --encoder-class auto, or stock Pyserini takes another class"
        yield Finding(
            "path", f"{path} contains {found}" if found else f"{path}", fix if found else None
        )


def main() -> None:
    """Runs all checks; paths on the command line are checked too."""
    if set(sys.argv[1:]) & {"-h", "--help"}:
        print("usage: python -m i3_pyserini.doctor [PATH …]\n\nChecks this machine, and paths of")
        print("models and indexes for words that lead stock Pyserini astray.")
        return
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_java,
        check_openai,
        check_faiss,
        check_torch,
        check_network,
    ]
    findings = [check() for check in checks]
    findings += check_paths([Path(argument) for argument in sys.argv[1:]])
    for finding in findings:
        mark = "!" if finding.fix else "ok"
        print(f"{mark:<3} {finding.subject:<9} {finding.state}")
        if finding.fix:
            print(f"{'':<13} fix: {finding.fix}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


if __name__ == "__main__":
    run_command(main)

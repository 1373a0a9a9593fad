"""Finds a Java runtime that stock Pyserini can start.

Pyserini 1.6 and 2 start a virtual machine of Java 21 or newer with the module
`jdk.incubator.vector`; several packaged runtimes lack that module.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.processes import PIPE, STDOUT, run

OLDEST = 21
MODULE = "jdk.incubator.vector"
FIX = (
    "install Java 21 or newer with that module (Debian 13, Ubuntu 24.04: apt install "
    "openjdk-21-jre-headless), or the one on PyPI: pip install 'i3-pyserini[java]'"
)


@dataclass(frozen=True)
class Java:
    """A runtime.

    Attributes:
        home: its folder, for `JAVA_HOME`.
        source: how it was found.
        version: its major version; None if it does not start.
        has_module: whether it has `jdk.incubator.vector`.
    """

    home: Path
    source: str
    version: int | None
    has_module: bool

    @property
    def suits(self) -> bool:
        """Whether Pyserini can start it."""
        return self.version is not None and self.version >= OLDEST and self.has_module


def find_java() -> tuple[Java | None, list[Java]]:
    """The first suitable runtime, and all candidates.

    Candidates in this order: `JAVA_HOME`, `java` on the path, the usual folders of distributions,
    the runtime of the PyPI package `arcadedb-embedded`.
    """
    seen: list[Java] = []
    for source, home in _candidates():
        if home not in [java.home for java in seen]:
            seen.append(_look_at(home, source))
            if seen[-1].suits:
                return seen[-1], seen
    return None, seen


def java_environment() -> dict[str, str]:
    """The environment variables that stock Pyserini needs here beyond those that are set.

    {} if the runtime it would take by itself is suitable, or if none is.
    """
    java, _ = find_java()
    if java is None or java.source in ("JAVA_HOME", "java on the path"):
        return {}
    return {"JAVA_HOME": str(java.home)}


def set_java() -> None:
    """Sets `JAVA_HOME` for this process if the Java that Pyserini would take does not suit it.

    Raises:
        I3Error: no runtime here suits it.
    """
    java, seen = find_java()
    if java is None:
        found = "; ".join(f"{other.home}: Java {other.version}" for other in seen) or "none"
        raise I3Error(f"Pyserini needs Java {OLDEST} or newer with {MODULE}; found {found}. {FIX}")
    os.environ.update(java_environment())


def _candidates() -> Iterator[tuple[str, Path]]:
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home)
    if java := shutil.which("java"):
        yield "java on the path", Path(java).resolve().parent.parent
    for folder in sorted(Path("/usr/lib/jvm").glob("*"), reverse=True):
        if (folder / "bin" / "java").exists():
            yield "/usr/lib/jvm", folder.resolve()
    spec = find_spec("arcadedb_embedded")
    if spec is not None and spec.origin is not None:
        yield "arcadedb-embedded", Path(spec.origin).parent / "jre"


@cache  # starts Java twice
def _look_at(home: Path, source: str) -> Java:
    java = home / "bin" / "java"
    said = re.search(r'version "(?:1\.)?(\d+)', _output(java, "-version"))
    modules = _output(java, "--list-modules") if said else ""
    return Java(home, source, int(said[1]) if said else None, MODULE in modules)


def _output(java: Path, argument: str) -> str:
    try:
        return run([str(java), argument], stdout=PIPE, stderr=STDOUT, timeout=30).stdout
    except OSError:
        return ""

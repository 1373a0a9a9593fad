"""Finds a Java runtime that stock Pyserini can start.

Pyserini 1.6 and 2 start a virtual machine of Java 21 or newer with the module
`jdk.incubator.vector`; several packaged runtimes lack that module.
"""

import os
import platform
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
NEEDED = f"Java {OLDEST} or newer with {MODULE}"
PYPI = 'pip install "i3-pyserini[java]"'  # these quotes work in every shell, cmd.exe included
APT = f"apt install openjdk-{OLDEST}-jre-headless"
PATH = "java on the path"


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

    def __str__(self) -> str:
        if self.version is None:
            return f"{self.home}, which does not start"
        lacks = "" if self.has_module or self.version < OLDEST else f" without {MODULE}"
        return f"Java {self.version}{lacks} in {self.home}"


def find_java() -> tuple[Java | None, list[Java]]:
    """The first suitable runtime, and all candidates.

    Candidates in this order: `JAVA_HOME`, `java` on the path, the usual folders of the system,
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
    java, seen = find_java()
    # A JAVA_HOME that does not suit comes before a java on the path that does.
    if java is None or (java is seen[0] and java.source in ("JAVA_HOME", PATH)):
        return {}
    return {"JAVA_HOME": str(java.home)}


def set_java() -> None:
    """Sets `JAVA_HOME` for this process if the Java that Pyserini would take does not suit it.

    Raises:
        I3Error: no runtime here suits it.
    """
    java, seen = find_java()
    if java is None:
        found = "; ".join(map(str, seen)) or "none"
        raise I3Error(f"Pyserini needs {NEEDED}; found {found}. Fix: {java_advice()}")
    os.environ.update(java_environment())


def java_advice() -> str:
    """How to install a suitable runtime on this system."""
    system, machine = platform.system(), platform.machine()
    if system == "Darwin" and machine != "arm64":  # arcadedb-embedded has no wheel for it
        return f"brew install openjdk@{OLDEST} (not tried)"
    try:
        release = platform.freedesktop_os_release() if system == "Linux" else {}
    except OSError:  # a Linux without /etc/os-release
        release = {}
    name, version = release.get("ID"), release.get("VERSION_ID", "")
    if name == "debian" and version == "13":
        return f"{APT}; or without root: {PYPI}"
    if name == "debian" and version == "12":
        return f"{PYPI} (Debian 12 has no Java {OLDEST})"
    if name == "ubuntu":
        return f"{PYPI}; or, not tried on Ubuntu: {APT}"
    return PYPI


def _candidates() -> Iterator[tuple[str, Path]]:
    if home := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home)
    if java := shutil.which("java"):
        yield PATH, _home_of(Path(java).resolve())
    for folder, pattern in _folders():
        for java_there in sorted(folder.glob(f"{pattern}/bin/{_program()}"), reverse=True):
            yield str(folder), java_there.parent.parent.resolve()
    spec = find_spec("arcadedb_embedded")
    if spec is not None and spec.origin is not None:
        yield "arcadedb-embedded", Path(spec.origin).parent / "jre"


def _folders() -> list[tuple[Path, str]]:
    """Where this system has its runtimes, and their homes in there.

    Those of macOS and Windows follow the installers' documentation; they were not run there.
    """
    if platform.system() == "Darwin":
        installed = [root / "Library/Java/JavaVirtualMachines" for root in (Path("/"), Path.home())]
        brewed = [Path("/opt/homebrew/opt"), Path("/usr/local/opt")]
        return [
            *((folder, "*/Contents/Home") for folder in installed),
            *((folder, "openjdk*/libexec/openjdk.jdk/Contents/Home") for folder in brewed),
        ]
    if platform.system() == "Windows":  # VENDOR\\RUNTIME
        return [(Path(os.environ.get("PROGRAMFILES", "C:/Program Files")), "*/*")]
    return [(Path("/usr/lib/jvm"), "*")]


def _program() -> str:
    return "java.exe" if platform.system() == "Windows" else "java"


def _home_of(java: Path) -> Path:
    """The home of a program, which may only start the real one, as /usr/bin/java on macOS does."""
    home = java.parent.parent
    if (home / "lib" / "modules").is_file():
        return home
    said = re.search(r"java\.home = (.+)", _output(java, "-XshowSettings:properties", "-version"))
    return Path(said[1].strip()) if said else home


@cache  # starts Java twice
def _look_at(home: Path, source: str) -> Java:
    java = home / "bin" / _program()
    said = re.search(r'version "(?:1\.)?(\d+)', _output(java, "-version"))
    modules = _output(java, "--list-modules") if said else ""
    return Java(home, source, int(said[1]) if said else None, MODULE in modules)


def _output(java: Path, *arguments: str) -> str:
    try:
        return run([str(java), *arguments], stdout=PIPE, stderr=STDOUT, timeout=30).stdout
    except OSError:
        return ""

"""Runs stock Pyserini and its Anserini, and builds Lucene indexes.

They run in processes of their own, since importing pyserini starts a Java virtual machine.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import cannot_write, locked, publish_folder, unfinished
from i3_pyserini.formats.index import IndexManifest
from i3_pyserini.processes import python, run_or_fail
from i3_pyserini.stock import offline
from i3_pyserini.stock.java import MODULE, NEEDED, Java, find_java, java_advice, java_environment

JARS = Path("resources") / "jars"
INDEXED = re.compile(r"\bindexed:\s+([\d,]+)")


def run_pyserini(module: str, *arguments: str) -> str:
    """Runs `python -m MODULE`; what it prints is shown only if it fails.

    Returns:
        What it printed.

    Raises:
        I3Error: there is no suitable Java, or it failed.
    """
    _java()
    return _run(python(offline.MODULE, module, *arguments), f"python -m {module}")


def run_anserini(main: str, *arguments: str) -> str:
    """Runs a main class of the Anserini that Pyserini brings; see `run_pyserini`.

    Args:
        main: the class's full name.
        arguments: its arguments.
    """
    java = str(_java().home / "bin" / "java")
    jar = ["--add-modules", MODULE, "-cp", str(find_jar()), main]
    return _run([java, *jar, *arguments], main)


def find_jar() -> Path:
    """Anserini's jar, found without importing pyserini.

    Raises:
        I3Error: Pyserini is not installed, or has none.
    """
    spec = find_spec("pyserini")
    folders = (spec.submodule_search_locations or []) if spec else []
    jars = [jar for folder in folders for jar in sorted((Path(folder) / JARS).glob("*fatjar.jar"))]
    if not jars:
        raise I3Error("Anserini not found: pip install pyserini")
    return jars[-1]


def count_indexed(output: str) -> int:
    """The number of passages that Anserini says it has indexed; it ends well after errors, too.

    Raises:
        I3Error: it does not say.
    """
    found = INDEXED.search(output)
    if not found:
        raise I3Error("Anserini did not report the number of indexed passages")
    return int(found[1].replace(",", ""))


@contextmanager
def new_lucene_index(index: Path, known: IndexManifest) -> Iterator[tuple[Path, Path]]:
    """A Lucene index in the making; it has its name when it is complete.

    Args:
        index: the directory, which must not exist.
        known: its manifest.

    Yields:
        An empty folder for the texts to index, and the name that the index is to be made under.

    Raises:
        I3Error: another process is at work there, or it cannot be written.
    """
    partial = unfinished(index.resolve())
    texts, made = partial / "texts", partial / "index"
    try:
        with locked(partial):
            try:
                for folder in (texts, made):
                    shutil.rmtree(folder, ignore_errors=True)
                texts.mkdir()
                yield texts, made
                replace(known, pyserini=version("pyserini")).write(made)
                publish_folder(made, index)
            except OSError as error:
                raise cannot_write(index, error) from error
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    finally:  # Windows has kept the folder of the lock
        with suppress(OSError):
            partial.rmdir()


def _java() -> Java:
    java, _ = find_java()
    if java is None:
        raise I3Error(f"Pyserini's Lucene needs {NEEDED}: {java_advice()}")
    return java


def _run(command: list[str], name: str) -> str:
    return run_or_fail(command, f"{name} failed", variables=java_environment(), quiet=True)

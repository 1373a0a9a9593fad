"""A small real collection that needs no download: the docstrings of installed Python packages.

A passage is the body of a docstring under its qualified name; its query is the docstring's summary
line, which is taken out of the passage. Sources are parsed, never imported or run, so nothing
happens but reading. For given package versions the collection is always the same.
"""

import ast
import inspect
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SKIPPED_FOLDERS = {"tests", "test", "testing", "_vendor", "site-packages", "idlelib", "lib2to3"}
SUMMARY_WORDS = range(4, 31)
DESCRIPTION_WORDS = 20


@dataclass(frozen=True)
class Docstring:
    """One documented module, class or function.

    Attributes:
        name: qualified name, such as `numpy.linalg.svd`: the passage's id and title.
        summary: the docstring's first paragraph: the query.
        description: all that follows: the passage's text.
    """

    name: str
    summary: str
    description: str


def collect_docstrings(packages: Sequence[str]) -> list[Docstring]:
    """Collects the docstrings of packages that are installed.

    Args:
        packages: top-level names; "stdlib" stands for Python's own library. Those that are not
            installed are passed over.

    Returns:
        Public names only, with a summary of 4 to 30 words and a description of at least 20, in
        the order of file and line. A summary or description that was seen before is left out,
        so that each query has exactly one answer.
    """
    seen: set[str] = set()
    names: set[str] = set()
    collection = []
    for package in packages:
        for root, file in _source_files(package):
            for docstring in _docstrings_of(file, _module_name(root, file)):
                texts = {docstring.summary.lower(), docstring.description}
                if docstring.name not in names and not texts & seen:
                    names.add(docstring.name)
                    seen |= texts
                    collection.append(docstring)
    return collection


def _source_files(package: str) -> Iterator[tuple[Path, Path]]:
    """Yields (folder that the module name starts from, source file), in name order."""
    if package == "stdlib":
        root = Path(sysconfig.get_path("stdlib"))
        folders = [
            path
            for path in sorted(root.iterdir())
            if path.stem in sys.stdlib_module_names and not path.stem.startswith("_")
        ]
    else:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            return
        root = Path(spec.origin).parent.parent
        folders = [root / package]
    for folder in folders:
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]
        for file in files:
            if file.suffix == ".py" and not SKIPPED_FOLDERS & set(file.relative_to(root).parts):
                yield root, file


def _module_name(root: Path, file: Path) -> str:
    """The module's public name: private parts are an implementation's (`scipy.fft._basic`)."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(part for part in parts if not part.startswith("_"))


def _docstrings_of(file: Path, module: str) -> Iterator[Docstring]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, ValueError):  # a package may ship broken examples
        return
    yield from _walk(tree, module)


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _walk(node: Documented, name: str) -> Iterator[Docstring]:
    docstring = _split(name, ast.get_docstring(node, clean=False) or "")
    if docstring is not None:
        yield docstring
    if not isinstance(node, (ast.Module, ast.ClassDef)):
        return
    for child in node.body:
        if isinstance(
            child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not child.name.startswith("_"):
            yield from _walk(child, f"{name}.{child.name}")


def _split(name: str, docstring: str) -> Docstring | None:
    summary, _, description = inspect.cleandoc(docstring).partition("\n\n")
    summary, description = " ".join(summary.split()), " ".join(description.split())
    long_enough = len(description.split()) >= DESCRIPTION_WORDS
    if len(summary.split()) not in SUMMARY_WORDS or not long_enough:
        return None
    return Docstring(name, summary, description)

"""The docstrings of installed packages as a collection: corpus, topics and qrels in files."""

import ast
import hashlib
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.qrels import write_qrels
from i3_pyserini.formats.topics import write_topics

PACKAGES = ("stdlib", "numpy")
PARTS = 10
SPLITS = {"dev": range(1), "test": range(1, 3), "train": range(3, PARTS)}
SKIPPED_FOLDERS = {"tests", "test", "testing", "_vendor", "site-packages", "idlelib", "lib2to3"}
SUMMARY_WORDS = range(4, 31)
DESCRIPTION_WORDS = 20


def write_collection(
    directory: Path,
    packages: Sequence[str] = PACKAGES,
    limit: int | None = None,
    splits: Mapping[str, range] = SPLITS,
) -> dict[str, int]:
    """Writes `corpus/corpus.jsonl`, and `topics.SPLIT.tsv` and `qrels.SPLIT.txt` for three splits.

    A passage has `id`, `title` (the name) and `text` (the description), and both in `contents`,
    which is what Anserini indexes. Which split a query belongs to depends on nothing but its name.

    Args:
        directory: folder for the files.
        packages: whose docstrings; see `collect_docstrings`.
        limit: maximum number of passages, chosen by a hash of their names. Default: all.
        splits: which of `PARTS` parts of the queries belong to a split.

    Returns:
        Number of queries by split, and of passages under "passages".
    """
    collection = collect_docstrings(packages)
    if limit is not None:
        kept = set(sorted((entry.name for entry in collection), key=_hash)[:limit])
        collection = [entry for entry in collection if entry.name in kept]
    with new_file(directory / "corpus" / "corpus.jsonl", overwrite=True) as corpus:
        for entry in collection:
            record = {
                "id": entry.name,
                "title": entry.name,
                "text": entry.description,
                "contents": f"{entry.name}\n{entry.description}",
            }
            corpus.write(json.dumps(record) + "\n")
    counts = {"passages": len(collection)}
    for split, parts in splits.items():
        chosen = [entry for entry in collection if _part(entry) in parts]
        with new_file(directory / f"topics.{split}.tsv", overwrite=True) as file:
            write_topics(file, ((entry.name, entry.summary) for entry in chosen))
        with new_file(directory / f"qrels.{split}.txt", overwrite=True) as file:
            write_qrels(file, ((entry.name, entry.name, 1) for entry in chosen))
        counts[split] = len(chosen)
    return counts


def _part(entry: "Docstring") -> int:
    return int(_hash(entry.name), 16) % PARTS


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


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

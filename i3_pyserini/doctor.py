"""Checks for common problems of a machine, a model or an index, with fixes."""

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from i3_pyserini.encode.summary import holds, stock_search
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.paths import AnyPath
from i3_pyserini.formats.records import MANIFEST
from i3_pyserini.model.declared import declared
from i3_pyserini.model.exported import is_exported
from i3_pyserini.model.fingerprint import fingerprint
from i3_pyserini.model.settings import in_words
from i3_pyserini.stock.encoders import ALWAYS, trap_words
from i3_pyserini.stock.java import MODULE, NEEDED, find_java, java_advice, java_environment

OPENAI_REFUSES_EMPTY_KEY = (2, 33)


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        subject: what was checked.
        state: the result.
        fix: how to fix it; None if nothing is wrong.
    """

    subject: str
    state: str
    fix: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks.

    Attributes:
        findings: one for each check.
    """

    findings: Sequence[Finding]

    def __str__(self) -> str:
        lines = []
        for finding in self.findings:
            mark = "!" if finding.fix else "ok"
            lines.append(f"{mark:<3} {finding.subject:<9} {finding.state}")
            if finding.fix:
                lines.append(f"{'':<13} fix: {finding.fix}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """A list of objects with subject, state and fix."""
        return json.dumps([asdict(finding) for finding in self.findings], ensure_ascii=False)


def check_python() -> Finding:
    """Python's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    fix = None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed"
    return Finding("python", version, fix)


def check_java() -> Finding:
    """A runtime that stock Pyserini can start."""
    java, seen = find_java()
    if java is None:
        found = ", ".join(map(str, seen)) or "none"
        return Finding("java", f"no {NEEDED} (found: {found})", java_advice())
    state = f"{java.version} with {MODULE} ({java.source})"
    if not java_environment():
        return Finding("java", state)
    setting = "set" if platform.system() == "Windows" else "export"
    return Finding("java", state, f"stock commands need: {setting} JAVA_HOME={java.home}")


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
    """The default device of models."""
    import torch

    from i3_pyserini.model.devices import first_gpu

    gpu = first_gpu()
    if gpu is not None:
        name = "Apple's GPU (mps)" if gpu == "mps" else torch.cuda.get_device_name(0)
        return Finding("torch", f"{torch.__version__}, {name}")
    return Finding("torch", f"{torch.__version__}, CPU with {torch.get_num_threads()} threads")


def check_network() -> Finding:
    """Whether models are loaded from the hub or only from disk."""
    offline = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)]
    if offline:
        return Finding(
            "hub", f"offline by {', '.join(offline)}: models come from disk or the cache"
        )
    return Finding("hub", "asked for models that are not on disk")


def check_paths(paths: list[Path]) -> Iterator[Finding]:
    """Paths with words by which stock Pyserini selects another encoder class."""
    for path in paths:
        found = ", ".join(trap_words(path))
        state = f"{path} contains {found}" if found else f"{path}"
        state += "" if path.exists() else " (does not exist)"
        if trap_words(path, ALWAYS):
            fix = "rename it: stock Pyserini changes the vectors, even with --encoder-class"
        else:
            fix = "always pass --encoder-class auto; otherwise stock Pyserini uses another class"
        yield Finding("path", state, fix if found else None)


def check_model(path: Path) -> Finding:
    """The encoder settings of a model, without flags."""
    from i3_pyserini.encode.query_encoders import kind_of, settings_of_model

    try:
        settings = settings_of_model(str(path))
        kind = kind_of(str(path))
        declares = kind == "i3" or is_exported(path) or bool(declared(str(path)))
    except I3Error as error:
        return Finding("model", f"{path}", str(error))
    origin = "" if declares else " (Pyserini's defaults: the model declares nothing)"
    cut = f", queries {settings.query_length} ids" if settings.query_length else ""
    return Finding("model", f"{path}: {in_words(settings)}{cut}{origin}")


def check_index(path: Path, model: Path | None = None) -> Iterator[Finding]:
    """The settings of an index, and the command to search it with stock Pyserini.

    Args:
        path: the index.
        model: a model to compare with the one in the manifest; None for no comparison.
    """
    try:
        manifest = read_manifest(path)
        line = holds(manifest)
        command = stock_search(path, manifest, java_environment())
    except I3Error as error:
        yield Finding("index", f"{path}", str(error))
        return
    if line is None:
        fix = "give the model, pooling and the like as for its passages when you search"
        yield Finding("index", f"{path}: its manifest does not record how it was encoded", fix)
        return
    made_by = manifest.encoder
    other: str | None = None
    known, own = made_by.fingerprint, None if model is None else fingerprint(model)
    if known and own and known != own:
        other = f"{model} is not the model that encoded it ({made_by.name})"
    yield Finding("index", f"{path}: {line}", other)
    for words in made_by.contradicted or ():
        yield Finding("index", f"{path}: a flag overrides the model's declaration ({words})")
    if command:
        yield Finding("search", command)


def check_directories(paths: list[Path]) -> Iterator[Finding]:
    """The settings of models and indexes among the given paths."""
    indexes = [path for path in paths if (path / "docid").is_file() or (path / MANIFEST).is_file()]
    models = [path for path in paths if (path / "config.json").is_file() and path not in indexes]
    yield from (check_model(path) for path in models)
    for path in indexes:
        yield from check_index(path, models[0] if models else None)


def check_tokenizers(paths: list[Path]) -> Iterator[Finding]:
    """Whether stock Pyserini reads a model's tokenizer as declared in the model's own files."""
    models = [path for path in paths if (path / "config.json").is_file()]
    if not models:
        return
    from i3_pyserini.model.tokenizer_check import FIX, check_tokenizer

    for path in models:
        try:
            found = check_tokenizer(str(path))
        except I3Error as error:
            yield Finding("tokenizer", f"{path}", str(error))
            continue
        alike = "transformers reads it as declared in its files"
        yield Finding("tokenizer", f"{path}: {found or alike}", FIX if found else None)


def diagnose(paths: Sequence[AnyPath] = ()) -> Diagnosis:
    """Checks this machine, models and indexes.

    For a model, prints its settings and whether transformers reads its tokenizer as declared. For
    an index, prints how it was encoded and the command to search it with stock Pyserini. Reports
    words in paths by which stock Pyserini selects another encoder class.

    Args:
        paths: models, indexes, and planned names of models.

    Returns:
        The results; prints one line per check, with fixes.
    """
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_java,
        check_openai,
        check_faiss,
        check_torch,
        check_network,
    ]
    findings = [check() for check in checks]
    named = [Path(path) for path in paths]
    findings += [*check_paths(named), *check_directories(named), *check_tokenizers(named)]
    return Diagnosis(findings)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())

"""Imports collections."""

from collections.abc import Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.data.sources import Source

HUB = "hf:"


def import_collection(
    source: NameOrPath,
    *,
    output: AnyPath,
    name: str | None = None,
    topics: Mapping[str, AnyPath] | Sequence[str] = (),
    qrels: Mapping[str, AnyPath] | Sequence[str] = (),
    drop_unknown: bool = False,
    duplicates: Literal["refuse", "max"] = "refuse",
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Imports a collection, and checks all passages, topics and judgments.

    Args:
        source: a BEIR folder, a folder in our layout, a corpus file (JSONL, CSV, TSV or Parquet;
            plain, gzip or zstd), an ir_datasets id, or hf:NAME for a Hugging Face dataset.
        output: the folder to write.
        name: name of the collection in manifests and model cards. Default: that of the source.
        topics: topics files by split, as a mapping or as words SPLIT=FILE; only with a corpus file.
        qrels: qrels files by split, in the same form.
        drop_unknown: drop judgments of unknown passages and queries, and count them.
        duplicates: for a passage judged twice for a query with different levels: "refuse" the
            judgments, or use the highest level ("max").
        overwrite: replace an existing folder.
        corpus_options: how to read the corpus; only with a corpus file.

    Returns:
        The folder.

    Raises:
        I3Error: the source cannot be read or is invalid, or the folder exists.
    """
    splits = _by_split("topics", topics), _by_split("qrels", qrels)
    found = _source(fspath(source), *splits, corpus_options)
    from i3_pyserini.data.collection import write_collection

    found.name, found.duplicates = name or found.name, duplicates
    folder = Path(output)
    return Written(folder, str(write_collection(found, folder, overwrite, drop_unknown)))


def _source(
    source: str, topics: dict[str, Path], qrels: dict[str, Path], options: CorpusOptions
) -> "Source":
    from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
    from i3_pyserini.data.sources.named import HubDataset, IrDataset

    path = Path(source)
    if path.is_file():
        return PlainFiles(path, topics, qrels, options)
    if topics or qrels or options != USUAL:
        raise I3Error(
            f"{source}: is not a file; topics, qrels and options of the corpus require a corpus "
            "file"
        )
    if source.startswith(HUB):
        return HubDataset(source.removeprefix(HUB))
    if (path / "corpus").is_dir():
        return LayoutFolder(path)
    return BeirFolder(path) if path.is_dir() else IrDataset(source)


def _by_split(option: str, files: Mapping[str, AnyPath] | Sequence[str]) -> dict[str, Path]:
    if isinstance(files, Mapping):
        return {name: Path(path) for name, path in files.items()}
    found: dict[str, Path] = {}
    for word in files:
        name, _, path = word.partition("=")
        if not (name and path):
            raise I3Error(f"{option} {word}: expected SPLIT=FILE, such as train=FILE")
        if name in found:
            raise I3Error(f"{option} {word}: split {name!r} is given twice")
        found[name] = Path(path)
    return found

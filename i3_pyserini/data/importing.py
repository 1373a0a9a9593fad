"""Imports collections."""

from collections.abc import Mapping, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.corpus_options import USUAL, CorpusOptions
from i3_pyserini.formats.languages import differs, language_code, language_name, language_tag
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written

if TYPE_CHECKING:
    from i3_pyserini.data.sources import Source

HUB = "hf:"


def import_collection(
    source: NameOrPath,
    *,
    output: AnyPath,
    name: str | None = None,
    language: str | None = None,
    topics: Mapping[str, AnyPath] | Sequence[str] = (),
    qrels: Mapping[str, AnyPath] | Sequence[str] = (),
    drop_unknown: bool = False,
    duplicates: Literal["refuse", "max"] = "refuse",
    keep: Sequence[str] | str = (),
    strip_html: bool = False,
    make_ids: bool = False,
    overwrite: bool = False,
    corpus_options: CorpusOptions = USUAL,
) -> Written:
    """Imports a collection, and checks all passages, topics and judgments.

    Args:
        source: a BEIR folder, a folder in our layout, a corpus file (JSONL, CSV, TSV or Parquet;
            plain, gzip or zstd), an ir_datasets id, or hf:NAME for a Hugging Face dataset.
        output: the folder to write.
        name: name of the collection in manifests and model cards. Default: that of the source.
        language: language of the passages, such as de, ja or zh-Hant, for BM25 and the search page.
            Default: what the source declares, as MIRACL's data sets do.
        topics: topics files by split, as a mapping or as words SPLIT=FILE; only with a corpus file.
        qrels: qrels files by split, in the same form.
        drop_unknown: drop judgments of unknown passages and queries, and count them.
        duplicates: for a passage judged twice for a query with different levels: "refuse" the
            judgments, or use the highest level ("max").
        keep: further fields of the passages to keep as metadata, such as price,url; of files and
            folders.
        strip_html: remove HTML markup from titles and texts.
        make_ids: make ids from titles and texts, for files without usable ids; the same title and
            text have the same id in every import.
        overwrite: replace an existing folder.
        corpus_options: how to read the corpus; only with a corpus file.

    Returns:
        The folder.

    Raises:
        I3Error: the source cannot be read or is invalid, or the folder exists.
    """
    if language is not None:
        language = language_tag(language)
    splits = _by_split("topics", topics), _by_split("qrels", qrels)
    found = _source(fspath(source), *splits, corpus_options)
    from i3_pyserini.data.collection import refuse_inputs_in, write_collection
    from i3_pyserini.data.preparing import Prepared
    from i3_pyserini.formats.metadata import names_of

    found.name, found.duplicates = name or found.name, duplicates
    found.language = _language(found, language)
    found.keep, found.make_ids = names_of(keep) or found.keep, make_ids
    spoken = f" in {language_name(language_code(found.language))}" if found.language else ""
    _check_reading(found, corpus_options, splits[1])
    folder = Path(output)
    inputs = [source, *splits[0].values(), *splits[1].values()]
    refuse_inputs_in(folder, [path for one in inputs if (path := Path(one)).exists()])
    prepared = Prepared(found, strip_html)
    findings = write_collection(prepared, folder, overwrite, drop_unknown)
    for what in (*prepared.notes, *_unread(found)):
        note(f"{found.origin}: {what}")
    return Written(folder, f"collection {found.name!r}{spoken}: {findings}")


def _language(source: "Source", given: str | None) -> str | None:
    """The option, or what the source declares; a contradiction is noted."""
    declared = source.language
    if given and declared and differs(declared, language_code(given)):
        note(f"{source.origin}: declares {declared}, but language is {given}, which is recorded")
    return given or declared


def _unread(source: "Source") -> list[str]:
    """A note on columns of a table that were left out."""
    from i3_pyserini.data.sources.folders import PlainFiles
    from i3_pyserini.formats.passage_fields import listed

    names = source.unread_columns() if isinstance(source, PlainFiles) else []
    if not names:
        return []
    return [f"columns left out: {listed(names)}; for them: --title-field, --text-field or --keep"]


def _source(
    source: str, topics: dict[str, Path], qrels: dict[str, Path], options: CorpusOptions
) -> "Source":
    from i3_pyserini.data.sources.folders import BeirFolder, LayoutFolder, PlainFiles
    from i3_pyserini.data.sources.named import HubDataset, IrDataset
    from i3_pyserini.formats.corpus_files import COMPRESSED, FORMATS
    from i3_pyserini.formats.folder_manifest import chunks_of

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
        if chunks_of(path) is not None:
            raise I3Error(f"{path}: windows, which are read as they are; import the documents")
        return LayoutFolder(path)
    if not path.is_dir() and path.suffix.lower() in (*FORMATS, *COMPRESSED):
        raise I3Error(f"{source}: no such file")
    return BeirFolder(path) if path.is_dir() else IrDataset(source)


def _check_reading(source: "Source", options: CorpusOptions, qrels: Mapping[str, Path]) -> None:
    """Refuses options that the source does not have, or that contradict each other."""
    from i3_pyserini.data.sources.folders import PlainFiles
    from i3_pyserini.data.sources.named import HubDataset, IrDataset

    if (source.keep or source.make_ids) and isinstance(source, HubDataset | IrDataset):
        raise I3Error(f"{source.origin}: keep and make_ids are for files and folders")
    if source.make_ids and options.docid_field is not None:
        raise I3Error("make_ids and docid_field cannot be combined")
    if source.make_ids and (qrels or not isinstance(source, PlainFiles)):
        raise I3Error(f"{source.origin}: its judgments name passages by their ids; omit make_ids")


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

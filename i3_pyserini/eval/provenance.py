"""What made the runs of an evaluation, and what of them does not go together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.datasets import PRESETS
from i3_pyserini.formats.folder_manifest import named_collection
from i3_pyserini.formats.index import read_manifest
from i3_pyserini.formats.metadata_files import as_yaml
from i3_pyserini.formats.run_facts import (
    TITLED,
    HasMetadata,
    collection_note,
    collection_words,
    in_words,
    index_collection,
    mismatches,
    shared_collection,
    topics_words,
)
from i3_pyserini.formats.run_metadata import CollectionRecord, RunMetadata


@dataclass(frozen=True)
class Provenance:
    """What made runs.

    Attributes:
        runs: the metadata of each run, by its name; None if it is unknown.
        searched: what all of them searched; None if it is unknown, or not the same.
        notes: what does not go together, and what is unknown where it matters.
        topics: their topics, in words; None if they are unknown, or not the same.
    """

    runs: Mapping[str, RunMetadata | None]
    searched: CollectionRecord | None
    notes: Sequence[str]
    topics: str | None = None

    @property
    def collection(self) -> str | None:
        """What all of them searched, in words."""
        return None if self.searched is None else collection_words(self.searched)

    def lines(self) -> list[str]:
        """What made each run, in a line; none if nothing is known of any."""
        if not any(self.runs.values()):
            return []
        shared = [f"topics: {self.topics}"] if self.topics else []
        return shared + [f"{name}: {in_words(metadata)}" for name, metadata in self.runs.items()]

    def in_full(self) -> list[str]:
        """All that is known of each run, as YAML."""
        return [
            f"{name}: {in_words(None)}\n"
            if metadata is None
            else f"{name}:\n" + "".join(f"  {line}\n" for line in as_yaml(metadata).splitlines())
            for name, metadata in self.runs.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """All that is known, by run; null for a run of which nothing is."""
        return {
            name: None if metadata is None else metadata.to_json()
            for name, metadata in self.runs.items()
        }


def provenance_of(
    runs: Sequence[HasMetadata],
    qrels: Any,
    presets: Sequence[str] = (),
    index: Path | None = None,
) -> Provenance:
    """What made runs, compared with each other, with the qrels and with an index.

    Args:
        runs: the runs.
        qrels: their file; something else says nothing of a collection.
        presets: names of the presets in use.
        index: the index that was searched, for runs that do not say it.

    Raises:
        I3Error: the index does not record its collection.
    """
    given = None if index is None else collection_of_index(index)
    notes = mismatches(runs)
    if given is not None:
        notes += [one for run in runs for one in collection_note(run, given, f"that of {index}")]
    notes += _qrels_note(runs, qrels)
    known = [run.metadata.collection for run in runs if run.metadata]
    notes += collection_notes(presets, [given] if given else known)
    topics = {topics_words(one) for one in known}
    return Provenance(
        {run.name: run.metadata for run in runs},
        shared_collection(runs) if known else given,
        notes,
        topics.pop() if len(topics) == 1 else None,
    )


def collection_of_index(index: Path) -> CollectionRecord:
    """The collection of an index.

    Raises:
        I3Error: its manifest does not record it.
    """
    manifest = read_manifest(index)
    found = index_collection(manifest, manifest.passages)
    if collection_words(found) is None or found.passages is None:
        raise I3Error(f"{index}: not an index of this package; its collection is unknown")
    return found


def collection_notes(presets: Sequence[str], known: Sequence[CollectionRecord]) -> list[str]:
    """Notes about the collection, for comparison with published scores.

    Args:
        presets: names of the presets in use.
        known: the collections that were searched, as far as they are known.
    """
    wholes = {whole for name in presets if (whole := PRESETS[name].passages)}
    if not wholes:
        return []
    sizes = {collection_words(one): one.passages for one in known}
    parts = {name: size for name, size in sizes.items() if name and size is not None}
    if not parts:
        return [
            "the collection is unknown: official and titled MS MARCO, or a part of it, give "
            "different scores; the runs do not say what was searched, so give the index (--index)"
        ]
    return [
        f"{name} is a part of the collection, which has {whole:,} passages: the scores are not "
        "comparable with published ones"
        for whole in sorted(wholes)
        for name, size in parts.items()
        if size < whole
    ]


def _qrels_note(runs: Sequence[HasMetadata], qrels: Any) -> Iterator[str]:
    """A note if the folder of the qrels names another collection than runs do."""
    if not isinstance(qrels, str | PathLike) or not Path(qrels).is_file():
        return
    judged = named_collection(Path(qrels).resolve().parent)
    names = {run.name: run.metadata.collection.name for run in runs if run.metadata}
    others = {run: name for run, name in names.items() if name and judged and name != judged}
    for run, name in others.items():
        same = f"; {' and '.join(sorted(TITLED))} have the same ids, but not the same texts"
        yield (
            f"{run} searched {name}, but {qrels} is of {judged}"
            f"{same if {name, judged} == TITLED else ''}"
        )

"""A collection that looks for leaks while it is read."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from i3_pyserini.data.leakage import Leaks, PassageLeaks, query_leaks
from i3_pyserini.data.sources.folders import LayoutFolder
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.passage_fields import Passage


class WatchedFolder(LayoutFolder):
    """A folder whose passages are compared with its queries in the pass that reads them.

    Args:
        folder: see `LayoutFolder`.
        overlap: see `NearTexts`.

    Raises:
        I3Error: see `LayoutFolder`; or topics or judgments cannot be read.
    """

    def __init__(self, folder: Path, overlap: float) -> None:
        super().__init__(folder)
        self._overlap = overlap
        self._texts = {
            name: {topic.qid: topic.query for topic in self.topics(name)} for name in self.splits()
        }
        files = Manifest.of(folder).files
        records = {name: files.get(path.name) for name, path in self.topic_files.items()}
        self._whole = {name: record.part_of for name, record in records.items() if record}
        relevant = {name: self._relevant(name) for name in self.splits()}
        self._passages = PassageLeaks(self._texts, relevant, overlap)

    def passages(self) -> Iterator[tuple[str, Passage]]:
        """See `Source`."""
        return self._passages.passing(super().passages())

    def leaks(self) -> Leaks:
        """All leaks, after all passages have been read."""
        found = [
            leak
            for leak in query_leaks(self._texts, self._overlap)
            if leak.other_split != self._whole.get(leak.split)
        ]
        found += self._passages.found
        return Leaks(found, {name: len(texts) for name, texts in self._texts.items()})

    def _relevant(self, split: str) -> dict[str, frozenset[str]]:
        judged = self.judgements(split)
        if judged is None:
            return {}
        table = judged.table.filter(pl.col("relevance") > 0)
        groups = table.group_by("query_id").agg("doc_id").iter_rows()
        return {qid: frozenset(pids) for qid, pids in groups}

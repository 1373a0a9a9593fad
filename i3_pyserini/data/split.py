"""Splits queries into two parts that share no relevant passages and no questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.paths import AnyPath

if TYPE_CHECKING:
    from i3_pyserini.data.splitting import Joined, Together
    from i3_pyserini.formats.qrels import Judgements

NAMES = ("dev", "train")
SHARE = 0.1
LEAST = 0.6  # overlap, see `near_text.LEAST`


@dataclass(frozen=True)
class Split:
    """Two parts of a collection's queries; usable wherever the path of their folder is.

    Attributes:
        folder: where their files are.
        queries: number of queries of each part, by its name.
        judgements: number of judgements of each part.
        groups: number of groups of queries that were kept together, those of one query included.
        largest: queries of the largest group.
        by_passage: queries that were kept with another since they share a relevant passage.
        by_text: since their text is the same.
        by_near_text: since their text is nearly the same.
    """

    folder: Path
    queries: dict[str, int]
    judgements: dict[str, int]
    groups: int
    largest: int
    by_passage: int
    by_text: int
    by_near_text: int

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        parts = [
            f"{name}: {count:,} queries, {self.judgements[name]:,} judgements"
            for name, count in self.queries.items()
        ]
        return (
            f"wrote {self.folder}: {'; '.join(parts)}; {self.groups:,} groups, the largest of "
            f"{self.largest:,} queries; kept with another: {self.by_passage:,} queries by a "
            f"relevant passage, {self.by_text:,} by the same text, {self.by_near_text:,} by nearly "
            "the same"
        )


def split_queries(
    source: AnyPath,
    qrels: AnyPath | None = None,
    *,
    split: str | None = None,
    names: Sequence[str] = NAMES,
    share: float | None = None,
    count: int | None = None,
    seed: int = 42,
    overlap: float = 0.8,
    min_relevance: int = 1,
    output: AnyPath | None = None,
    overwrite: bool = False,
) -> Split:
    """Splits queries and their judgments into two parts, such as dev and train.

    Queries that share a relevant passage, or have the same or nearly the same text, stay together.
    Writes topics.NAME.tsv and qrels.NAME.txt for both parts.

    Args:
        source: a collection's folder, or a topics file.
        qrels: the relevance judgments, for a topics file.
        split: queries of the collection to split, such as train; required if it has several.
        names: names of the two parts; the first one is the sample.
        share: share of the queries in the first part. Default: 0.1.
        count: maximum number of queries in the first part, instead of a share.
        seed: random seed.
        overlap: minimum share of common word trigrams for texts to be nearly the same.
        min_relevance: minimum level of a relevant passage.
        output: folder to write. Default: the folder of the collection.
        overwrite: replace existing files.

    Returns:
        The sizes of both parts, and how many queries were kept together.

    Raises:
        I3Error: a file cannot be read or exists, an option is out of range, or a part would be
            empty.
    """
    if share is not None and count is not None:
        raise I3Error("share and count cannot be combined")
    if share is not None and not 0 < share < 1:
        raise I3Error(f"share is {share:g}, must be above 0 and below 1")
    if not LEAST <= overlap <= 1:
        raise I3Error(f"overlap is {overlap:g}, must be from {LEAST} to 1")
    at_least_1(count=count)
    _check_names(names)
    source = Path(source)
    folder = Path(output) if output is not None else source
    if output is None and not source.is_dir():
        raise I3Error(f"{source}: is not a folder; choose a folder as output")
    from i3_pyserini.data.split_files import refuse_files, write_parts
    from i3_pyserini.data.splitting import choose, together
    from i3_pyserini.formats.atomic import locked

    files = _inputs(source, qrels, split)
    refuse_files(folder, names, overwrite, files)
    topics, judgements = _read(*files)
    relevant = _positives(judgements, min_relevance)
    found = together(topics, relevant, overlap)
    _note_joined(found)
    wanted = count if count is not None else round(len(topics) * (share or SHARE))
    chosen = set(choose(found.groups, wanted, seed))
    _check_chosen(len(chosen), len(topics), wanted, max(map(len, found.groups)))
    parts = [[qid for qid in topics if (qid in chosen) is first] for first in (True, False)]
    with locked(folder):
        judged = write_parts(
            folder,
            dict(zip(names, parts, strict=True)),
            topics,
            judgements,
            overwrite,
            f"split of {files[0]}, seed {seed}",
            files,
        )
    return Split(
        folder,
        dict(zip(names, map(len, parts), strict=True)),
        judged,
        len(found.groups),
        max(map(len, found.groups)),
        found.by_passage.count,
        found.by_text.count,
        found.by_near_text.count,
    )


def _check_names(names: Sequence[str]) -> None:
    if len(names) != len(NAMES) or len(set(names)) != len(NAMES):
        raise I3Error(f"names are {', '.join(names) or 'none'}; expected two, such as dev train")
    if odd := next((name for name in names if not name.isidentifier()), None):
        raise I3Error(f"names: {odd!r}; the name of a part has letters, digits and _ only")


def _inputs(source: Path, qrels: AnyPath | None, split: str | None) -> tuple[Path, Path]:
    """The files of topics and of judgements."""
    if not source.is_dir():
        if qrels is None or split is not None:
            raise I3Error(f"{source}: is a topics file; give qrels, and no split")
        return source, Path(qrels)
    from i3_pyserini.data.sources.folders import LayoutFolder

    if qrels is not None:
        raise I3Error(f"{source}: is a folder with its own judgments; omit qrels")
    layout = LayoutFolder(source)
    judged = [name for name in layout.splits() if name in layout.qrels_files]
    if split is None and len(judged) != 1:
        raise I3Error(
            f"{source}: has {', '.join(judged) or 'no judged queries'}; name one as split"
        )
    chosen = split or judged[0]
    if chosen not in judged:
        raise I3Error(f"{source}: no judged queries {chosen!r}; it has {', '.join(judged)}")
    return layout.topic_files[chosen], layout.qrels_files[chosen]


def _read(topics: Path, qrels: Path) -> "tuple[dict[str, str], Judgements]":
    from i3_pyserini.formats.qrels import note_without_topic, read_judgements
    from i3_pyserini.formats.topics import by_id, topics_of_file

    queries = by_id(topics_of_file(topics), str(topics))
    judgements = read_judgements(qrels)
    lacking = note_without_topic(judgements.table, queries, str(qrels), str(topics))
    judged = set(judgements.table["query_id"]) - set(lacking)
    if not judged:
        raise I3Error(f"{qrels}: no judgement of a query of {topics}; do they belong together?")
    if unjudged := len(queries) - len(judged):
        note(f"{topics}: {unjudged:,} of {len(queries):,} queries have no judgement; they stay")
    return queries, judgements


def _positives(judgements: "Judgements", least: int) -> dict[str, list[str]]:
    import polars as pl

    relevant = judgements.table.filter(pl.col("relevance") >= max(least, 0))
    return dict(relevant.group_by("query_id", maintain_order=True).agg("doc_id").iter_rows())


def _note_joined(found: "Together") -> None:
    reasons: tuple[tuple[Joined, str], ...] = (
        (found.by_text, "the same text as another"),
        (found.by_near_text, "nearly the same text as another"),
    )
    for joined, what in reasons:
        if joined.count:
            note(f"queries with {what}, kept on its side: {joined}")


def _check_chosen(chosen: int, queries: int, wanted: int, largest: int) -> None:
    if not chosen or chosen == queries:
        raise I3Error(
            f"{queries:,} queries, of which {wanted:,} were wanted in the first part, leave a part "
            f"empty; the largest group that belongs together has {largest:,}"
        )
    if chosen < wanted:
        note(
            f"the first part has {chosen:,} queries, not {wanted:,}: no other group is small enough"
        )

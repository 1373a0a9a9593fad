"""Training queries without those that a test has nearly word for word."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.paths import AnyPath


@dataclass(frozen=True)
class WithoutLeaks:
    """Training queries that were kept; usable wherever the path of their folder is.

    Attributes:
        folder: the collection.
        name: of the new split.
        queries: number of queries kept.
        dropped: number of queries dropped.
        judgements: number of judgments kept.
    """

    folder: Path
    name: str
    queries: int
    dropped: int
    judgements: int

    def __fspath__(self) -> str:
        return str(self.folder)

    def __str__(self) -> str:
        return (
            f"wrote {self.folder}: {self.name}: {self.queries:,} queries, {self.judgements:,} "
            f"judgments; {self.dropped:,} queries dropped"
        )


def drop_leaks(
    folder: AnyPath,
    *,
    split: str = "train",
    against: Sequence[str] = (),
    name: str = "clean",
    overlap: float = 0.8,
    overwrite: bool = False,
) -> WithoutLeaks:
    """Writes training queries without those that are nearly queries of other splits.

    Writes topics.NAME.tsv and qrels.NAME.txt into the folder; queries of other splits stay as they
    are. Negatives and scores that were made for the split stay, too: mine and score again.

    Args:
        folder: a collection's folder.
        split: the split to drop queries from.
        against: the splits to compare with. Default: all others but `name`.
        name: name of the new split.
        overlap: least share of common trigrams, from 0.6 to 1, for two texts to be nearly the same.
        overwrite: replace existing files.

    Returns:
        The numbers of queries kept and dropped.

    Raises:
        I3Error: a split does not exist or has no judgments, a file exists, or no query is left.
    """
    from i3_pyserini.data.leakage import query_leaks
    from i3_pyserini.data.near_text import LEAST
    from i3_pyserini.data.sources.folders import LayoutFolder
    from i3_pyserini.data.split_files import refuse_files, write_parts
    from i3_pyserini.formats.atomic import locked
    from i3_pyserini.formats.qrels import read_judgements
    from i3_pyserini.formats.topics import by_id

    if not LEAST <= overlap <= 1:
        raise I3Error(f"overlap is {overlap:g}, must be from {LEAST} to 1")
    if not name.isidentifier():
        raise I3Error(f"name {name!r}: a split's name has letters, digits and _ only")
    source = LayoutFolder(Path(folder))
    others = list(against) or [one for one in source.splits() if one not in (split, name)]
    _check_splits(source.folder, source.splits(), split, others, name)
    if split not in source.qrels_files:
        raise I3Error(f"{source.folder}: split {split!r} has no judgments")
    used = [split, *others, *([name] if name in source.splits() else [])]
    texts = {one: by_id(source.topics(one), f"{folder}, split {one!r}") for one in used}
    if not texts.get(name, {}).keys() <= texts[split].keys():
        raise I3Error(
            f"{source.folder}: split {name!r} has other queries than {split}; not replaced"
        )
    refuse_files(source.folder, [name], overwrite)
    leaks: dict[str, tuple[str, str]] = {}
    for other in others:
        pair = {"train": texts[split], "test": texts[other]}
        for leak in query_leaks(pair, overlap):
            leaks.setdefault(leak.other, (other, leak.qid))
    kept = [qid for qid in texts[split] if qid not in leaks]
    if not kept:
        raise I3Error(
            f"{source.folder}: all queries of {split} are nearly queries of {', '.join(others)}; "
            "choose splits to compare with (--against)"
        )
    inputs = [source.topic_files[split], source.qrels_files[split]]
    judgements = read_judgements(inputs[1])
    with locked(source.folder):
        what = f"{inputs[0]} without queries of {', '.join(others)}, overlap {overlap:g}"
        parts = {name: kept}
        judged = write_parts(
            source.folder, parts, texts[split], judgements, overwrite, what, inputs
        )
    for qid, (other, near) in list(leaks.items())[:3]:
        note(f"dropped {split} query {qid}: nearly {other} query {near}")
    return WithoutLeaks(source.folder, name, len(kept), len(leaks), judged[name])


def _check_splits(
    folder: Path, splits: Sequence[str], split: str, others: Sequence[str], name: str
) -> None:
    for one in (split, *others):
        if one not in splits:
            raise I3Error(f"{folder}: no split {one!r}; it has {', '.join(splits)}")
    if not others:
        raise I3Error(f"{folder}: only has {split}, and no split to compare it with")
    if split in others or name in (split, *others):
        raise I3Error(f"split {split}, against {', '.join(others)}, name {name}: must differ")

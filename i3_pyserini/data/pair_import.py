"""Imports training data: pairs, triplets, scored candidates and clicks."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from os import fspath
from pathlib import Path
from typing import Literal

from i3_pyserini.data.pairs.clicks import USUAL_RULE, ClickRule
from i3_pyserini.data.pairs.columns import USUAL, PairColumns
from i3_pyserini.errors import I3Error, at_least_1, note
from i3_pyserini.formats.paths import AnyPath, NameOrPath, Written


@dataclass(frozen=True)
class ImportedPairs(Written):
    """A folder of training data that was written.

    Attributes:
        counts: numbers of what was read, written, dropped and odd, by their names.
    """

    counts: dict[str, int]

    def to_json(self) -> str:
        """Path and counts."""
        return dumps({"path": str(self.path), **self.counts})


def import_pairs(
    sources: Sequence[NameOrPath],
    *,
    output: AnyPath,
    name: str | None = None,
    corpus: AnyPath | None = None,
    unknown: Literal["refuse", "drop", "add"] = "refuse",
    dev: int | None = None,
    seed: int = 42,
    split: str | None = None,
    min_score: float | None = None,
    overwrite: bool = False,
    columns: PairColumns = USUAL,
    clicks: ClickRule = USUAL_RULE,
) -> ImportedPairs:
    """Imports pairs, triplets, scored candidates or click logs as a collection to train on.

    Column names are those of sentence-transformers, Tevatron and FlagEmbedding. Ids are made from
    the texts: the same text in two rows, case and white space aside, is one query or one passage.

    Args:
        sources: files or folders (JSONL, CSV, TSV or Parquet; plain, gzip or zstd), data sets of
            Hugging Face as `save_to_disk` writes them, hf:NAME or hf:NAME:CONFIGURATION, or
            folders in our layout. Each may be named, as NAME=FILE, for weights in training.
        output: the folder to write.
        name: name of the collection in manifests and model cards. Default: that of the folder.
        corpus: a corpus whose passages the texts are; ids are then the corpus's.
        unknown: for texts that the corpus lacks: refuse them, drop them and count them, or add
            them as passages.
        dev: number of queries to set aside as dev queries, half of all at most.
        seed: random seed of the choice of dev queries.
        split: split of Hugging Face data sets and of folders in our layout. Default: train.
        min_score: minimum score or label of a positive, for pairs with a number that says how
            similar or relevant they are; others are negatives.
        overwrite: replace an existing folder.
        columns: names of columns.
        clicks: how clicks become levels.

    Returns:
        The folder.

    Raises:
        I3Error: a source cannot be read or is invalid, no query has a positive, or the folder
            exists.
    """
    at_least_1(dev=dev, min_clicks=clicks.min_clicks)
    clicks.check()
    if corpus is None and unknown != "refuse":
        raise I3Error("unknown requires corpus")
    from i3_pyserini.data.pairs.files import sources_of
    from i3_pyserini.data.pairs.folder import Import, write_pairs
    from i3_pyserini.formats.corpus_options import CorpusOptions
    from i3_pyserini.formats.tables import AS_NAMED

    folder = Path(output)
    table = CorpusOptions(encoding=columns.encoding, delimiter=columns.delimiter).table()
    given = sources_of([fspath(one) for one in sources], split or "train", table)
    if split is not None and not any(source.has_splits for source in given):
        raise I3Error(f"split is {split!r}, but {given[0].origin} has no splits; omit it")
    if table != AS_NAMED and not any(source.has_tables for source in given):
        named = " and ".join(table.options())
        raise I3Error(f"{named}: only of CSV and TSV files, and no source has one; omit it")
    how = Import(
        given,
        name or folder.resolve().name,
        None if corpus is None else Path(corpus),
        unknown,
        dev,
        seed,
        min_score,
        columns,
        clicks,
    )
    counts = write_pairs(how, folder, overwrite)
    note(f"train with it: {_command(folder, counts)}")
    written = ("queries", "passages", "positives", "negatives")
    summary = ", ".join(f"{counts[one]:,} {one}" for one in written)
    return ImportedPairs(folder, f"{counts['rows']:,} rows; {summary}", counts)


def _command(folder: Path, counts: dict[str, int]) -> str:
    """The command that trains on the folder."""
    words = [
        *("i3-pyserini", "train", "small-contrastive"),
        f"--data.collection={folder}/corpus",
        f"--data.queries={folder}/topics.train.tsv",
        f"--data.qrels={folder}/qrels.train.txt",
    ]
    if counts["negatives"]:
        words += [f"--data.negatives={folder}/train_negs.tsv", "--training.passages_per_query=4"]
    if counts["sources"] > 1:
        words += [f"--data.sources={folder}/sources.train.tsv"]
    return shlex.join(words)

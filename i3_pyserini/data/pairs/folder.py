"""Makes a collection to train on of pairs: reads, settles, splits and writes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from i3_pyserini.data.collection import refuse_foreign, refuse_inputs_in
from i3_pyserini.data.pairs.click_levels import judge_clicks
from i3_pyserini.data.pairs.clicks import ClickRule
from i3_pyserini.data.pairs.columns import PairColumns
from i3_pyserini.data.pairs.dev import choose_dev
from i3_pyserini.data.pairs.files import PairSource
from i3_pyserini.data.pairs.reading import Reader, Reading, Unknown
from i3_pyserini.data.pairs.table import CLICKED, NEGATIVE, PairTable, open_table
from i3_pyserini.data.pairs.writing import (
    qid_of,
    write_corpus,
    write_negatives,
    write_part,
    write_sources,
    write_teacher,
)
from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.atomic import new_folder
from i3_pyserini.formats.folder_manifest import (
    Manifest,
    chunks_of,
    declared_language,
    kept_metadata,
)
from i3_pyserini.formats.passage_fields import listed
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import examples

Counts = dict[str, int]


@dataclass(frozen=True)
class Import:
    """What to import, and how.

    Attributes:
        sources: what to read.
        name: name of the collection.
        corpus: passages that the texts are; None for those of the rows alone.
        unknown: what becomes of texts that the corpus lacks.
        dev: number of dev queries; None for no part of them.
        seed: random seed of their choice.
        min_score: see `parse_row`.
        columns: names of columns.
        clicks: how clicks become levels.
    """

    sources: Sequence[PairSource]
    name: str
    corpus: Path | None
    unknown: Unknown
    dev: int | None
    seed: int
    min_score: float | None
    columns: PairColumns
    clicks: ClickRule


def write_pairs(how: Import, folder: Path, overwrite: bool) -> Counts:
    """Writes the folder, which appears when it is complete; returns the counts.

    Raises:
        I3Error: see `import_pairs`.
    """
    refuse_foreign(folder, overwrite)
    refuse_inputs_in(folder, (how.corpus, *(Path(source.origin) for source in how.sources)))
    with new_folder(folder) as partial:
        try:
            with open_table(partial) as table:
                return _import(how, table, partial)
        except I3Error as error:  # do not record a name chosen here
            raise I3Error(str(error).replace(str(partial), str(folder))) from error


def _import(how: Import, table: PairTable, folder: Path) -> Counts:
    if how.corpus is not None:
        table.load_corpus(Corpus(how.corpus))
    reader = Reader(table, how.columns, how.min_score, how.unknown if how.corpus else None)
    reader.read(how.sources)
    _note_reading(reader.reading)
    counts = {"rows": sum(reader.reading.rows.values()), "sources": len(how.sources)}
    counts |= {kind.name.lower(): found.count for kind, found in reader.reading.odd.items()}
    counts |= _settle(table, how.clicks)
    if how.dev is not None:
        choose_dev(table, how.dev, how.seed)
    counts |= _write(how, table, folder)
    return counts


def _settle(table: PairTable, clicks: ClickRule) -> Counts:
    """Decides which pairs are positive, and which queries train; notes what does not."""
    if table.count("SELECT 1 FROM pair WHERE flags & ? LIMIT 1", CLICKED):
        note(str(judge_clicks(table, clicks)))
    elif not clicks.is_usual:
        raise I3Error("min_clicks and click_rates are for click logs; no row has clicks")
    both = table.count("SELECT count(*) FROM pair WHERE level > 0 AND flags & ?", NEGATIVE)
    if both:
        note(f"{both:,} negatives are positives of the same query, and not used as negatives")
    differ = table.count("SELECT count(*) FROM pair WHERE differs")
    if differ:
        note(f"{differ:,} pairs have several scores; the first is used")
    table.rows(
        "UPDATE query SET part = 'train' WHERE EXISTS "
        "(SELECT 1 FROM pair WHERE pair.query = query.n AND pair.level > 0)"
    )
    lost = table.count("SELECT count(*) FROM query WHERE part IS NULL")
    if lost:
        some = table.rows("SELECT key, text FROM query WHERE part IS NULL LIMIT 4")
        named = examples(f"{qid_of(key)} {text!r:.60}" for key, text in some)
        note(f"{lost:,} queries have no positive left, and do not train ({named})")
    if not table.count("SELECT 1 FROM query WHERE part = 'train' LIMIT 1"):
        raise I3Error("no query has a positive; see the notes above")
    return {
        "negatives_that_are_positives": both,
        "pairs_with_several_scores": differ,
        "queries_without_positive": lost,
    }


def _write(how: Import, table: PairTable, folder: Path) -> Counts:
    write_corpus(table, folder)
    parts = ["train"] if how.dev is None else ["train", "dev"]
    for part in parts:
        write_part(table, folder, part)
    counts = _numbers(table)
    if counts["negatives"]:
        write_negatives(table, folder)
    if table.count("SELECT 1 FROM pair WHERE score IS NOT NULL LIMIT 1"):
        scored, unscored = write_teacher(table, folder)
        note(f"kd_train.jsonl: scores of {scored:,} of {counts['queries']:,} queries")
        if unscored:
            note(f"kd_train.jsonl: {unscored:,} passages without a score left out")
        counts["scored_queries"] = scored
    if len(how.sources) > 1:
        names = [source.name for source in how.sources]
        each = write_sources(table, folder, names)
        note("queries: " + ", ".join(f"{name} {count:,}" for name, count in each.items()))
    _write_manifest(how, folder)
    return counts


def _numbers(table: PairTable) -> Counts:
    """Numbers of what is written."""
    pairs = "SELECT count(*) FROM pair p JOIN query q ON q.n = p.query WHERE q.part = "
    negative = f"p.level = 0 AND p.flags & {NEGATIVE}"
    return {
        "queries": table.count("SELECT count(*) FROM query WHERE part = 'train'"),
        "dev_queries": table.count("SELECT count(*) FROM query WHERE part = 'dev'"),
        "passages": table.count("SELECT count(*) FROM passage"),
        "positives": table.count(f"{pairs} 'train' AND p.level > 0"),
        "negatives": table.count(f"{pairs} 'train' AND {negative}"),
    }


def _write_manifest(how: Import, folder: Path) -> None:
    manifest = Manifest(folder, how.name, how.name)
    if how.corpus is not None:
        metadata = kept_metadata(how.corpus) if how.corpus.is_dir() else {}
        manifest.metadata = metadata or kept_metadata(how.corpus.resolve().parent)
        manifest.chunks = chunks_of(how.corpus)
        if declared := declared_language(how.corpus):
            manifest.language, _ = declared
    elif len(languages := {source.language for source in how.sources}) == 1:
        (manifest.language,) = languages
    made = next(filter(None, (source.made for source in how.sources)), None)
    origin = "data pairs of " + ", ".join(source.origin for source in how.sources)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name.startswith("."):  # the table
            continue
        is_corpus = name.startswith("corpus/")
        if is_corpus:
            manifest.add(name, origin, collection=how.name)
        else:
            manifest.add(name, origin, made=made)
    manifest.save()


def _note_reading(reading: Reading) -> None:
    """Notes on everything that was odd, each with its count and first place."""
    for kind, found in reading.odd.items():
        if found.count:
            note(f"{kind.value}: {found.count:,} (first: {found.first})")
    for name, unread in reading.unread.items():
        if unread:
            note(f"{name}: columns left out: {listed(unread)}")
    if reading.prompts:
        (first, *others) = sorted(reading.prompts)
        one = f"a prompt ({first!r:.60})" if not others else "different prompts"
        note(f"rows have {one}, which is not stored; set model.query_prompt in the recipe")

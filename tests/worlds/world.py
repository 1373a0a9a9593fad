"""A small world: a collection, topics, judgements, a model and settings, all from one seed."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal

from tests.worlds.texts import (
    HEADERS,
    MISSING_TITLES,
    ODD_FOLDERS,
    odd_ids,
    some_length,
    some_text,
)

Kind = Literal["i3", "auto"]
# Architectures, and what of a tokenizer they go with.
ARCHITECTURES = {
    "bert": ("wordpiece",),
    "distilbert": ("wordpiece",),
    "roberta": ("bytes",),
    "mpnet": ("wordpiece",),
    "xlm-roberta": ("unigram",),
    "electra": ("wordpiece",),
    "albert": ("unigram",),
}
# What the records of a corpus have, and the formats that can hold it.
FORMATS = {
    "text": ("jsonl", "csv", "tsv", "parquet"),
    "contents": ("jsonl", "csv", "parquet"),
    "bare": ("jsonl", "csv", "tsv", "parquet"),
}
STYLES = tuple(FORMATS)
LOWER_CASED = 3  # last digit of the seeds of such worlds
POOLINGS = ("cls", "mean", "max", "last", "weighted_mean", "mean_sqrt_len")
COMPRESSIONS = ("", "", "gzip", "zstd")
IN_PIECES = {"gzip": "members", "zstd": "frames"}


@dataclass(frozen=True)
class Record:
    """A passage as expected: texts without surrounding blanks, None for no title."""

    docid: str
    title: str | None
    text: str


@dataclass(frozen=True)
class Model:
    """What decides the vectors.

    Attributes:
        kind: an I³ model, or any other encoder with Pyserini's flags.
        architecture: one of `ARCHITECTURES`.
        tokenizer: kind of its tokenizer.
        case: what the tokenizer's normalizer does, for those that have a choice.
        declared: whether the model's own files declare all of the following, as
            sentence-transformers writes them; other encoders are told by flags.
        pooling: one of `POOLINGS`.
        normalize: whether vectors have unit length.
        prefixes: of queries and of passages; "" for none.
        lengths: most ids of a query and of a passage.
        config: further fields of an I³ model's configuration.
        add_sep: title and text as a pair, for other encoders.
        dense: whether a dense layer comes behind the pooling.
        include_prompt: whether a prompt's tokens are pooled.
        lowercase: whether texts are lower-cased before the tokenizer's own normalisation.
        second_dense: whether a further dense layer comes behind the first.
    """

    kind: Kind
    architecture: str
    tokenizer: str
    case: str
    declared: bool
    pooling: str
    normalize: bool
    prefixes: tuple[str, str]
    lengths: tuple[int, int]
    config: dict[str, Any]
    add_sep: bool
    dense: bool
    include_prompt: bool
    lowercase: bool
    second_dense: bool = False


@dataclass(frozen=True)
class Files:
    """How the collection and the topics are written.

    Attributes:
        formats: of the passages' files: "jsonl", "csv", "tsv" or "parquet".
        style: which fields the records have.
        id_field: name of the field with the id.
        files: files that the passages are spread over; 0 for a single file and no folder.
        compression: of the collection's files, and of the others: "", "gzip" or "zstd", or the
            same in two pieces, "members" and "frames".
        suffixes: whether names say so.
        nested: whether files after the first are in folders of their own.
        deep: whether these are in further folders.
        upper: whether suffixes are in upper case.
        decoys: whether a folder has other files, too.
        headers: whether files of columns have one, where that is a choice.
        line_end: LF or CRLF.
        mark: whether files begin with a byte order mark.
        last_end: whether the last line has an end.
        blank_lines: whether there are blank lines.
        topics: suffix of the topics file.
        folder: name of the folder that everything is in.
    """

    formats: tuple[str, ...]
    style: str
    id_field: str
    files: int
    compression: tuple[str, str]
    suffixes: bool
    nested: bool
    deep: bool
    upper: bool
    decoys: bool
    headers: bool
    line_end: str
    mark: bool
    last_end: bool
    blank_lines: bool
    topics: str
    folder: str


@dataclass(frozen=True)
class World:
    """Everything that is random about a world."""

    seed: int
    records: tuple[Record, ...]
    topics: dict[str, str]
    judgements: tuple[tuple[str, str, int], ...]
    model: Model
    files: Files
    titles: bool
    k: int
    shards: int
    part_passages: int
    batch_tokens: int


def random_world(seed: int) -> World:
    """The world of a seed: always the same one."""
    random = Random(seed)
    model = _model(random)
    if seed % 10 == LOWER_CASED:
        model = _lower_cased(model)
    files = _files(random)
    more = Random(f"{seed} more")
    model = replace(model, second_dense=model.dense and more.random() < 0.5)
    pieces = more.random() < 0.4
    compression = tuple(IN_PIECES.get(how, "") if pieces else how for how in files.compression)
    files = replace(files, compression=(compression[0], compression[1]), deep=more.random() < 0.5)
    records = _records(random, model, files)
    qids = [qid for qid in odd_ids(random, random.randint(1, 9), "q") if qid not in HEADERS]
    qids = qids or ["q0"]
    topics = {qid: some_text(random, some_length(random, model.lengths[0])) for qid in qids}
    if len(topics) > 2:  # the text of a passage, so that a hit is there to be found
        text = random.choice(records).text.replace("\n", " ").replace("\t", " ").strip()
        topics[qids[0]] = text or topics[qids[0]]
    titles = random.random() < 0.7
    return World(
        seed,
        records,
        topics,
        _judgements(random, records, qids),
        model,
        files,
        titles,
        k=random.randint(1, len(records)),
        shards=random.choice((2, 2, 3)),
        part_passages=random.randint(3, 9),
        batch_tokens=random.choice((1, 40, 300, 1024)),
    )


def _lower_cased(model: Model) -> Model:
    """What two routes have to lower-case beside the tokenizer: seldom enough by chance."""
    return replace(
        model,
        kind="auto",
        architecture="bert",
        tokenizer="wordpiece",
        case="cased",
        declared=True,
        pooling="mean",
        lengths=(24, 24),
        config={},
        add_sep=False,
        dense=False,
        include_prompt=True,
        lowercase=True,
    )


def _model(random: Random) -> Model:
    kind: Kind = random.choice(("i3", "i3", "auto", "auto"))
    architecture = random.choice(("bert", "bert", *ARCHITECTURES))
    normalize = random.random() < 0.5
    config: dict[str, Any] = {
        "interaction": random.choice(("released", "paper", "none")),
        "interactor_init": random.choice(("original", "residual", "scaled")),
        "num_head_layers": random.choice((1, 1, 2)),
        "pseudo_query_length": random.choice((3, 10, 34)),
        "passage_template": random.choice(
            ("{title} {sep} {text}", "{title} {sep} {text}", "{text}", "{title}: {text}")
        ),
    }
    declared = kind == "auto" and random.random() < 0.6
    lengths = (random.choice((4, 12, 32)), random.choice((8, 24, 40)))
    return Model(
        kind,
        architecture,
        random.choice(ARCHITECTURES[architecture]),
        random.choice(("lower", "cased", "accents")),
        declared,
        random.choice(POOLINGS if declared else POOLINGS[:2]),
        normalize,
        (random.choice(("", "", "query:")), random.choice(("", "passage:"))),
        (lengths[1], lengths[1]) if declared else lengths,
        config if kind == "i3" else {},
        not declared and random.random() < 0.2,
        declared and random.random() < 0.3,
        not declared or random.random() < 0.7,
        declared and random.random() < 0.4,
    )


def _files(random: Random) -> Files:
    style = random.choice(STYLES)
    formats = tuple(random.choice(FORMATS[style]) for _ in range(3))
    return Files(
        formats=formats if random.random() < 0.5 else ("jsonl",) * 3,
        style=style,
        id_field=random.choice(("id", "_id", "pid", "docid", "doc_id", "passage_id", "docno")),
        files=random.choice((0, 0, 1, 3)),
        compression=(random.choice(COMPRESSIONS), random.choice(COMPRESSIONS)),
        suffixes=random.random() < 0.6,
        nested=random.random() < 0.3,
        deep=False,
        upper=random.random() < 0.2,
        decoys=random.random() < 0.5,
        headers=random.random() < 0.5,
        line_end=random.choice(("\n", "\n", "\r\n")),
        mark=random.random() < 0.2,
        last_end=random.random() < 0.8,
        blank_lines=random.random() < 0.2,
        topics=random.choice((".tsv", ".txt", ".csv", ".jsonl")),
        folder=random.choice(ODD_FOLDERS),
    )


def _records(random: Random, model: Model, files: Files) -> tuple[Record, ...]:
    ids = odd_ids(random, random.randint(6, 26), "d")
    titled = random.choice((0.0, 0.5, 1.0)) if files.style != "bare" else 0.0
    records: list[Record] = []
    for docid in ids:
        title = some_text(random, random.randint(1, 6)) if random.random() < titled else None
        if title and random.random() < 0.1:
            title = random.choice(MISSING_TITLES)
        text = some_text(random, some_length(random, model.lengths[1]))
        if files.style == "text" and "tsv" not in files.formats and random.random() < 0.1:
            text = text.replace(" ", "\n", 1)
        if records and random.random() < 0.15:  # the twin of another passage
            title, text = random.choice([(one.title, one.text) for one in records])
        if files.style == "text" and random.random() < 0.05 and records:
            text = ""
        records.append(Record(docid, title, text))
    return tuple(records)


def _judgements(
    random: Random, records: tuple[Record, ...], qids: list[str]
) -> tuple[tuple[str, str, int], ...]:
    """Levels of some passages, for queries that may not have been searched, too."""
    docids = [record.docid for record in records] + [f"absent{n}" for n in range(3)]
    lowest, highest = random.choice((0, 0, -2)), random.choice((1, 3))
    judged = []
    for qid in [*random.sample(qids, random.randint(1, len(qids))), "unsearched"]:
        for docid in random.sample(docids, random.randint(1, min(8, len(docids)))):
            judged.append((qid, docid, random.randint(lowest, highest)))
    random.shuffle(judged)
    return tuple(judged)

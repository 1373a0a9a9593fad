"""The commands that write, each with tiny inputs that it needs a moment for."""

from collections.abc import Sequence
from dataclasses import dataclass

OUT = "out"  # what a command may write into; its inputs are beside it
SEEN = "seen"  # what a command that shows an output writes
RECIPE = {
    "output": f"{OUT}/model",
    "model": {"init": "model"},
    "data": {
        "collection": "data/corpus",
        "queries": "data/topics.train.tsv",
        "qrels": "data/qrels.train.txt",
        "cache": OUT,
    },
    "reconstruction": {"targets": "query", "passages": "positives"},
    "training": {
        "max_steps": 6,
        "batch_size": 4,
        "passages_per_query": 1,
        "checkpoint_steps": 2,
        "logging_steps": 1,
        "workers": 0,
    },
}


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        name: of its row: the command's own name, and what is special after a comma.
        words: what follows `i3-pyserini`.
        random: patterns of files whose bytes differ from run to run, as they have times in them.
        growing: patterns of files that are visible before they are complete.
        before: files and folders that are copied into the output folder first.
        shown: words of a command that writes into `SEEN` what can be seen of an output whose own
            bytes say nothing.
        reader: words of a command that has to refuse a damaged output.
        hashed: whether it compares hashes of all files but the manifest; other readers have to
            notice cut files only, since a vector with another bit is a vector.
        usual: whether it is tried unless it is named; False for what takes 10 seconds and more.
    """

    name: str
    words: str
    random: Sequence[str] = ()
    growing: Sequence[str] = ()
    before: Sequence[str] = ()
    shown: str = ""
    reader: str = ""
    hashed: bool = False
    usual: bool = True


DATA = "data/corpus"
EXPORTS = ("jsonl", "npy", "flex")
TOPICS = "data/topics.test.tsv"
TRAIN = "data/topics.train.tsv data/qrels.train.txt"
ENCODE = f"encode {DATA} --model model --devices cpu"
UPDATE = f"--model model --devices cpu --update index --output {OUT}/index"
MAKE = "data queries sentences.jsonl --source first-sentences"
MINE = f"data mine {TRAIN} {DATA} --cache {OUT} --output {OUT}/made"
BM25 = f"bm25 {DATA} {TOPICS} --engine sqlite --index {OUT}/bm25"
TUNE = f"--tune data/qrels.dev.txt --tune-topics data/topics.dev.tsv --tune-output {OUT}/dev"
SCORED = "--topics data/topics.train.tsv --qrels data/qrels.train.txt --device cpu --max-length 64"
STORE = f"qdrant:{OUT}/store"
DATED = ("*.ir_metadata.yaml",)
VERIFY = f"index verify {OUT}/index"
CHECK = f"data check {OUT}/data"


def _index(name: str, words: str) -> Case:
    """A command that writes an index."""
    return Case(name, f"{words} --output {OUT}/index", reader=VERIFY, hashed=True)


def _run(name: str, words: str) -> Case:
    """A command that writes a run."""
    return Case(name, f"{words} --output {OUT}/run", DATED)


def _file(name: str, words: str) -> Case:
    """A command that writes a file or a folder that nothing verifies."""
    return Case(name, f"{words} --output {OUT}/made")


def _data(name: str, words: str, growing: Sequence[str] = ()) -> Case:
    """A command that writes a folder of data."""
    return Case(name, f"{words} --output {OUT}/data", growing=growing, reader=CHECK, hashed=True)


CASES = (
    _index("encode", ENCODE),
    _index("encode, npy", f"{ENCODE} --kind npy"),
    _index("encode, jsonl", f"{ENCODE} --kind jsonl"),
    Case("encode, update", f"encode more.jsonl {UPDATE}", reader=VERIFY, hashed=True),
    Case(
        "encode, update with deletions", f"encode fewer.jsonl {UPDATE}", reader=VERIFY, hashed=True
    ),
    _file("encode-topics", f"encode-topics {TOPICS} --model model"),
    _run("search", f"search index {TOPICS}"),
    Case(
        "search, speed",
        f"search index {TOPICS} --output {OUT}/run --speed {OUT}/speed.json",
        (*DATED, "speed.json"),
    ),
    _run("bm25", BM25),
    _run("bm25, tuned", f"{BM25} {TUNE}"),
    _run("fuse", "fuse run bm25.run"),
    _run("rerank", f"rerank run {TOPICS} {DATA} --model teacher --max-length 64 --cache {OUT}"),
    _run("documents", "documents windows.run"),
    _file("diff", f"diff data/qrels.test.txt run bm25.run --topics {TOPICS}"),
    Case("report", f"report data/qrels.test.txt run bm25.run --output {OUT}/a.html"),
    Case(
        "train",
        "train recipe.json",
        ("log.jsonl", "state.pt", "README.md"),
        growing=("model/*",),  # a checkpoint is there while the training goes on
    ),
    _file("eval pool", f"eval pool run bm25.run --topics {TOPICS} --corpus {DATA}"),
    _file("eval pool-qrels", "eval pool-qrels pool.csv"),
    _file("model create", "model create backbone"),
    _file("model convert", "model convert I3.p --backbone backbone"),
    _file("model convert, reverse", "model convert original --reverse"),
    Case("model export", f"model export model --output {OUT}/made", usual=False),
    _index("index import", "index import own.npy --ids own.txt"),
    *(_file(f"index export, {to}", f"index export index --to {to}") for to in EXPORTS),
    Case("index export, parquet", f"index export index --to parquet --output {OUT}/a.parquet"),
    _index("index merge", "index merge shard-0 shard-1"),
    _index("index build", "index build index --type sq8"),
    Case(
        "index tune",
        f"index tune {OUT}/graph data/topics.dev.tsv --target-recall 0.9 --k 5",
        ("manifest.json",),
        before=("graph",),
    ),
    Case("index lucene-topics", f"index lucene-topics queries --output {OUT}/a.jsonl"),
    Case(
        "index load",
        f"index load index --engine {STORE} --collection p",
        DATED,
        shown=f"search {STORE} {TOPICS} --collection p --output {SEEN}/run",
    ),
    _data(
        "data get",
        "data get small --catalog catalog.json --only text queries",
        growing=("*.part", "*.part.tag", "manifest.json"),  # which names the files that are there
    ),
    _file("data check", "data check data"),
    _data("data import", "data import more.jsonl"),
    _data("data import, folder", "data import data"),
    _data("data pairs", "data pairs pairs.jsonl"),
    Case(
        "data split",
        f"data split {OUT}/splits --split train --names one two --share 0.5",
        before=("splits",),
    ),
    Case("data drop-leaks", f"data drop-leaks {OUT}/splits", before=("splits",)),
    _file("data chunk", "data chunk sentences.jsonl --by tokens --size 8"),
    _file("data queries", MAKE),
    Case(
        "data filter-queries",
        f"data filter-queries made --by bm25 --engine sqlite --output {OUT}/made",
        DATED,
    ),
    Case("data mine", f"{MINE} --run bm25.train.run --jsonl {OUT}/jsonl"),
    Case("data mine, index", f"{MINE} --index index"),
    _file(
        "data score", f"data score negatives.tsv {DATA} --teacher teacher {SCORED} --cache {OUT}"
    ),
    Case(
        "compare",
        f"compare data --backbone backbone --quick --output {OUT}/made",
        usual=False,
    ),
)
USUAL = [case.name for case in CASES if case.usual]
PRINTS = "it prints, and writes nothing"
UNTRIED = {  # commands that are no case, and why
    "demo": "it is `compare` with a collection that it writes first",
    "serve": "it does not end; its text store is that of `data mine`",
    "index lucene": "Java writes the index, in a process that is started anew for each trial",
    "experiment run": "its steps are the other commands, and its folder is that of `compare`",
    "experiment steps": "its steps are the other commands",
    "index estimate": "its output is a folder that it only measures",
    "data list": "its output is a folder that it only looks into",
    **dict.fromkeys(("eval", "doctor", "completion", "model explain", "index verify"), PRINTS),
    **dict.fromkeys(("index advise", "experiment list"), PRINTS),
}

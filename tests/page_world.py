"""A folder with the files and models that the commands of the documentation's pages name."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from i3_pyserini import I3Retriever, I3Tokenizer, encode_corpus, load, save_model_directory
from i3_pyserini.data import make_queries
from tests.letters import write_collection as write_letters
from tests.train.task import pid

TEXTS = ["boil an egg in hot water", "a plant in the light", "cold water for the eggs"]
TITLES = ["eggs", "a plant", "cold water"]
PASSAGES, QUERIES = 21, 12
# Every name that a page gives to a backbone, and to runs of the topics.
BACKBONES = ("BACKBONE", "MINILM", "sentence-transformers/all-MiniLM-L6-v2")
RUNS = ["A", "B", "bm25.txt", "mine.txt", "run.txt"]
RUNS += [f"run.{name}.txt" for name in ("bm25", "minilm", "i3", "dual-encoder")]
RUNS += [f"run.{name}.{part}.txt" for name in ("bm25", "i3") for part in ("dev", "train", "test")]


def write_world(folder: Path, backbone: str) -> Path:
    """Writes all files.

    Args:
        folder: where.
        backbone: a tiny one.
    """
    for name in BACKBONES:
        shutil.copytree(backbone, folder / name)
    _declare_pooling(folder / BACKBONES[-1])
    model = I3Retriever.from_backbone(backbone, pooling="mean", normalize=True)
    model.config.reconstructor_steps = 1  # it counts as trained, so that its words are shown
    tokenizer = I3Tokenizer.from_pretrained(backbone, model.config)
    save_model_directory(model, tokenizer, folder / "MODEL")
    _write_judged(folder)
    _write_tables(folder)
    _write_pairs(folder)
    for name in ("data", "data/mine", "my-beir-folder", "nfcorpus", "SOURCE"):
        write_letters(folder / name)
    _write_mined(folder)
    made = folder / "faq-queries"
    make_queries(folder / "faq" / "corpus", output=made, source="titles", min_words=1)
    encode_corpus(folder / "corpus.jsonl", model=folder / "MODEL", output=folder / "INDEX")
    encoder = load(folder / "MODEL")
    np.save(folder / "vectors.npy", encoder.encode_passages(_passages()))
    return folder


def _declare_pooling(backbone: Path) -> None:
    """Makes a backbone a model of sentence-transformers."""
    parts = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{name}"}
        for n, (name, path) in enumerate(parts)
    ]
    (backbone / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (backbone / "1_Pooling").mkdir()
    (backbone / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    lengths = {"max_seq_length": 64, "do_lower_case": False}
    path = backbone / "sentence_bert_config.json"
    path.write_text(json.dumps(lengths), encoding="utf-8")


def _passages() -> list[dict[str, str]]:
    return [
        {"id": str(n), "title": TITLES[n % 3], "text": f"{TEXTS[n % 3]} {'abcdef'[n % 6]}"}
        for n in range(PASSAGES)
    ]


def _write_judged(folder: Path) -> None:
    """A corpus, its topics and judgments, and runs, under all names."""
    for name in ("corpus.jsonl", "CORPUS/corpus.jsonl", "faq/corpus/corpus.jsonl"):
        _lines(folder / name, map(json.dumps, _passages()))
    _write_part(folder, "q", ["TOPICS", "topics.tsv"], ["QRELS", "qrels.txt"])
    for name in ("qrels.dl19.txt", "qrels.bm25-10.txt"):
        shutil.copy(folder / "QRELS", folder / name)
    for part in ("dev", "test", "train"):
        letter = "d" if part == "dev" else "q"
        _write_part(folder, letter, [f"topics.{part}.tsv"], [f"qrels.{part}.txt"])
    with (folder / "qrels.test.txt").open("a", encoding="utf-8") as test:  # of run.*.txt
        test.write((folder / "qrels.dev.txt").read_text(encoding="utf-8"))
    for number, name in enumerate(RUNS):
        ranked = [
            f"{'d' if '.dev.' in name else 'q'}{n} Q0 {(n + number % 4 + rank) % PASSAGES}"
            f" {rank + 1} {90 - rank} t"
            for n in range(QUERIES)
            for rank in range(10)
        ]
        _lines(folder / name, ranked)


def _write_part(folder: Path, letter: str, topics: list[str], qrels: list[str]) -> None:
    """Queries with ids of a letter, and their judgments, each under several names."""
    for name in topics:
        texts = [f"{letter}{n}\t{TEXTS[n % 3]} {'abcdef'[n % 6]}" for n in range(QUERIES)]
        _lines(folder / name, texts)
    for name in qrels:
        relevant = [(n, (n + step) % PASSAGES) for n in range(QUERIES) for step in (0, 6)]
        _lines(folder / name, [f"{letter}{n} 0 {docid} 1" for n, docid in relevant])


def _write_tables(folder: Path) -> None:
    """Tables of passages to import, and their topics and judgments."""
    texts = list(enumerate(passage["text"] for passage in _passages()))
    rows = [f"{n},{TITLES[n % 3]},{TITLES[n % 3]},{text},3,u,was {n},{n}" for n, text in texts]
    _lines(folder / "faq.csv", ["sku,title,name,body,price,url,Frage,Antwort", *rows])
    _lines(folder / "passages.csv", ["docno,body", *(f"{n},{text}" for n, text in texts)])
    for part in ("train", "test"):
        _lines(folder / f"{part}.tsv", [f"q{n}\t{text}" for n, text in texts])
        _lines(folder / f"{part}.qrels", [f"q{n} 0 {n} 1" for n, _ in texts])
    _lines(folder / "ids.txt", [str(n) for n, _ in texts])


def _write_pairs(folder: Path) -> None:
    """Pairs of several sources, which have nothing in common, and clicks."""
    letters = np.random.default_rng(0).choice([*"abcdefghijklmnoprstuvw"], (1280, 3, 6))
    texts = [" ".join("".join(word) for word in words) for words in letters]
    pairs = [{"question": f"what is {text}", "answer": text} for text in texts]
    _lines(folder / "faq.jsonl", map(json.dumps, pairs[:120]))
    _lines(folder / "pairs.jsonl", map(json.dumps, pairs[120:160]))
    pl.DataFrame(pairs[160:1240]).write_parquet(folder / "pairs.parquet")
    clicked = texts[1240:1280]
    rows = [f"what is {text},{text},5,9" for text in clicked]
    _lines(folder / "log.csv", ["query,passage,clicks,impressions", *rows])
    shop = [{"id": str(n), "text": text} for n, text in enumerate(clicked)]
    _lines(folder / "data" / "shop" / "corpus" / "corpus.jsonl", map(json.dumps, shop))


def _write_mined(folder: Path) -> None:
    """Negatives and a teacher's scores of `data/mine`."""
    ids = [pid(n) for n in range(PASSAGES)]
    topics = (folder / "data" / "mine" / "topics.train.tsv").read_text(encoding="utf-8")
    queries = dict(line.split("\t") for line in topics.splitlines())
    mined = {qid: [one for one in ids if one != pid(int(qid[1:]))][:5] for qid in queries}
    _lines(folder / "train_negs.tsv", [f"{qid}\t{','.join(ids)}" for qid, ids in mined.items()])
    scored = [
        {
            "query": queries[qid],
            "positives": {"doc_id": [pid(int(qid[1:]))], "score": [9.0]},
            "negatives": {"doc_id": ids, "score": [3.0, 2.0, 1.0, 0.0, -1.0]},
        }
        for qid, ids in mined.items()
    ]
    _lines(folder / "kd_train.jsonl", map(json.dumps, scored))


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

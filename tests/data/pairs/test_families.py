"""The same training data in the forms of three families make the same folder."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from i3_pyserini.data import import_pairs
from i3_pyserini.data.candidates import NegativesFile, TeacherFile
from i3_pyserini.data.check import check_collection
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.formats.textstore import open_store

# query, positive, negatives and the scores of all
DATA = [
    ("how long does an egg take?", "Eight minutes.", ["Fry it.", 'Çold, "hard" water']),
    ("what is ice?", "Frozen water.", ["Fry it.", "Eight minutes."]),
]
SCORES = [[9.5, 1.0, 0.25], [7.0, -1.0, 2.0]]
Record = dict[str, Any]


def pairs() -> list[Record]:
    """As sentence-transformers names them."""
    return [{"anchor": q, "positive": p, "negative_1": a, "negative_2": b} for q, p, (a, b) in DATA]


def triplets() -> list[Record]:
    return [{"query": q, "positive": p, "negative": n} for q, p, ns in DATA for n in ns]


def scored() -> list[Record]:
    return [{**row, "label": scores} for row, scores in zip(pairs(), SCORES, strict=True)]


def labelled() -> list[Record]:
    rows = [(q, text, 0) for q, _, ns in DATA for text in ns]
    rows += [(q, p, 1) for q, p, _ in DATA]
    return [{"sentence1": q, "sentence2": text, "label": label} for q, text, label in rows]


def labelled_lists() -> list[Record]:
    return [{"query": q, "docs": [*ns, p], "labels": [0, 0, 1]} for q, p, ns in DATA]


def tevatron() -> list[Record]:
    def passage(text: str) -> Record:
        return {"docid": f"d{len(text)}", "title": "", "text": text}

    return [
        {
            "query_id": str(number),
            "query": q,
            "positive_passages": [passage(p)],
            "negative_passages": list(map(passage, ns)),
        }
        for number, (q, p, ns) in enumerate(DATA)
    ]


def bge() -> list[Record]:
    return [
        {"query": q, "pos": [p], "neg": ns, "pos_scores": s[:1], "neg_scores": s[1:], "prompt": "x"}
        for (q, p, ns), s in zip(DATA, SCORES, strict=True)
    ]


FAMILIES: dict[str, Callable[[], list[Record]]] = {
    one.__name__: one for one in (pairs, triplets, scored, labelled, labelled_lists, tevatron, bge)
}


def write_jsonl(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def content(folder: Path) -> list[tuple[str, list[str], list[str]]]:
    """Texts of each query, its positives and its negatives."""
    store = open_store(folder / "corpus", folder.parent)

    def texts(pids: list[str]) -> list[str]:
        return [one.text if (one := store.get(pid)) else "absent" for pid in pids]

    queries = read_judged_queries(folder / "topics.train.tsv", folder / "qrels.train.txt")
    return [
        (one.query, texts(one.positives), texts(one.negatives))
        for one in NegativesFile(folder / "train_negs.tsv", *queries)
    ]


EXPECTED = [(query, [positive], negatives) for query, positive, negatives in DATA]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_families_give_the_same_candidates(tmp_path: Path, family: str) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", FAMILIES[family]())
    done = import_pairs([source], output=tmp_path / "out")
    assert content(tmp_path / "out") == EXPECTED
    assert (done.counts["queries"], done.counts["passages"]) == (2, 4)
    assert (done.counts["positives"], done.counts["negatives"]) == (2, 4)
    scores = tmp_path / "out" / "kd_train.jsonl"
    assert scores.exists() is (family in ("scored", "bge"))
    if scores.exists():
        lines = list(TeacherFile(scores))
        assert [[*(one.positive_scores or []), *(one.negative_scores or [])] for one in lines] == (
            SCORES
        )
    assert "4 passages; train: 2 topics, 2 judgements" in str(check_collection(tmp_path / "out"))


def _csv(path: Path, records: list[Record]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return path


def _tsv(path: Path, records: list[Record]) -> Path:
    rows = ["\t".join(records[0]), *("\t".join(map(str, one.values())) for one in records)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def _parquet(path: Path, records: list[Record]) -> Path:
    pl.DataFrame(records).write_parquet(path)
    return path


def _gzip(path: Path, records: list[Record]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in records)
    return path


def _saved(path: Path, records: list[Record]) -> Path:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list(records)
    (DatasetDict({"train": rows}) if path.suffix == ".dict" else rows).save_to_disk(path)
    return path


FORMATS = {
    "rows.csv": _csv,
    "rows.tsv": _tsv,
    "rows.parquet": _parquet,
    "rows.jsonl.gz": _gzip,
    "saved": _saved,
    "saved.dict": _saved,
}


LISTS = ("rows.parquet", "rows.jsonl.gz", "saved", "saved.dict")  # tables have none
CASES = [
    *((family, name) for family in ("triplets", "labelled") for name in FORMATS),
    *((family, name) for family in ("tevatron", "bge") for name in LISTS),
]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_all_formats_give_the_same_folder(tmp_path: Path, family: str, name: str) -> None:
    records = FAMILIES[family]()
    import_pairs([write_jsonl(tmp_path / "rows.jsonl", records)], output=tmp_path / "jsonl")
    import_pairs([FORMATS[name](tmp_path / name, records)], output=tmp_path / "out")
    for path in (tmp_path / "jsonl").rglob("*.t*"):
        other = tmp_path / "out" / path.relative_to(tmp_path / "jsonl")
        assert path.read_bytes() == other.read_bytes(), path


def test_a_data_set_by_name_and_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    write_jsonl(tmp_path / "hub" / "train.jsonl", triplets())
    import_pairs([f"hf:{tmp_path}/hub"], output=tmp_path / "named")
    import_pairs([tmp_path / "hub"], output=tmp_path / "folder")
    assert content(tmp_path / "named") == content(tmp_path / "folder") == EXPECTED


def test_margins_are_scores_below_the_positive(tmp_path: Path) -> None:
    rows = [{**one, "score": 3.5} for one in triplets()]
    done = import_pairs([write_jsonl(tmp_path / "rows.jsonl", rows)], output=tmp_path / "out")
    first = next(iter(TeacherFile(tmp_path / "out" / "kd_train.jsonl")))
    assert (first.positive_scores, first.negative_scores) == ([0.0], [-3.5, -3.5])
    assert done.counts["margins"] == 4


def test_a_minimum_score_makes_positives_and_negatives(tmp_path: Path) -> None:
    rows = [
        {"sentence1": "a", "sentence2": text, "score": score}
        for text, score in (("b", 0.9), ("c", 0.5), ("d", 0.4))
    ]
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    import_pairs([source], output=tmp_path / "out", min_score=0.5)
    assert content(tmp_path / "out") == [("a", ["b", "c"], ["d"])]
    assert not (tmp_path / "out" / "kd_train.jsonl").exists()


def test_named_columns(tmp_path: Path) -> None:
    from i3_pyserini.data.pairs.columns import PairColumns

    path = tmp_path / "rows.csv"
    path.write_bytes("Frage;Antwort;falsch;auch falsch\nWas?;Tüte;Nein;\n".encode("cp1252"))
    columns = PairColumns(
        "Frage", "antwort", ["auch falsch", "falsch"], encoding="cp1252", delimiter=";"
    )
    done = import_pairs([path], output=tmp_path / "out", columns=columns)
    assert content(tmp_path / "out") == [("Was?", ["Tüte"], ["Nein"])]
    assert done.counts["empty"] == 1

"""A collection with judged queries, of the passages that trainings are tested with."""

import json
from pathlib import Path

from tests.train.task import LETTERS, SIZE, pid, query

TEST = range(0, SIZE, 3)


def write_collection(folder: Path, dev: bool = True) -> Path:
    """21 passages; a third of their queries for test, the others for train and dev."""
    (folder / "corpus").mkdir(parents=True)
    passages = [{"id": pid(n), "title": "na", "text": text} for n, text in enumerate(LETTERS)]
    text = "".join(json.dumps(passage) + "\n" for passage in passages)
    (folder / "corpus" / "corpus.jsonl").write_text(text, encoding="utf-8")
    rest = [n for n in range(SIZE) if n not in TEST]
    parts = {"test": [*TEST], "train": rest[4:] if dev else rest, "dev": rest[:4] if dev else []}
    for part, numbers in parts.items():
        if numbers:
            topics = "".join(f"q{n}\t{query(n)} {LETTERS[n]}\n" for n in numbers)
            (folder / f"topics.{part}.tsv").write_text(topics, encoding="utf-8")
            judged = "".join(f"q{n} 0 {pid(n)} 1\n" for n in numbers)
            (folder / f"qrels.{part}.txt").write_text(judged, encoding="utf-8")
    return folder

"""The docstring collection as files: corpus, topics and qrels, in the field's formats."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from i3_pyserini.demo.docstrings import Docstring, collect_docstrings

PACKAGES = ("stdlib", "numpy")
SPLITS = {"dev": range(1), "test": range(1, 3), "train": range(3, 10)}  # of ten parts


def write_collection(directory: Path, packages: Sequence[str] = PACKAGES) -> dict[str, int]:
    """Writes `corpus/corpus.jsonl`, and `topics.SPLIT.tsv` and `qrels.SPLIT.txt` for three splits.

    A passage has `id`, `title` (the name) and `text` (the description), and both in `contents`,
    which is what Anserini indexes. Which split a query belongs to depends on nothing but its name.

    Args:
        directory: folder for the files.
        packages: whose docstrings; see `collect_docstrings`.

    Returns:
        Number of queries by split, and of passages under "passages".
    """
    collection = collect_docstrings(packages)
    (directory / "corpus").mkdir(parents=True, exist_ok=True)
    with (directory / "corpus" / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
        for entry in collection:
            record = {
                "id": entry.name,
                "title": entry.name,
                "text": entry.description,
                "contents": f"{entry.name}\n{entry.description}",
            }
            corpus.write(json.dumps(record) + "\n")
    counts = {"passages": len(collection)}
    for split, parts in SPLITS.items():
        chosen = [entry for entry in collection if _part(entry) in parts]
        topics = "".join(f"{entry.name}\t{entry.summary}\n" for entry in chosen)
        (directory / f"topics.{split}.tsv").write_text(topics, encoding="utf-8")
        qrels = "".join(f"{entry.name} 0 {entry.name} 1\n" for entry in chosen)
        (directory / f"qrels.{split}.txt").write_text(qrels, encoding="utf-8")
        counts[split] = len(chosen)
    return counts


def _part(entry: Docstring) -> int:
    return int(hashlib.sha256(entry.name.encode()).hexdigest(), 16) % 10

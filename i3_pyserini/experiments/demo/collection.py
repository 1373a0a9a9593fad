"""The docstring collection as files: corpus, topics and qrels, in the field's formats."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from i3_pyserini.experiments.demo.docstrings import Docstring, collect_docstrings
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.qrels import write_qrels
from i3_pyserini.formats.topics import write_topics

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
    with new_file(directory / "corpus" / "corpus.jsonl", overwrite=True) as corpus:
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
        with new_file(directory / f"topics.{split}.tsv", overwrite=True) as file:
            write_topics(file, ((entry.name, entry.summary) for entry in chosen))
        with new_file(directory / f"qrels.{split}.txt", overwrite=True) as file:
            write_qrels(file, ((entry.name, entry.name, 1) for entry in chosen))
        counts[split] = len(chosen)
    return counts


def _part(entry: Docstring) -> int:
    return int(hashlib.sha256(entry.name.encode()).hexdigest(), 16) % 10

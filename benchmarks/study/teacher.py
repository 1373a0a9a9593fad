"""Scores of a bi-encoder teacher for distillation, in the format of `data score`.

    python -m benchmarks.study.teacher --teacher DIR --data study-output/data/acl-titles

Writes `teacher.jsonl` into the collection's folder: each training query with its positives and its
mined negatives. A score is the cosine divided by the temperature of the training.
"""

import argparse
import json
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from benchmarks.study.conditions import SHARED
from i3_pyserini.data.candidates import NegativesFile
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passages import Corpus

LENGTH = 128  # ids of a passage, twice what the students read


def write_scores(teacher: Path, data: Path) -> None:
    """Writes a collection's `teacher.jsonl`."""
    model = SentenceTransformer(str(teacher), model_kwargs={"dtype": torch.bfloat16}, device="cpu")
    model.max_seq_length = LENGTH
    queries, positives = read_judged_queries(
        data / "topics.train.tsv", data / "qrels.train.txt", 1, False
    )
    candidates = NegativesFile(data / "negatives.tsv", queries, positives)
    found = [candidates[number] for number in range(len(candidates))]
    passages = {
        one.docid: f"{one.title or ''} {one.text}".strip() for one in Corpus(data / "corpus")
    }
    rows = {pid: row for row, pid in enumerate(passages)}
    texts = [one.query for one in found]
    by_passage, by_query = (
        model.encode(part, batch_size=32, normalize_embeddings=True, convert_to_tensor=True).float()
        for part in (list(passages.values()), texts)
    )
    with new_file(data / "teacher.jsonl") as file:
        for qid, one, vector in zip(candidates.ids(), found, by_query, strict=True):
            record: dict[str, object] = {"qid": qid, "query": one.query}
            for name, pids in (("positives", one.positives), ("negatives", one.negatives)):
                cosines = by_passage[[rows[pid] for pid in pids]] @ vector
                scores = (cosines / SHARED["loss.temperature"]).tolist()
                record[name] = {"doc_id": pids, "score": [round(score, 4) for score in scores]}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description="Score training candidates with a bi-encoder.")
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    write_scores(args.teacher, args.data)


if __name__ == "__main__":
    main()

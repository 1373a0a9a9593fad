"""Scores of a teacher for distillation, in the format of `data score`.

    python -m benchmarks.study.teacher --teacher DIR --data study-output/data/acl-titles

Writes `teacher.jsonl` into the collection's folder: each training query with its positives and its
mined negatives. The teacher is a bi-encoder, and a score is the cosine divided by the temperature
of the training.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

from benchmarks.study.conditions import SHARED
from i3_pyserini.data.candidates import NegativesFile
from i3_pyserini.data.queries import read_judged_queries
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passages import Corpus

LENGTH = 128  # ids of a passage, twice what the students read
HALF = {"dtype": torch.bfloat16}
Pairs = Sequence[tuple[str, str]]
Scorer = Callable[[Pairs], Sequence[float]]


def by_vectors(teacher: Path) -> Scorer:
    """Scores pairs of query and passage by a bi-encoder; each text is encoded once."""
    model = SentenceTransformer(str(teacher), model_kwargs=HALF, device="cpu")
    model.max_seq_length = LENGTH

    def scores(pairs: Pairs) -> Sequence[float]:
        rows = {
            text: row for row, text in enumerate(dict.fromkeys(t for pair in pairs for t in pair))
        }
        vectors = model.encode(
            list(rows), batch_size=32, normalize_embeddings=True, convert_to_tensor=True
        ).float()
        queries, passages = (vectors[[rows[pair[side]] for pair in pairs]] for side in range(2))
        found: list[float] = ((queries * passages).sum(dim=1) / SHARED["loss.temperature"]).tolist()
        return found

    return scores


def write_scores(score: Scorer, data: Path, target: Path) -> None:
    """Writes the scores of a collection's training queries."""
    queries, positives = read_judged_queries(
        data / "topics.train.tsv", data / "qrels.train.txt", 1, False
    )
    candidates = NegativesFile(data / "negatives.tsv", queries, positives)
    found = [candidates[number] for number in range(len(candidates))]
    passages = {
        one.docid: f"{one.title or ''} {one.text}".strip() for one in Corpus(data / "corpus")
    }
    pairs = [
        (one.query, passages[pid]) for one in found for pid in (*one.positives, *one.negatives)
    ]
    scores = iter(score(pairs))
    with new_file(target) as file:
        for qid, one in zip(candidates.ids(), found, strict=True):
            record: dict[str, object] = {"qid": qid, "query": one.query}
            for name, pids in (("positives", one.positives), ("negatives", one.negatives)):
                own = [round(value, 4) for value in islice(scores, len(pids))]
                record[name] = {"doc_id": pids, "score": own}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description="Score training candidates with a teacher.")
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    write_scores(by_vectors(args.teacher), args.data, args.data / "teacher.jsonl")


if __name__ == "__main__":
    main()

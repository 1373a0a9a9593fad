"""Scores of a teacher for distillation, in the format of `data score`.

    python -m benchmarks.study.teacher --teacher DIR --data study-output/data/acl-titles

Writes `teacher.jsonl` into the collection's folder: each training query with its positives and its
mined negatives. A bi-encoder's score is the cosine divided by the temperature of the training.
With `--cross`, the teacher is a cross-encoder (such as `benchmarks.teacher` trains), its scores are
logits, and the file is `teacher.cross.jsonl`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

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


def by_pairs(teacher: Path) -> Scorer:
    """Scores pairs of query and passage by a cross-encoder."""
    model = CrossEncoder(str(teacher), model_kwargs=HALF, device="cpu", max_length=LENGTH)
    return lambda pairs: [float(score) for score in model.predict(list(pairs), batch_size=32)]


def write_scores(score: Scorer, data: Path, target: Path, count: int | None) -> None:
    """Writes the scores of a collection's training queries, with `count` negatives each."""
    queries, positives = read_judged_queries(
        data / "topics.train.tsv", data / "qrels.train.txt", 1, False
    )
    candidates = NegativesFile(data / "negatives.tsv", queries, positives)
    found = [candidates[number] for number in range(len(candidates))]
    found = [replace(one, negatives=one.negatives[:count]) for one in found]
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
    parser.add_argument("--cross", action="store_true", help="it is a cross-encoder")
    parser.add_argument("--negatives", type=int, help="how many of a query; default: all")
    args = parser.parse_args()
    scorer = by_pairs(args.teacher) if args.cross else by_vectors(args.teacher)
    name = "teacher.cross.jsonl" if args.cross else "teacher.jsonl"
    write_scores(scorer, args.data, args.data / name, args.negatives)


if __name__ == "__main__":
    main()

"""What reconstructors know: their loss for a passage's own and another's query, and their words.

    python -m benchmarks.study.reconstructor MODEL… --data study-output/data/acl-titles

A reconstructor that has only learned which words are frequent has the same loss for both, and
predicts no more of a query's words than a list of the most frequent ones.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.word_recall import WordRecall, word_recall

SPLITS = ("train", "explore", "test")
QUERIES = 256  # of each split: its first


@dataclass(frozen=True)
class Known:
    """Losses in nats of queries from their own passages and from others; and the words."""

    own: float
    other: float
    words: WordRecall | None

    def __str__(self) -> str:
        words = self.words
        if words is None:
            return f"{self.own:.2f}, {self.other:.2f}"
        shares = f"{words.predicted:.1%} ({words.frequent:.1%}, {words.passage:.1%})"
        return f"{self.own:.2f}, {self.other:.2f}; {shares}"


@torch.no_grad()
def known(model: Path, data: Path, split: str) -> Known:
    """What a reconstructor knows of a split's first queries.

    Args:
        model: folder of an I³ model.
        data: folder of a collection, with one relevant passage for each query.
        split: which queries.
    """
    loaded, tokenizer = load_model_directory(model)
    topics = read_topics(str(data / f"topics.{split}.tsv"))
    judged = read_qrels(data / f"qrels.{split}.txt").select("query_id", "doc_id")
    relevant = dict(judged.iter_rows())
    qids = list(topics)[:QUERIES]
    wanted = {relevant[qid] for qid in qids}
    found = {one.docid: one for one in Corpus(data / "corpus") if one.docid in wanted}
    passages = [found[relevant[qid]] for qid in qids]
    queries = [topics[qid] for qid in qids]
    texts, titles = [one.text for one in passages], [one.title for one in passages]
    batch, labels = tokenizer.passages(texts, titles), tokenizer.reconstruction_labels(queries)
    encoded = loaded.encode_passages(
        batch["input_ids"], batch["attention_mask"], pseudo_query_length=labels.size(1)
    )
    assert encoded.pseudo_query is not None  # noqa: S101  (the model is not a plain one)
    own, other = (
        float(loaded.reconstruction_loss(encoded.pseudo_query, one))
        for one in (labels, labels.roll(1, dims=0))
    )
    return Known(own, other, word_recall(loaded, tokenizer, queries, texts, titles))


def main() -> None:
    """Prints a row for each model."""
    parser = argparse.ArgumentParser(description="Losses of reconstructors for unseen passages.")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["train", "explore"])
    args = parser.parse_args()
    print("own, other query; words predicted (most frequent, passage's own)\n")
    print(f"| | {' | '.join(args.splits)} |\n|{' --- |' * (1 + len(args.splits))}")
    for model in args.models:
        found = [str(known(model, args.data, split)) for split in args.splits]
        print(f"| {model} | {' | '.join(found)} |")


if __name__ == "__main__":
    main()

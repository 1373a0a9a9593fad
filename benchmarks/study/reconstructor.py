"""What reconstructors know: their loss for a passage's own query and for that of another passage.

    python -m benchmarks.study.reconstructor MODEL… --data study-output/data/acl-titles

A reconstructor that has only learned which words are frequent has the same loss for both.
"""

import argparse
from pathlib import Path

import torch

from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.model.export import load_model_directory

SPLITS = ("train", "explore", "test")
QUERIES = 128  # of each split: its first


@torch.no_grad()
def losses(model: Path, data: Path, split: str) -> tuple[float, float]:
    """Mean losses in nats of a split's first queries: from their own passages and from others.

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
    texts = {one.docid: one for one in Corpus(data / "corpus") if one.docid in wanted}
    passages = [texts[relevant[qid]] for qid in qids]
    batch = tokenizer.passages([one.text for one in passages], [one.title for one in passages])
    labels = tokenizer.reconstruction_labels([topics[qid] for qid in qids])
    encoded = loaded.encode_passages(
        batch["input_ids"], batch["attention_mask"], pseudo_query_length=labels.size(1)
    )
    assert encoded.pseudo_query is not None  # noqa: S101  (the model is not a plain one)
    own, other = (
        float(loaded.reconstruction_loss(encoded.pseudo_query, one))
        for one in (labels, labels.roll(1, dims=0))
    )
    return own, other


def main() -> None:
    """Prints a row for each model."""
    parser = argparse.ArgumentParser(description="Losses of reconstructors for unseen passages.")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=["train", "explore"])
    args = parser.parse_args()
    print(f"| own, other query | {' | '.join(args.splits)} |\n|{' --- |' * (1 + len(args.splits))}")
    for model in args.models:
        found = [losses(model, args.data, split) for split in args.splits]
        print(f"| {model} | {' | '.join(f'{own:.2f}, {other:.2f}' for own, other in found)} |")


if __name__ == "__main__":
    main()

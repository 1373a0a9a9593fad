"""What some exploratory runs read besides: made queries, and hard negatives of a trained model.

    python -m benchmarks.study.extra --data study-output/data/acl-titles \
        --model study-output/rates/acl-titles/plain-5e-05-seed-171000060/model/last
    python -m benchmarks.study.extra --data study-output/data/acl-titles --name twice \
        --model study-output/explore/acl-titles/plain-negatives-of-the-model-seed-1/model/last

Writes `generated/generated.tsv`, the first sentence of each passage as a query, and
`negatives.NAME.tsv` into the collection's folder.
"""

import argparse
from pathlib import Path

import i3_pyserini as i3
from benchmarks.study.data import DEPTH, NEGATIVES
from i3_pyserini.data.make import make_queries
from i3_pyserini.data.mine import mine_negatives


def make_extra(data: Path, model: Path, name: str) -> None:
    """Makes what is missing.

    Args:
        data: the collection's folder.
        model: the model whose hits become negatives.
        name: of the negatives.
    """
    corpus, index = data / "corpus", data / f"{name}-index"
    if not (data / "generated").exists():
        make_queries(corpus, output=data / "generated", source="first-sentences")
    if not index.exists():
        i3.encode_corpus(corpus, model=model, output=index)
    if not (negatives := data / f"negatives.{name}.tsv").exists():
        mine_negatives(
            data / "topics.train.tsv",
            data / "qrels.train.txt",
            corpus,
            index=index,
            output=negatives,
            depth=f"1-{DEPTH}",
            per_query=NEGATIVES,
            cache=data,
        )


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description="Make what some exploratory runs read besides.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--name", default="model")
    args = parser.parse_args()
    make_extra(args.data, args.model, args.name)


if __name__ == "__main__":
    main()

"""A small cross-encoder, trained on mined negatives, for machines that cannot download a teacher.

    python -m benchmarks.teacher --negatives mined.jsonl --collection CORPUS --backbone DIR \
        --output teacher

Where the hub can be reached, a published cross-encoder is the better teacher.
"""

import argparse
import json
import random
from pathlib import Path

from datasets import Dataset
from sentence_transformers.cross_encoder import (
    CrossEncoder,
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.formats.lines import read_jsonl
from i3_pyserini.formats.textstore import TextStore, open_store

NEGATIVES = 3  # for each positive


def pairs(mined: Path, store: TextStore, count: int, seed: int) -> Dataset:
    """Queries with one positive and some negatives each, in random order.

    Args:
        mined: what `data mine --jsonl` wrote.
        store: the collection.
        count: pairs wanted.
        seed: of the order and the choice.
    """
    generator = random.Random(seed)  # noqa: S311  (sampling, not secrecy)
    records = [record for _, record in read_jsonl(mined)]
    generator.shuffle(records)
    rows: dict[str, list[str | float]] = {"query": [], "passage": [], "label": []}
    for record in records:
        positive = generator.choice(record["positives"]["doc_id"])
        found = record["negatives"]["doc_id"]
        negatives = generator.sample(found, min(NEGATIVES, len(found)))
        for pid, label in [(positive, 1.0), *((pid, 0.0) for pid in negatives)]:
            text = store.get(pid)
            if text is None:
                raise I3Error(f"{mined}: passage {pid} is not in the collection")
            rows["query"].append(record["query"])
            rows["passage"].append(" ".join(filter(None, (text.title, text.text))))
            rows["label"].append(label)
        if len(rows["label"]) >= count:
            break
    return Dataset.from_dict(rows)


def main() -> None:
    """Trains and saves the cross-encoder."""
    parser = argparse.ArgumentParser(description="Train a small cross-encoder as a teacher.")
    parser.add_argument("--negatives", type=Path, required=True, help="of `data mine --jsonl`")
    parser.add_argument("--collection", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=160)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    if args.output.exists():
        raise I3Error(f"{args.output}: exists; choose another name")
    data = pairs(
        args.negatives, open_store(args.collection), args.steps * args.batch_size, args.seed
    )
    model = CrossEncoder(args.backbone, num_labels=1, max_length=args.max_length)
    partial = args.output.with_name(f".{args.output.name}.partial")
    options = CrossEncoderTrainingArguments(
        output_dir=str(partial),
        max_steps=args.steps,
        per_device_train_batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        warmup_steps=args.steps // 10,
        seed=args.seed,
        logging_steps=max(1, args.steps // 10),
        save_strategy="no",
        report_to=[],
    )
    loss = BinaryCrossEntropyLoss(model)
    trainer = CrossEncoderTrainer(model=model, args=options, train_dataset=data, loss=loss)
    losses = trainer.train().training_loss
    model.save_pretrained(str(partial))
    partial.rename(args.output)
    print(json.dumps({"output": str(args.output), "pairs": len(data), "loss": round(losses, 4)}))


if __name__ == "__main__":
    run_command(main)

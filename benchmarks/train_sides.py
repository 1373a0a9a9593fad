"""One side of `benchmarks.train_speed`, in a process of its own: some optimizer steps, timed.

    python -m benchmarks.train_sides '{"side": "plain", "collection": …}'

Both libraries train the same weights on the same batches in the same order, each with its own
trainer, data loader and optimizer (fused AdamW in both). The clock stops at the end of every
optimizer step, so a step includes the making of its batch.
"""

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import SequentialSampler
from torch.utils.flop_counter import FlopCounterMode

import i3_pyserini as i3
from benchmarks.bounds import matrix_products
from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.train.prepare import load_data
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe

RECIPE = "small-contrastive"
WARM_UP = 3  # steps that are not timed
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Piece:
    """What a process does.

    Attributes:
        side: "theirs", "plain" or "i3".
        collection: folder with `corpus/`, `topics.train.tsv` and `qrels.train.txt`.
        backbone: folder of the model to start from.
        output: folder for the trained model.
        steps: optimizer steps, the warm-up included.
        batch: pairs of a step.
        length: ids at which texts are cut.
        precision: "fp32" or "bf16".
        buckets: `training.length_buckets`.
        chunk: passages with activations at once; None for the whole batch.
        count: count operations instead of seconds.
        keep: save the trained model.
    """

    side: str
    collection: str
    backbone: str
    output: str
    steps: int
    batch: int
    length: int
    precision: str
    buckets: int = 1
    chunk: int | None = None
    count: bool = False
    keep: bool = False

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Measured:
    """What a process measured.

    Attributes:
        seconds: of an optimizer step, the median; 0 if operations were counted.
        flops: floating-point operations of a step, the mean; 0 if they were not counted.
        peak: floating-point operations per second of the fastest matrix product; 0 if not measured.
        parameters: that learn.
        losses: of each step.
    """

    seconds: float
    flops: float
    peak: float
    parameters: int
    losses: tuple[float, ...]


def measure(piece: Piece) -> Measured:
    """Trains, and measures it."""
    ends: list[float] = []
    parameters: set[int] = set()

    def note(optimizer: Optimizer, *_: object) -> None:
        ends.append(time.perf_counter())
        groups = [group["params"] for group in optimizer.param_groups]
        parameters.add(sum(one.numel() for group in groups for one in group))

    with ExitStack() as stack:
        stack.callback(register_optimizer_step_post_hook(note).remove)
        counter = stack.enter_context(FlopCounterMode(display=False)) if piece.count else None
        losses = train_theirs(piece) if piece.side == "theirs" else train_ours(piece)
    (learning,) = parameters
    if counter is not None:
        return Measured(0.0, counter.get_total_flops() / piece.steps, 0.0, learning, losses)
    steps = [after - before for before, after in pairwise(ends[WARM_UP - 1 :])]
    peak = matrix_products(DTYPES[piece.precision])
    return Measured(median(steps), 0.0, peak, learning, losses)


def overrides_of(piece: Piece) -> list[str]:
    """Our recipe `small-contrastive`, with the sizes of the piece."""
    folder = Path(piece.collection)
    return [
        f"output={piece.output}",
        f"model.init={piece.backbone}",
        f"model.interaction={'released' if piece.side == 'i3' else 'none'}",
        f"model.query_length={piece.length}",
        f"model.passage_length={piece.length}",
        f"data.collection={folder / 'corpus'}",
        f"data.queries={folder / 'topics.train.tsv'}",
        f"data.qrels={folder / 'qrels.train.txt'}",
        f"data.cache={folder / 'cache'}",
        f"training.max_steps={piece.steps}",
        f"training.batch_size={piece.batch}",
        f"training.precision={piece.precision}",
        f"training.length_buckets={piece.buckets}",
        f"training.chunk_passages={piece.chunk or 'null'}",
        "training.logging_steps=1",
    ]


def recipe_of(piece: Piece) -> Recipe:
    """The recipe as it is read."""
    return load_recipe(RECIPE, [f"--{one}" for one in overrides_of(piece)])


def train_ours(piece: Piece) -> tuple[float, ...]:
    """Trains with `i3_pyserini`; the losses."""
    i3.train_model(RECIPE, overrides=overrides_of(piece))
    lines = (Path(piece.output) / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(one["loss"] for one in map(json.loads, lines) if "loss" in one)


def train_theirs(piece: Piece) -> tuple[float, ...]:
    """Trains with `sentence_transformers`; the losses."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

    recipe = recipe_of(piece)
    model = SentenceTransformer(piece.backbone)
    model.max_seq_length = piece.length
    scale = 1 / recipe.loss.temperature
    loss = (
        CachedMultipleNegativesRankingLoss(model, scale, mini_batch_size=piece.chunk)
        if piece.chunk
        else MultipleNegativesRankingLoss(model, scale)
    )
    arguments = SentenceTransformerTrainingArguments(
        piece.output,
        max_steps=piece.steps,
        per_device_train_batch_size=piece.batch,
        learning_rate=recipe.optimizer.learning_rate,
        weight_decay=recipe.optimizer.weight_decay,
        warmup_steps=round(piece.steps * recipe.optimizer.warmup_ratio),
        lr_scheduler_type="linear",
        max_grad_norm=recipe.optimizer.max_grad_norm or 0.0,
        bf16=piece.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),  # which allows bf16 there
        seed=recipe.training.seed,
        batch_sampler=lambda data, batch_size, drop_last, **_: DefaultBatchSampler(
            SequentialSampler(data), batch_size, drop_last
        ),
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    data = Dataset.from_dict(dict(zip(("anchor", "positive"), pairs(piece), strict=True)))
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=data, loss=loss)
    trainer.train()
    if piece.keep:
        model.save_pretrained(str(Path(piece.output) / "last"))
    return tuple(one["loss"] for one in trainer.state.log_history if "loss" in one)


def pairs(piece: Piece) -> tuple[list[str], list[str]]:
    """Queries and passages in the order in which our trainer takes them.

    Raises:
        I3Error: an epoch has fewer steps.
    """
    data = load_data(recipe_of(piece), reconstructs=False, check=False)
    sampler = data.sampler(0, 1)
    sampler.start(1, 0)
    needed = piece.steps * piece.batch
    if len(sampler) < needed:
        raise I3Error(
            f"{piece.collection}: {len(sampler):,} training queries are fewer than {piece.steps} "
            f"batches of {piece.batch}; lower --steps, or add --packages"
        )
    samples = [data.samples[key] for key, _ in zip(sampler, range(needed), strict=False)]
    passages = [sample.passages[0] for sample in samples]
    titled = [f"{one.title} {one.text}" if one.title else one.text for one in passages]
    return [sample.group.query for sample in samples], titled


def main() -> None:
    """Measures the piece of the command line, and prints the result as JSON."""
    found = measure(Piece(**json.loads(sys.argv[1])))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    run_command(main)

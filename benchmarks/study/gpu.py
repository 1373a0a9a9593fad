"""The study on a GPU, with larger batches: checks, trains what is missing, reports, in pieces.

    python -m benchmarks.study.gpu --minutes 9

Reads the folder that `benchmarks.study.pack` leaves, and needs no network. It first compares the
GPU's vectors with the CPU's, stops when its minutes are over, and goes on from the last checkpoint
when called again. Results are in `records` in the same folder; they are exploratory, of one seed.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

import i3_pyserini as i3
from benchmarks.study.explored import print_tables
from benchmarks.study.plan import runs_of
from benchmarks.study.worker import Place, start_worker
from i3_pyserini.errors import I3Error, run_command

TEXTS = ("a dual encoder", "queries imagined from the vector of a passage " * 12)
TOLERANCE = 1e-3  # of coordinates of unit vectors, in single precision, TF32 included


def check(backbone: Path, device: str) -> None:
    """Compares a device's vectors with the CPU's, in single precision.

    Raises:
        I3Error: they differ.
    """
    here, there = (
        torch.from_numpy(i3.load(backbone, device=name).encode_passages(TEXTS))
        for name in ("cpu", device)
    )
    unit = torch.nn.functional.normalize
    difference = float((unit(here) - unit(there)).abs().max())
    print(f"{device} and CPU: largest difference of unit vectors {difference:.1e}")
    if not difference < TOLERANCE:
        raise I3Error(f"{device}: its vectors differ from the CPU's by more than {TOLERANCE}")


def train(place: Place, collections: list[str], minutes: float) -> None:
    """Trains and measures for so many minutes, and prints what is there."""
    worker = start_worker("gpu", collections, place, {})
    try:
        code = worker.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        worker.kill()  # a run goes on from its last checkpoint
        worker.wait()
        code = 0
    print_tables(place.records / "gpu")
    runs = list(runs_of("gpu", collections))
    done = sum((place.records / run.file).exists() for run in runs)
    print(f"\n{done} of {len(runs)} runs are done")
    sys.exit(code)


def main() -> None:
    """Checks, trains and reports."""
    parser = argparse.ArgumentParser(description="The study on a GPU.")
    parser.add_argument("--folder", type=Path, default=Path("study-gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9)
    args = parser.parse_args()
    folder: Path = args.folder
    place = Place(folder / "data", folder / "trained", folder / "records", folder / "backbone")
    check(place.backbone, args.device)
    train(place, sorted(path.name for path in place.data.iterdir()), args.minutes)


if __name__ == "__main__":
    run_command(main)

"""Puts all that the study on a GPU reads into one folder, for a machine without network.

    python -m benchmarks.study.pack --backbone DIR --collections acl-titles docstrings

Weights are halved in precision, and with that in size; training itself is in single precision. What
can be made again from the collections (BM25 indexes, stores) stays here.
"""

import argparse
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from benchmarks.study.data import COLLECTIONS, make_collection

WEIGHTS = "model.safetensors"
LEFT_OUT = shutil.ignore_patterns("bm25*", "*.store")


def halve(backbone: Path, target: Path) -> None:
    """Copies a backbone's folder, with weights in half precision and in no other format."""
    others = shutil.ignore_patterns(WEIGHTS, "*.bin", "*.onnx", "onnx", "openvino", "*.h5")
    shutil.copytree(backbone, target, ignore=others)
    halves = {
        name: one.half() if one.is_floating_point() else one
        for name, one in load_file(backbone / WEIGHTS).items()
    }
    save_file(halves, target / WEIGHTS, metadata={"format": "pt"})


def main() -> None:
    """Makes the collections and copies."""
    parser = argparse.ArgumentParser(description="Pack the study for a machine with a GPU.")
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--collections", nargs="+", choices=list(COLLECTIONS), required=True)
    parser.add_argument("--data", type=Path, default=Path("study-output/data"))
    parser.add_argument("--shared", type=Path, default=Path("../shared/collections"))
    parser.add_argument("--folder", type=Path, default=Path("study-gpu"))
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    for name in args.collections:
        made = make_collection(name, args.data, args.shared)
        shutil.copytree(made, args.folder / "data" / name, ignore=LEFT_OUT)
    halve(args.backbone, args.folder / "backbone")
    size = sum(path.stat().st_size for path in args.folder.rglob("*") if path.is_file())
    print(f"{args.folder}: {size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()

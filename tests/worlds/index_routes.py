"""Routes of what is made of an index: fewer dimensions, other types, quantized vectors, exports."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import i3_pyserini as i3
from tests.worlds.commands import command
from tests.worlds.compare import check_hits, check_queries, check_vectors, read_hits, read_index
from tests.worlds.place import Place
from tests.worlds.reference import Vectors

LEVELS = 255
BITS = 8


def one_command(place: Place) -> None:
    """`i3-pyserini encode` and `search`, and texts from Python with the same settings."""
    check_vectors(*read_index(place.own_index), place.reference, "i3-pyserini encode")
    place.check_run(place.search_own("own-run.txt", place.own_index), "i3-pyserini search")
    if place.is_told:
        return
    encoder, world = i3.load(place.model), place.world
    queries = encoder.encode_queries(list(world.topics.values()))
    check_queries(queries, place.reference, "load(…).encode_queries")
    passages = [
        {"title": (one.title or "") if world.titles else "", "text": one.text}
        for one in world.records
    ]
    vectors = encoder.encode_passages(passages)
    check_vectors(place.reference.docids, vectors, place.reference, "load(…).encode_passages")


def shortened(place: Place) -> None:
    """`index build --dimensions`: the first dimensions of vectors, of queries alike."""
    reference, unit = place.reference, place.world.model.normalize
    size = Random(place.world.seed).randint(1, reference.passages.shape[1] - 1)
    target = place.folder / "shortened"
    how = ("--output", target, "--type", "flat", "--dimensions", size)
    command("i3_pyserini", "index", "build", place.own_index, *how)
    short = replace(
        reference,
        passages=_shorter(reference.passages, size, unit),
        queries=_shorter(reference.queries, size, unit),
    )
    check_vectors(*read_index(target), short, "index build --dimensions", 10)
    run = place.search_own("shortened.txt", target)
    qids = list(place.world.topics)
    check_hits(read_hits(run), qids, short, place.world.k, "search of fewer dimensions")


def _shorter(vectors: Vectors, size: int, unit: bool) -> Vectors:
    short = vectors[:, :size].astype(np.float64)
    lengths = np.sqrt((short**2).sum(axis=1, keepdims=True)) if unit else 1.0
    result: Vectors = (short / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def types(place: Place) -> None:
    """Types of indexes that find the nearest passages for certain, asked for as widely as that."""
    reference, qids = place.reference, list(place.world.topics)
    steps = {
        "fp16": np.abs(np.spacing(reference.passages.astype(np.float16))).astype(np.float32),
        "sq8": np.ptp(reference.passages, axis=0) / LEVELS,
    }
    how: tuple[object, ...]
    for number, (name, how) in enumerate(
        [
            ("flat", ()),
            ("fp16", ()),
            ("sq8", ()),
            ("ivf-flat", ()),
            ("IVF3,Flat", ("--nprobe", 3)),
        ]
    ):
        target = place.folder / f"type-{number}"
        words = ("--output", target, "--type", name)
        command("i3_pyserini", "index", "build", place.own_index, *words)
        run = place.search_own(f"type-{number}.txt", target, *how)
        right = reference
        if name in steps:
            right = replace(right, passages=_decoded(target, right.passages, steps[name]))
        check_hits(read_hits(run), qids, right, place.world.k, f"search of type {name}")


def _decoded(index: Path, vectors: Vectors, steps: Vectors) -> Vectors:
    """The vectors that FAISS decodes of an index's codes, each within a step of its own."""
    _, found = read_index(index)
    off = np.abs(found - vectors) - steps - 1e-5 * np.abs(vectors).max()
    assert off.max() <= 0, f"{index.name}: more than a step off, by {off.max():.2e}"
    decoded: Vectors = found
    return decoded


def quantized(place: Place) -> None:
    """Vectors as sentence-transformers quantizes them, imported: off by half a step at most."""
    vectors = place.reference.passages
    ranges = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
    steps = (ranges[1] - ranges[0]) / LEVELS
    codes = np.clip((vectors - ranges[0]) / np.where(steps > 0, steps, 1), 0, LEVELS).astype("u1")
    bits = np.packbits(vectors > 0, axis=1)
    np.save(place.root / "ranges.npy", ranges)
    for name, stored in {
        "uint8": codes,
        "int8": (codes.astype(np.int16) - 128).astype(np.int8),
        "ubinary": bits,
        "binary": (bits.astype(np.int16) - 128).astype(np.int8),
    }.items():
        found = _imported(place, name, stored)
        if "binary" in name:
            right = np.where(np.unpackbits(bits, axis=1) > 0, 1.0, -1.0)
            right = right / np.sqrt(BITS * bits.shape[1])
            assert np.allclose(found, right, atol=1e-6), f"index import --quantized {name}"
        else:
            most = 0.51 * steps + 1e-5 * np.abs(vectors).max()
            off = np.abs(found - vectors) - most
            assert off.max() <= 0, f"index import --quantized {name}: off by {off.max():.2e}"


def _imported(place: Place, name: str, stored: np.ndarray[Any, Any]) -> Vectors:
    source, target = place.root / f"{name}.npy", place.root / f"imported-{name}"
    ids = place.root / "ids"
    ids.write_text("".join(f"{one}\n" for one in place.reference.docids), encoding="utf-8")
    np.save(source, stored)
    ranges = () if "binary" in name else ("--ranges", place.root / "ranges.npy")
    words = ("--ids", ids, "--output", target, "--quantized", name, *ranges)
    command("i3_pyserini", "index", "import", source, *words)
    docids, vectors = read_index(target)
    assert docids == place.reference.docids, f"index import --quantized {name}: ids"
    found: Vectors = vectors
    return found


def exports(place: Place) -> None:
    """`index export` to each format, and an index made of it again."""
    for form, name in (("jsonl", "out"), ("npy", "out-npy"), ("parquet", "out.parquet")):
        target, again = place.folder / name, place.folder / f"{name}-again"
        command("i3_pyserini", "index", "export", place.own_index, "--to", form, "--output", target)
        if form == "npy":
            words: tuple[object, ...] = (target / "embeddings.npy", "--ids", target / "docid")
        else:
            words = (target,)
        if target.is_dir():
            (target / "manifest.json").unlink()  # as if another tool had written them
        command("i3_pyserini", "index", "import", *words, "--output", again)
        check_vectors(*read_index(again), place.reference, f"index export --to {form}")

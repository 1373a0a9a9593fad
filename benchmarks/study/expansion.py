"""Predicted words in place of doc2query: BM25 on passages with the words of an I³ model appended.

    python -m benchmarks.study.expansion MODEL --data study-output/data/acl-titles --folder FOLDER

k1 and b are tuned on dev for both; explore queries are compared (t-test, paired by query).
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import torch
from tqdm import tqdm

import i3_pyserini as i3
from benchmarks.per_query import values_of
from benchmarks.study.effects import effect
from benchmarks.study.plan import MEASURE
from i3_pyserini.formats.atomic import new_file
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.pseudo_query import bare, english_stop_words, pseudo_query_words

WORDS, BATCH = 10, 64


def main() -> None:
    """Expands, searches and compares."""
    parser = argparse.ArgumentParser(description="BM25 with and without predicted words.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for what is made")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    expanded = args.folder / "expanded.jsonl"
    with new_file(expanded, overwrite=True) as file:
        file.writelines(f"{line}\n" for line in expanded_lines(args.model, args.data))
    base, other = (
        values(corpus, args.data, args.folder / name)
        for name, corpus in (("plain", args.data / "corpus"), ("expanded", expanded))
    )
    found = effect([base], [other])
    print(f"BM25 {fmean(base):.4f}, with {WORDS} predicted words {fmean(other):.4f}")
    print(f"{found.delta:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p {found.p_queries:.3f}")


@torch.inference_mode()
def expanded_lines(model: Path, data: Path) -> Iterator[str]:
    """The passages as JSON lines, with the words predicted for them at the end of their texts."""
    loaded, tokenizer = load_model_directory(model)
    stop_words = english_stop_words()
    passages = list(Corpus(data / "corpus"))
    for start in tqdm(range(0, len(passages), BATCH), unit=" batches"):
        part = passages[start : start + BATCH]
        batch = tokenizer.passages([one.text for one in part], [one.title for one in part])
        for one, logits in zip(part, loaded.decode_passages(**batch, memory="vector"), strict=True):
            words = pseudo_query_words(
                logits, tokenizer.reconstruction, WORDS, stop_words=stop_words
            )
            added = " ".join(bare(word.word) for word in words)
            record = {"id": one.docid, "title": one.title or "", "text": f"{one.text} {added}"}
            yield json.dumps(record, ensure_ascii=False)


def values(corpus: Path, data: Path, run: Path) -> list[float]:
    """The measure of each explore query."""
    i3.search_bm25(
        corpus,
        str(data / "topics.explore.tsv"),
        output=run.with_suffix(".txt"),
        engine="sqlite",
        hits=100,
        tune=str(data / "qrels.dev.txt"),
        tune_topics=str(data / "topics.dev.tsv"),
        measure=MEASURE,
        overwrite=True,
    )
    return values_of(run.with_suffix(".txt"), data / "qrels.explore.txt", MEASURE)


if __name__ == "__main__":
    main()

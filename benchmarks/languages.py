r"""BM25 with the analyzer of a language, without one, and with that of English, on manual pages.

    apt download manpages manpages-de manpages-es manpages-fr manpages-ja manpages-pl manpages-ru \
        manpages-zh
    for package in *.deb; do dpkg -x $package unpacked; done
    python -m benchmarks.languages unpacked [--languages de ja] [--record]

The line by which a page names itself is a query, its other text a passage, without that line. Pages
with the same line are all relevant. Engine lucene needs Java, and is left out without.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import regex

from benchmarks.man_pages import ManPage, read_pages
from benchmarks.record import Figure, add_record_option, measured_now, save, single
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.runs import evaluate
from i3_pyserini.search.bm25 import search_bm25
from i3_pyserini.search.languages import Engine
from i3_pyserini.stock.lucene_bm25 import why_no_lucene

FOLDERS = {"zh": "zh_CN", "en": "."}
# A line without a letter of its script has not been translated.
SCRIPTS = {"ja": r"[\p{Han}\p{Hiragana}\p{Katakana}]", "ru": r"\p{Cyrillic}", "zh": r"\p{Han}"}
LANGUAGES = ("de", "es", "fr", "ja", "pl", "ru", "zh", "en")
MEASURES = ("nDCG@10", "RR@10")
LEVEL = 0.05


class Collection(NamedTuple):
    """Files of a language.

    Attributes:
        corpus: passages in JSONL.
        topics: queries in TSV.
        qrels: judgments.
        pages: the number of passages.
        queries: the number of queries.
    """

    corpus: Path
    topics: Path
    qrels: Path
    pages: int
    queries: int


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description="BM25 with and without a language's analyzer.")
    parser.add_argument("unpacked", type=Path, help="folder of the unpacked Debian packages")
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=LANGUAGES)
    add_record_option(parser, "languages")
    args = parser.parse_args()
    engines: list[Engine] = ["sqlite"] if why_no_lucene() else ["sqlite", "lucene"]
    figures: list[Figure] = []
    print("| language | pages | queries | engine | its own | `none` | `en` |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for code in args.languages:
        with tempfile.TemporaryDirectory() as folder:
            made = collection(args.unpacked, code, Path(folder))
            for engine in engines:
                cells = ["–"] * 3
                for place, found in enumerate(measured(made, code, engine, figures)):
                    cells[place] = found
                row = (code, f"{made.pages:,}", f"{made.queries:,}", engine, *cells)
                print(f"| {' | '.join(row)} |", flush=True)
    print("\nnDCG@10 (RR@10); * differs from none, paired t-test, p < 0.05, Holm over a row.")
    if args.record:
        record = measured_now(
            "BM25 with the analyzer of a language, without one (none) and with that of English",
            "manual pages of Debian's packages manpages and manpages-LANGUAGE; known items",
            "once; the same every time",
            {},
            figures,
        )
        save(args.record, record)


def collection(unpacked: Path, code: str, folder: Path) -> Collection:
    """Writes the pages of a language as a collection.

    Raises:
        I3Error: there are none.
    """
    source = unpacked / "usr" / "share" / "man" / FOLDERS.get(code, code)
    pages = [page for page in read_pages(source) if _is_translated(page, code)]
    if not pages:
        raise I3Error(f"{source}: no manual pages; unpack the package manpages-{code}")
    relevant: dict[str, list[str]] = defaultdict(list)
    corpus, topics, qrels = (folder / name for name in ("corpus.jsonl", "topics.tsv", "qrels.txt"))
    with corpus.open("w", encoding="utf-8") as file:
        for page in pages:
            relevant[page.query].append(page.docid)
            passage = {"id": page.docid, "title": "", "text": page.text}
            file.write(json.dumps(passage, ensure_ascii=False) + "\n")
    numbered = list(enumerate(relevant, start=1))
    topics.write_text("".join(f"{n}\t{query}\n" for n, query in numbered), encoding="utf-8")
    judged = [f"{n} 0 {docid} 1\n" for n, query in numbered for docid in relevant[query]]
    qrels.write_text("".join(judged), encoding="utf-8")
    return Collection(corpus, topics, qrels, len(pages), len(relevant))


def measured(made: Collection, code: str, engine: Engine, figures: list[Figure]) -> Iterator[str]:
    """Cells of a row, for the language's own analyzer, none, and English."""
    analyzers = list(dict.fromkeys((code, "none", "en")))
    runs = {one: made.corpus.with_name(f"{engine}.{one}.txt") for one in analyzers}
    for language, run in runs.items():
        search_bm25(
            made.corpus, made.topics, output=run, engine=engine, language=language, hits=100
        )
    named = {language: str(run) for language, run in runs.items()}
    found = evaluate(
        made.qrels, list(named.values()), names=analyzers, measures=MEASURES, baseline="none"
    )
    differs = {
        one.run: one.t_test_holm < LEVEL for one in found.differences if one.measure == MEASURES[0]
    }
    for language in analyzers:
        values = [found.means[language][measure] for measure in MEASURES]
        for measure, value in zip(MEASURES, values, strict=True):
            figures.append(single(f"{code}, {engine}, {language}: {measure}", value, "", 3))
        star = "*" if differs.get(language) else ""
        yield f"{values[0]:.3f}{star} ({values[1]:.3f})"


def _is_translated(page: ManPage, code: str) -> bool:
    return code not in SCRIPTS or regex.search(SCRIPTS[code], page.query) is not None


if __name__ == "__main__":
    main()

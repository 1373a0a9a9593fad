"""`python -m i3_pyserini.search.bm25`: a BM25 run, with the stock Lucene of Pyserini."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error, run_command

if TYPE_CHECKING:
    from i3_pyserini.encode.corpus import Corpus

MANIFEST = "bm25.json"
NEEDED = ("--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.search.bm25",
        description="Index a corpus with Lucene, once, and search it with BM25.",
    )
    parser.add_argument("--corpus", type=Path, required=True, help="JSONL file or folder")
    parser.add_argument("--topics", required=True, help="TSV or JSONL file, or a data set's name")
    parser.add_argument("--index", type=Path, required=True, help="made here, or used again")
    parser.add_argument("--output", type=Path, required=True, help="the run file")
    parser.add_argument("--hits", type=int, default=1000)
    parser.add_argument("--k1", type=float, default=0.9)
    parser.add_argument("--b", type=float, default=0.4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--overwrite", action="store_true", help="replace an older run")
    return parser


def main() -> None:
    """Parses the command line, makes what is missing, and says what was written."""
    args = _parser().parse_args()
    if args.hits < 1 or args.threads < 1 or args.k1 < 0 or not 0 <= args.b <= 1:
        raise I3Error("--hits and --threads must be at least 1, --k1 at least 0, --b from 0 to 1")
    from i3_pyserini.encode.corpus import Corpus
    from i3_pyserini.encode.topics import read_topics
    from i3_pyserini.eval.runs import read_run
    from i3_pyserini.files import refuse_existing
    from i3_pyserini.search.fusion import hits_of
    from i3_pyserini.search.run_file import write_run

    refuse_existing(args.output, args.overwrite)
    topics = read_topics(args.topics)
    make_index(Corpus(args.corpus), args.index, args.threads)
    with tempfile.TemporaryDirectory() as scratch:
        lines = (f"{qid}\t{' '.join(query.split())}\n" for qid, query in topics.items())
        (Path(scratch) / "topics.tsv").write_text("".join(lines), encoding="utf-8")
        run = Path(scratch) / "run.txt"
        _pyserini(
            "pyserini.search.lucene",
            *("--index", str(args.index), "--topics", f"{scratch}/topics.tsv", "--bm25"),
            *("--k1", str(args.k1), "--b", str(args.b), "--hits", str(args.hits)),
            *("--threads", str(args.threads), "--batch-size", "128", "--output", str(run)),
        )
        if not run.is_file() or not run.stat().st_size:
            raise I3Error(f"{args.topics}: BM25 finds nothing for any query; is it this language?")
        found = read_run(run)
        qids, hits, docids = hits_of(found.frame.assign(score=found.scores))
        write_run(args.output, qids, hits, docids, tag="bm25", overwrite=args.overwrite)
    print(f"wrote {args.output}: {len(qids):,} queries, BM25 with k1 {args.k1:g} and b {args.b:g}")


def make_index(corpus: "Corpus", index: Path, threads: int) -> None:
    """Makes a Lucene index of titles and texts, unless it is there.

    It is made under a hidden name, and gets its own when it is complete.

    Args:
        corpus: the corpus; every line is checked.
        index: the directory.
        threads: of indexing.

    Raises:
        I3Error: a line of the corpus is not as it should be, the directory is something else or
            of another corpus, or Pyserini failed.
    """
    from i3_pyserini.files import locked

    files: list[object] = [[file.name, file.stat().st_size] for file in corpus.files]
    known: dict[str, object] = {"corpus": str(corpus.path.resolve()), "files": files}
    if index.exists():
        _check_same(index, known)
        return
    partial = index.with_name(f".{index.name}.partial")
    with locked(partial):
        try:
            texts = partial / "texts"
            shutil.rmtree(texts, ignore_errors=True)
            texts.mkdir()
            with (texts / "corpus.jsonl").open("w", encoding="utf-8") as file:
                for passage in corpus:
                    contents = f"{passage.title}\n{passage.text}" if passage.title else passage.text
                    file.write(json.dumps({"id": passage.docid, "contents": contents}) + "\n")
            made = partial / "index"
            shutil.rmtree(made, ignore_errors=True)
            _pyserini(
                "pyserini.index.lucene",
                *NEEDED,
                *("--input", str(texts), "--index", str(made), "--threads", str(threads)),
                *("--storePositions", "--storeDocvectors"),
            )
            (made / MANIFEST).write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
            made.rename(index)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _check_same(index: Path, known: dict[str, object]) -> None:
    try:
        found = json.loads((index / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise I3Error(
            f"{index}: exists, but is no index of this command; name another --index"
        ) from error
    if found != known:
        raise I3Error(
            f"{index}: is of {found.get('corpus')} as it was then; remove it, or name another"
        )


def _pyserini(module: str, *arguments: str) -> None:
    """Runs a stock command; what it prints is shown only if it fails.

    Raises:
        I3Error: there is no suitable Java, or it failed.
    """
    from i3_pyserini.java import FIX, find_java, java_environment

    if find_java()[0] is None:
        raise I3Error(f"BM25 needs Pyserini's Lucene, and so Java. {FIX}")
    done = subprocess.run(  # noqa: S603  (our own arguments)
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **java_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        raise I3Error(f"python -m {module} failed (exit code {done.returncode}); see above")


if __name__ == "__main__":
    run_command(main)

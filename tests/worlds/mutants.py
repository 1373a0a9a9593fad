"""`python -m tests.worlds.mutants`: plants mistakes one at a time, and counts those that are found.

Each is planted in a copy of the package, on which a few worlds and the properties of the readers
are run. The mistakes are of kinds that users of such tools have met.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("i3_pyserini", "tests", "pyproject.toml")
Edit = tuple[str, str, str]  # file in the package, what is there, what is put instead


@dataclass(frozen=True)
class Mutant:
    """A mistake: what kind it is of, and the edits that plant it."""

    kind: str
    edits: tuple[Edit, ...]


def mistake(kind: str, *edit: str) -> Mutant:
    """A mistake of one edit or more: file, old, new, file, old, new, …"""
    edits = zip(edit[::3], edit[1::3], edit[2::3], strict=True)
    return Mutant(kind, tuple((file, old, new) for file, old, new in edits))


MUTANTS = [
    mistake(
        "a header is taken for a query",
        "formats/topics.py",
        "if number == 0 and _is_header(cells):",
        "if number < 0:",
    ),
    mistake(
        "a third column of topics is cut off",
        "formats/topics.py",
        "    if len(cells) != (len(header) or PAIR):",
        "    if len(cells) < (len(header) or PAIR):",
    ),
    mistake(
        "the parent document's id is preferred to the passage's",
        "formats/passage_fields.py",
        'ID_FIELDS = ("id", "_id", "pid", "passage_id", "docid",',
        'ID_FIELDS = ("id", "_id", "docid", "pid", "passage_id",',
    ),
    mistake(
        "a path is a glob pattern",
        "formats/columns.py",
        "            glob=False,",
        "            glob=True,",
    ),
    mistake(
        "the query's prompt is dropped",
        "model/texts.py",
        "return [prompt + query for query in queries]",
        "return list(queries)",
    ),
    mistake(
        "one query route pools the first token where the mean is declared",
        "encode/query_encoders.py",
        'if self.settings.pooling == "cls":',
        "if self.settings.pooling:",
    ),
    mistake(
        "one query route does not normalise",
        "encode/query_encoders.py",
        "        if self.settings.normalize:",
        "        if not self.settings:",
    ),
    mistake(
        "titles are dropped by one reader",
        "formats/textstore.py",
        "yield row, passage.docid, passage.title, passage.text, extra",
        "yield row, passage.docid, None, passage.text, extra",
    ),
    mistake(
        "a last line without an end is dropped",
        "formats/passages.py",
        "                for line in file:\n",
        '                for line in (one for one in file if one.endswith(b"\\n")):\n',
    ),
    mistake(
        "compression is seen by the name alone",
        "formats/compression.py",
        "    if start.startswith(GZIP):",
        '    if start.startswith(GZIP) and str(raw.name).endswith(".gz"):',
    ),
    mistake(
        "ties are in ascending order of ids",
        "formats/hits.py",
        "key=docids.__getitem__, reverse=True)",
        "key=docids.__getitem__)",
    ),
    mistake(
        "a level below zero counts as relevant",
        "formats/qrels.py",
        'return judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64), LINE)',
        'return judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64).abs(), LINE)',
    ),
    mistake(
        "a judgement that is there twice counts twice",
        "formats/qrels.py",
        "    if repeated(table):",
        "    if not len(table):",
    ),
    mistake(
        "shards are merged in the order in which they are named",
        "encode/merge.py",
        "return [found[number] for number in range(first.shard.number)]",
        "return list(found.values())",
    ),
    mistake(
        "an encoding is resumed with other settings",
        "encode/job.py",
        "    if changes := differences(before, now):",
        "    if changes := []:",
        "formats/parts.py",
        'if header.get("job") != job or header',
        "if header",
    ),
    mistake(
        "lower-casing is skipped by one query route",
        "encode/query_encoders.py",
        "    if settings.lowercase:",
        "    if not settings:",
    ),
    mistake(
        "queries are cut one id too early by one route",
        "encode/query_encoders.py",
        "self.settings.query_prompt), self._length)",
        "self.settings.query_prompt), self._length - 1)",
    ),
    mistake(
        "batches are padded on the left",
        "model/texts.py",
        "padded[row, : len(one)], mask[row, : len(one)] = one, 1",
        "padded[row, -len(one) :], mask[row, -len(one) :] = one, 1",
    ),
    mistake(
        "the last hit is lost where all passages are asked for",
        "search/searcher.py",
        "min(k, self.count)\n",
        "min(k, self.count - 1)\n",
    ),
    mistake(
        "a run whose lines are in another order is ranked as it stands",
        "formats/runs.py",
        "    if (follows & (scores[1:] > scores[:-1])).any():",
        "    if False:",
    ),
    mistake(
        "padding counts in the mean of a query",
        "encode/query_encoders.py",
        "weights = mask[:, :, None].astype(np.float32)",
        "weights = np.ones_like(mask)[:, :, None].astype(np.float32)",
    ),
    mistake(
        "a line on a shard's boundary is in two shards",
        "encode/scan.py",
        "if (place.file, place.offset) >= (end.file, end.offset):",
        "if (place.file, place.offset) > (end.file, end.offset + 9):",
    ),
]


def plant(mutant: Mutant, tree: Path) -> bool:
    """Makes a mutant's edits; False if what is to be replaced is not there."""
    for file, old, new in mutant.edits:
        path = tree / "i3_pyserini" / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if old not in text:
            return False
        path.write_text(text.replace(old, new), encoding="utf-8")
    return True


def is_caught(tree: Path, worlds: int, examples: int) -> str:
    """What of the net fails on a tree, found in a child of this process; "" if nothing does."""
    found = tree / "found.txt"
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(tree)
            sys.path.insert(0, str(tree))
            os.environ |= {"I3_EXAMPLES": str(examples), "HF_HUB_OFFLINE": "1"}
            with (tree / "output.txt").open("w", encoding="utf-8") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            found.write_text(failure(worlds), encoding="utf-8")
            code = 0
        finally:
            os._exit(code)
    _, code = os.waitpid(child, 0)
    return found.read_text(encoding="utf-8") if not code else "?"


def failure(worlds: int) -> str:
    """What fails of some worlds of CI and of the readers' properties; "" if nothing does."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]  # those of this tree, not of the planted one
    import i3_pyserini
    from tests.worlds.soak import try_seed  # of the planted tree

    assert Path(i3_pyserini.__file__ or "").is_relative_to(Path.cwd())
    for seed in range(worlds):
        error = try_seed(seed)
        if error is not None:
            return f"world {seed}: {type(error).__name__}: {' '.join(str(error).split())[-110:]}"
    import pytest

    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "tests/formats", "-k", "properties"])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return "a property of the readers" if code else ""


def preload() -> None:
    """Imports what takes seconds, for all children; nothing of the package, which they change."""
    import faiss
    import pandas
    import scipy.stats
    import torch
    import transformers

    for name in ("AutoModel", "AutoTokenizer", "BertModel", "RobertaModel", "DistilBertModel"):
        getattr(transformers, name)
    for name in ("MPNetModel", "XLMRobertaModel", "ElectraModel", "AlbertModel"):
        getattr(transformers, name)
    assert all((faiss, pandas, scipy.stats, torch))
    assert "i3_pyserini" not in sys.modules


def main() -> None:
    """Plants each mistake, prints a line for it and the number that was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.mutants", description=__doc__)
    parser.add_argument("--worlds", type=int, default=14, help="worlds for each mistake")
    parser.add_argument("--examples", type=int, default=30, help="examples of each property")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="mistakes by number")
    args = parser.parse_args()
    chosen = [n for n in range(len(MUTANTS)) if args.only is None or n in args.only]
    preload()
    results = dict.fromkeys(("caught", "missed", "stale"), 0)
    for number in chosen:
        mutant, start = MUTANTS[number], time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            for name in COPIED:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, Path(folder) / name)
            if plant(mutant, Path(folder)):
                by = is_caught(Path(folder), args.worlds, args.examples)
                state = "caught" if by else "missed"
            else:
                by, state = "", "stale"
        results[state] += 1
        print(
            f"{number:2} {state} {mutant.kind} ({time.monotonic() - start:.0f} s) {by}", flush=True
        )
    print(f"{results['caught']} of {len(chosen)} caught; {results['stale']} stale")


if __name__ == "__main__":
    main()

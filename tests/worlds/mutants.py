"""`python -m tests.worlds.mutants`: plants mistakes one at a time, and counts those that are found.

Each is planted in a copy of the package, on which a few worlds and the properties of the readers
are run. The mistakes are of kinds that users of such tools have met.
"""

import argparse
import shutil
import subprocess
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
        "if number == 0 and _names(cells):",
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
        "model/query_text.py",
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
        'table = judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64), LINE)',
        'table = judgements.table.select(*PAIR, pl.col("relevance").cast(pl.Int64).abs(), LINE)',
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
        "        changes = differences(before, settings)",
        "        changes: list[str] = []",
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
        "ids = self._tokenizer.ids(texts, self._length)",
        "ids = self._tokenizer.ids(texts, self._length - 1)",
    ),
    mistake(
        "batches are padded on the left",
        "encode/encoders.py",
        "padded[row, : len(one)], mask[row, : len(one)] = one, 1\n        return self._run",
        "padded[row, width - len(one) :], mask[row, width - len(one) :] = one, 1\n"
        "        return self._run",
    ),
    mistake(
        "more hits are asked for than there are",
        "search/searcher.py",
        "vectors, k = self.vectors_of(queries), min(k, self.count)",
        "vectors, k = self.vectors_of(queries), k",
        "search/searcher.py",
        "min(k + SPARE, self.count))",
        "k + SPARE)",
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
    """What of the net fails on a tree; "" if nothing does."""
    seeds = f"import sys; sys.path.insert(0, {str(tree)!r}); from tests.worlds.mutants import first"
    steps = (
        ["-c", f"{seeds}; first({worlds})"],
        ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "tests/formats", "-k", "properties"],
    )
    for step in steps:
        done = subprocess.run(
            [sys.executable, *step],
            cwd=tree,
            env={**_environment(tree), "I3_EXAMPLES": str(examples)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            failed = [line for line in said if line.startswith(("world", "FAILED", "E  "))]
            return (failed or said or ["?"])[0][:150]
    return ""


def first(worlds: int) -> None:
    """Checks worlds of CI until one fails; run in a process of its own on a planted tree."""
    from tests.worlds.soak import try_seed

    for seed in range(worlds):
        error = try_seed(seed)
        if error is not None:
            print(f"world {seed}: {type(error).__name__}: {' '.join(str(error).split())[-120:]}")
            raise SystemExit(1)


def _environment(tree: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}


def main() -> None:
    """Plants each mistake, prints a line for it and the number that was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.mutants", description=__doc__)
    parser.add_argument("--worlds", type=int, default=14, help="worlds for each mistake")
    parser.add_argument("--examples", type=int, default=30, help="examples of each property")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="mistakes by number")
    args = parser.parse_args()
    chosen = [n for n in range(len(MUTANTS)) if args.only is None or n in args.only]
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

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
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.worlds.mistakes import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
OTHERS_TRIED = 2  # routes of each world besides the first ones
NOT_STARTED = 1  # exit code of a child that failed to run the checks
COPIED = ("i3_pyserini", "tests", "pyproject.toml")


def plant(mutant: Mutant, tree: Path) -> bool:
    """Makes a mutant's edits; False if what is to be replaced is not there."""
    for file, old, new in mutant.edits:
        path = tree / "i3_pyserini" / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if old not in text:
            return False
        path.write_text(text.replace(old, new), encoding="utf-8")
    return True


def is_caught(tree: Path, routes: Sequence[str], worlds: int, examples: int) -> str:
    """What of the net fails on a tree, found in a child of this process; "" if nothing does.

    Raises:
        SystemExit: the child failed to run the checks, which catches no mistake.
    """
    found = tree / "found.txt"
    child = os.fork()
    if not child:
        code = NOT_STARTED
        try:
            os.chdir(tree)
            sys.path.insert(0, str(tree))
            os.environ |= {"I3_EXAMPLES": str(examples), "HF_HUB_OFFLINE": "1"}
            with (tree / "output.txt").open("w", encoding="utf-8") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            found.write_text(failure(routes, worlds), encoding="utf-8")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"ended by signal {-code}"  # for example, invalid arguments to a C++ library
    if code:
        said = (tree / "output.txt").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"the checks did not run on {tree}: {said.strip()[-600:]}")
    return found.read_text(encoding="utf-8")


def failure(routes: Sequence[str], worlds: int) -> str:
    """What fails of some worlds of CI and of the readers' properties; "" if nothing does.

    Args:
        routes: names of the only routes that are tried; empty for the first ones and two others,
            and then the properties.
        worlds: how many worlds.
    """
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]  # those of this tree, not of the planted one
    import i3_pyserini
    from tests.worlds.routes import ALWAYS, OTHERS, SLOW, routes_of  # of the planted tree
    from tests.worlds.soak import try_seed

    assert Path(i3_pyserini.__file__ or "").is_relative_to(Path.cwd())
    named = [one for one in (*ALWAYS, *OTHERS, *SLOW) if one.__name__ in routes]
    for seed in range(worlds):
        error = try_seed(seed, named or routes_of(seed, OTHERS_TRIED))
        if error is not None:
            return f"world {seed}: {type(error).__name__}: {' '.join(str(error).split())[-110:]}"
    if named:
        return ""
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


def _save(planted: int, caught: int, setup: dict[str, int]) -> None:
    from benchmarks.record import RESULTS, measured_now, save, single  # imports the package

    figures = [single("planted", planted, "mistakes", 0), single("caught", caught, "mistakes", 0)]
    about = "mistakes that were planted in the package, and caught by worlds or properties"
    record = measured_now(about, "random worlds", "once", setup, figures)
    save(RESULTS / "mutants.json", record)


def main() -> None:
    """Plants each mistake, prints a line for it and the number that was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.mutants", description=__doc__)
    parser.add_argument("--worlds", type=int, default=14, help="worlds for each mistake")
    parser.add_argument("--examples", type=int, default=30, help="examples of each property")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="mistakes by number")
    parser.add_argument("--record", action="store_true", help="see `benchmarks.record`")
    args = parser.parse_args()
    if args.record and args.only:
        parser.error("--record is for all mistakes")
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
                by = is_caught(Path(folder), mutant.routes, args.worlds, args.examples)
                state = "caught" if by else "missed"
            else:
                by, state = "", "stale"
        results[state] += 1
        print(
            f"{number:2} {state} {mutant.kind} ({time.monotonic() - start:.0f} s) {by}", flush=True
        )
    print(f"{results['caught']} of {len(chosen)} caught; {results['stale']} stale")
    if args.record:
        setup = {"worlds, at most": args.worlds, "examples": args.examples}
        _save(len(chosen) - results["stale"], results["caught"], setup)


if __name__ == "__main__":
    main()

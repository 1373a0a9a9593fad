"""Fuzzes one target in this process: `python -m tests.fuzz.worker TARGET FOLDER SECONDS`.

Coverage of the package's code guides which inputs are kept and changed further. The first of each
kind of failure is kept in FOLDER/found; others of the kind are counted, and fuzzing goes on.
"""

import hashlib
import io
import json
import logging
import sys
import traceback
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["i3_pyserini"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS, check

SECONDS_FOR_ONE, MEGABYTES = 10, 2048  # of an input: more is a failure
LONGEST = 1 << 14  # bytes of an input
PLACE = "i3_pyserini"


def main() -> None:
    """Fuzzes until the time is over."""
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    target, failures = TARGETS[name], Counter[str]()
    logging.disable()

    def one(content: bytes) -> None:
        sys.stderr = io.StringIO()  # notes of readers
        try:
            check(target, content)
        except Exception as error:
            kind = kind_of(error)
            failures[kind] += 1
            if failures[kind] == 1:
                keep(folder / "found", kind, content)
            (folder / "failures.json").write_text(json.dumps(failures), encoding="utf-8")

    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "seed").write_bytes(target.content)
    atheris.Setup(
        [
            *(sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-max_len={LONGEST}"),
            *(f"-timeout={SECONDS_FOR_ONE}", f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1"),
            f"-artifact_prefix={folder}/stopped-",
        ],
        one,
    )
    atheris.Fuzz()


def kind_of(error: BaseException) -> str:
    """What failed: the exception's class, and the last place in the package that it came from.

    Of an assertion about a message of the package, that is the message's place.
    """
    wrong = error.__context__ if isinstance(error, AssertionError) else None
    frames = traceback.extract_tb((wrong or error).__traceback__)
    own = [frame for frame in frames if f"/{PLACE}/" in frame.filename]
    last = own[-1] if own else frames[-1]
    file = last.filename.rpartition(f"/{PLACE}/")[2]
    return f"{type(error).__name__} in {file}:{last.lineno}"


def keep(folder: Path, kind: str, content: bytes) -> None:
    """Writes an input, and what it causes beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(kind.encode()).hexdigest()[:12]
    (folder / name).write_bytes(content)
    (folder / f"{name}.txt").write_text(f"{kind}\n{traceback.format_exc()}", encoding="utf-8")


if __name__ == "__main__":
    main()

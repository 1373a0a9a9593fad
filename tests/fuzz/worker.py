"""Fuzzes one target in this process, which ends with it: libFuzzer, guided by coverage.

The first of each kind of failure is kept in FOLDER/found; others of the kind are counted, and
fuzzing goes on.
"""

import hashlib
import io
import json
import logging
import os
import random
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import atheris

from tests.formats.damage import NASTY
from tests.fuzz.mutate import WORDS, mutated
from tests.fuzz.target import Target, check, check_seeds

MEGABYTES = 2048  # of memory: more is a failure
HANGS = 300  # seconds by the clock, where Python cannot end what takes long
LONGEST = 1 << 14  # bytes of an input
PLACE = "i3_pyserini"
FOUND = 7  # exit code of a process that is to stop at the first failure


@dataclass(frozen=True)
class Limits:
    """When fuzzing a target ends.

    Attributes:
        runs: number of inputs.
        seconds: by the clock; 0 for no limit.
        seed: of random numbers, with which all is the same every time; 0 for another one.
        first: whether to stop at the first failure.
    """

    runs: int = 1 << 30
    seconds: int = 0
    seed: int = 0
    first: bool = False


def fuzz(target: Target, folder: Path, limits: Limits) -> None:
    """Fuzzes until an end is reached, and then ends the process."""
    failures, started = Counter[str](), time.process_time()
    logging.disable()

    def failed(error: BaseException, content: bytes) -> None:
        kind = kind_of(error)
        failures[kind] += 1
        if failures[kind] == 1:
            keep(folder / "found", kind, content, error)
        text = json.dumps({"failures": failures, "seconds": time.process_time() - started})
        (folder / "failures.json").write_text(text, encoding="utf-8")
        if limits.first:
            os._exit(FOUND)

    def one(content: bytes) -> None:
        sys.stderr = io.StringIO()  # notes of readers
        try:
            check(target, content)
        except BaseException as error:
            failed(error, content)

    def changed(content: bytes, most: int, seed: int) -> bytes:
        if random.Random(seed).random() < 0.5:
            return mutated(content, most, seed)
        found: bytes = atheris.Mutate(content, most)
        return found

    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate([*target.sound(), *target.refused()]):
        (corpus / f"seed{number}").write_bytes(content)
    try:
        sys.stderr = io.StringIO()
        check_seeds(target)
    except BaseException as error:
        failed(error, b"")
    atheris.Setup(_arguments(folder, corpus, limits), one, custom_mutator=changed)
    atheris.Fuzz()


def _arguments(folder: Path, corpus: Path, limits: Limits) -> list[str]:
    """libFuzzer's command line."""
    words = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in [*NASTY, *WORDS])
    words.write_text(
        "".join(f'"{word}"\n' for word in escaped if len(word) < 100), encoding="utf-8"
    )
    return [
        *("fuzz", str(corpus), f"-runs={limits.runs}", f"-max_total_time={limits.seconds}"),
        *(f"-seed={limits.seed}", f"-max_len={LONGEST}"),
        *(f"-timeout={HANGS}", f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1"),
        *(f"-dict={words}", f"-artifact_prefix={folder}/stopped-"),
    ]


def kind_of(error: BaseException) -> str:
    """What failed: the exception's class, and the last place in the package that it came from.

    Of an assertion about a message of the package, that is the message's place; of one about a
    result, its text without numbers.
    """
    wrong = error.__context__ if isinstance(error, AssertionError) else None
    frames = traceback.extract_tb((wrong or error).__traceback__)
    own = [frame for frame in frames if f"/{PLACE}/" in frame.filename]
    last = own[-1] if own else frames[-1]
    name = last.filename.rpartition(f"/{PLACE}/")[2] if own else Path(last.filename).name
    return f"{type(error).__name__} in {name}:{last.lineno}"


def keep(folder: Path, kind: str, content: bytes, error: BaseException) -> None:
    """Writes an input, and what it causes beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(kind.encode()).hexdigest()[:12]
    (folder / name).write_bytes(content)
    lines = "".join(traceback.format_exception(error))
    (folder / f"{name}.txt").write_text(f"{kind}\n{lines}", encoding="utf-8")

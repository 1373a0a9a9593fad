"""`python -m tests.encode.slow_encode CORPUS OUTPUT SECONDS [DEVICES]`: a command to interrupt.

`--update` before CORPUS: OUTPUT is updated in place.

It is the command's own loop with the stand-in encoder, which takes some time over every batch.
"""

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from i3_pyserini.encode.batches import Batching
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.errors import run_command
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from tests.encode.stand_in import LengthEncoder, Vectors


class SlowEncoder(LengthEncoder):
    """Takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def load(self, device: str | None) -> "SlowEncoder":
        return self

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        time.sleep(self.seconds)
        return super().vectors(ids)


def slow_encoding(devices: Sequence[str] = ()) -> Encoding:
    """Parts of five passages in batches of two or so."""
    return Encoding(Batching(tokens=40), devices=tuple(devices), part_passages=5)


def main() -> None:
    """Encodes; Ctrl-C works also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    in_place = sys.argv[1] == "--update"
    corpus, output, seconds, *devices = sys.argv[1 + in_place :]
    updated = Path(output) if in_place else None
    how: Any = replace(slow_encoding(devices), update=updated)
    target = IndexOutput(Path(output), updates=updated)
    shape = run_encoding(Corpus(Path(corpus)), SlowEncoder(float(seconds)), target, how)
    print(f"wrote {shape.passages}")


if __name__ == "__main__":
    run_command(main)

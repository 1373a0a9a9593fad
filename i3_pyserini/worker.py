"""Runs commands one after the other in one process, so that torch is imported once for all.

`python -m i3_pyserini.worker FD` reads lines of JSON from standard input, each the words of a
command of `i3-pyserini`, and writes the exit code of each as a line to the file descriptor FD. It
ends when its input does. `i3_pyserini.processes.Worker` is the other side.
"""

import gc
import json
import os
import sys
from functools import partial

from i3_pyserini.cli import run
from i3_pyserini.errors import run_command


def main() -> None:
    """Runs the commands of standard input."""
    replies = int(sys.argv[1])
    for line in sys.stdin:
        words = json.loads(line)
        sys.argv = ["i3-pyserini", *words]
        try:
            run_command(partial(run, words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            os.write(replies, f"{code}\n".encode())
        except BrokenPipeError:  # killed; its command is complete
            return
        gc.collect()  # a model that was trained is not needed any more
        if torch := sys.modules.get("torch"):
            torch.cuda.empty_cache()  # for stock search, which is another process


if __name__ == "__main__":
    main()

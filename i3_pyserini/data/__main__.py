"""`python -m i3_pyserini.data NAME …`: the command `i3-pyserini data NAME …`, for scripts."""

import sys
from importlib import import_module

from i3_pyserini.errors import run_command


def main() -> None:
    """Hands over to the command line, which is above this package and imports none of it."""
    import_module("i3_pyserini.cli").run(["data", *(sys.argv[1:] or ["--help"])])


if __name__ == "__main__":
    run_command(main)

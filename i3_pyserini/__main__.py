"""`python -m i3_pyserini`: the command line, as the console script `i3-pyserini`."""

from i3_pyserini.cli import main
from i3_pyserini.errors import run_command

if __name__ == "__main__":
    run_command(main)

"""`python -m i3_pyserini`: the command line, as the console script `i3-pyserini`."""

from i3_pyserini.cli import main

if __name__ == "__main__":
    main()

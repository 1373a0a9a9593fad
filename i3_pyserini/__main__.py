"""`python -m i3_pyserini`: the list of commands."""

import sys

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error, run_command

COMMANDS = {
    "i3_pyserini.data": "get, import, mine and score training data",
    "i3_pyserini.train": "train a model as a recipe says",
    "i3_pyserini.encode": "encode a corpus into an index that Pyserini and FAISS read",
    "i3_pyserini.encode.query": "encode topics once, for searches without a model",
    "i3_pyserini.search": "search an index: a run file, quickly and without Java; or a page",
    "i3_pyserini.search.index": "build, tune and choose approximate indexes",
    "i3_pyserini.search.bm25": "a BM25 run, with Pyserini's Lucene",
    "i3_pyserini.search.fuse": "fuse runs, with weights tuned on dev",
    "i3_pyserini.search.lucene": "vectors to Lucene indexes, for stock dense search",
    "i3_pyserini.search.engines": "load an index into a distributed vector engine",
    "i3_pyserini.eval": "evaluate and compare run files; what changed; a report",
    "i3_pyserini.plugin": "run stock Pyserini commands with --encoder-class i3",
    "i3_pyserini.doctor": "check this machine: Java, pyserini, faiss, paths",
    "i3_pyserini.model.convert": "turn an original .p checkpoint into a model directory, or back",
    "i3_pyserini.model.explain": "show the pseudo-query words that a passage brings to mind",
    "i3_pyserini.reproduce": "run an experiment's steps, such as the original's five on MS MARCO",
    "i3_pyserini.repro": "run a named experiment and compare its scores with the expected ones",
    "i3_pyserini.demo": "see the model at work on real weights and real text, offline",
}


def main() -> None:
    """Prints one line per command.

    Raises:
        I3Error: it was given an argument.
    """
    if set(sys.argv[1:]) - {"-h", "--help"}:
        known = f"i3_pyserini.{sys.argv[1]}"
        hint = known if known in COMMANDS else "i3_pyserini"
        raise I3Error(f"no command {sys.argv[1]!r}; commands are modules: python -m {hint}")
    print(f"i3_pyserini {__version__}. Commands (each has --help):\n")
    width = max(len(module) for module in COMMANDS)
    for module, purpose in COMMANDS.items():
        print(f"  python -m {module:<{width}}  {purpose}")


if __name__ == "__main__":
    run_command(main)

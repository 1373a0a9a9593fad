"""`python -m i3_pyserini.data`: get, import, make and check what training needs."""

import argparse
import sys
from importlib import import_module

from i3_pyserini.errors import run_command

COMMANDS = {
    "list": "the data sets that `get` knows, or the files of one",
    "get": "download and prepare a data set; goes on where it was interrupted",
    "check": "verify a folder that `get` or `import` made",
    "import": "bring a collection into our form: BEIR, ir_datasets, Hugging Face, files",
    "queries": "make training queries for a collection that has none",
    "mine": "hard negatives from a run or an index",
    "score": "a cross-encoder's scores of queries and passages, for distillation",
}
MODULE = "i3_pyserini.data.commands"


def main() -> None:
    """Parses the command line and runs one command; only its own module is imported."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.data", description="Prepare training data."
    )
    chosen = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in COMMANDS else None
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(
            name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}."
        )
        if name == chosen:
            module = import_module(f"{MODULE}.{name}_command")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    run_command(main)

"""Commands of a package that are a module each: `python -m PACKAGE NAME …`."""

import argparse
import importlib
from collections.abc import Sequence


def run_subcommand(package: str, name: str, purpose: str, words: Sequence[str]) -> None:
    """Parses a command's words and runs it; no other command's module is imported.

    Args:
        package: such as "i3_pyserini.eval"; the module is `PACKAGE.commands.NAME_command`, with
            `add_arguments(parser)` and `run(args)`.
        name: the command.
        purpose: what it does, for its help.
        words: what stands behind it on the command line.
    """
    module = importlib.import_module(f"{package}.commands.{name}_command")
    parser = argparse.ArgumentParser(
        prog=f"python -m {package} {name}", description=f"{name}: {purpose}."
    )
    module.add_arguments(parser)
    module.run(parser.parse_args(words))

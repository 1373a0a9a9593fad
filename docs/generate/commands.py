"""The page of all commands, from the functions that they call."""

from functools import cache

from i3_pyserini.cli import COMMANDS, PROGRAM
from i3_pyserini.command import whole_app


@cache
def commands() -> str:
    """A list of all commands, and for each its usage and options.

    It is made before autodoc writes the texts of defaults into the functions' signatures.
    """
    rows = [
        f"| [`{name}`](#{anchor(name)}) | {command.purpose} |\n"
        for name, command in COMMANDS.items()
    ]
    functions = {name: command.function for name, command in COMMANDS.items()}
    made = whole_app(PROGRAM, functions).generate_docs("markdown", heading_level=1)
    _, first, rest = made.partition(f"\n## {PROGRAM} ")  # after cyclopts' own list
    return f"| command | |\n| --- | --- |\n{''.join(rows)}{first}{rest}"


def anchor(name: str) -> str:
    """Where a command is on the page."""
    return f"{PROGRAM} {name}".replace(" ", "-")

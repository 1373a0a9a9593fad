"""Completion of commands and options in a shell."""

from typing import Literal


def print_completion(shell: Literal["bash", "zsh", "fish"]) -> str:
    """Prints a script by which a shell completes commands and options.

    For bash: `source <(i3-pyserini completion bash)`.

    Args:
        shell: which shell.

    Returns:
        The script.
    """
    from i3_pyserini.cli import COMMANDS, PROGRAM
    from i3_pyserini.command import completion

    functions = {name: command.function for name, command in COMMANDS.items()}
    return completion(PROGRAM, functions, shell)

"""`python -m i3_pyserini.eval QRELS RUN…`: the command `i3-pyserini eval`, and diff and report."""

import sys

from i3_pyserini.errors import run_command

COMMANDS = {"diff": "eval.diff:diff_runs", "report": "eval.report.write:write_report"}
EVALUATE = "eval.runs:evaluate"


def main() -> None:
    """Calls the function named by the first word, or `evaluate`."""
    from i3_pyserini.command import call

    words = sys.argv[1:]
    name = words[0] if words and words[0] in COMMANDS else ""
    program = f"python -m i3_pyserini.eval {name}".rstrip()
    call(program, COMMANDS.get(name, EVALUATE), words[1:] if name else words)


if __name__ == "__main__":
    run_command(main)

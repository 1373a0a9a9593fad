"""`python -m i3_pyserini.reproduce PLAN.yaml`: an experiment, step by step."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command


def main() -> None:
    """Parses the command line and runs the plan."""
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.reproduce",
        description="Run an experiment's steps; what is done is skipped, so that the same command "
        "goes on after an interruption.",
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.yaml", help="see recipes/reproduce/")
    parser.add_argument("steps", nargs="*", metavar="STEP", help="all if none is named")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run nothing")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="other values for settings"
    )
    args = parser.parse_args()
    if find_spec("pydantic") is None or find_spec("yaml") is None:
        raise I3Error("plans need pydantic and pyyaml: pip install 'i3-pyserini[train]'")
    from i3_pyserini.reproduce.plan import load_plan, read_settings
    from i3_pyserini.reproduce.runner import run_plan

    run_plan(load_plan(args.plan, read_settings(args.set)), args.steps, args.dry_run)


if __name__ == "__main__":
    run_command(main)

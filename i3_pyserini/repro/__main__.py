"""`python -m i3_pyserini.repro list | run NAME`: published scores, reproduced by one command."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from i3_pyserini.errors import I3Error, run_command

OUTPUT = "repro-output"


def main() -> None:
    """Parses the command line; exits with 1 if a score is out of tolerance."""
    parser = _parser()
    args = parser.parse_args()
    if find_spec("pydantic") is None or find_spec("yaml") is None:
        raise I3Error("conditions need pydantic and pyyaml: pip install 'i3-pyserini[train]'")
    (_list if args.command == "list" else _run)(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m i3_pyserini.repro",
        description="Reproduce a named condition: run its commands, compare its scores.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    listing = commands.add_parser(
        "list", help="the conditions and what they need; with names, their commands too"
    )
    listing.add_argument("names", nargs="*", metavar="NAME")
    running = commands.add_parser(
        "run", help="run what is not there yet, and compare; exit code 1 if out of tolerance"
    )
    running.add_argument("name", metavar="NAME")
    running.add_argument("--output", type=Path, help=f"folder (default {OUTPUT})")
    running.add_argument(
        "--collections",
        type=Path,
        default=Path("data"),
        help="folder with a folder for each collection (default data)",
    )
    running.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="other values for settings"
    )
    running.add_argument("--dry-run", action="store_true", help="print the commands, run nothing")
    for command in (listing, running):
        command.add_argument("--conditions", type=Path, help="another folder of conditions")
    return parser


def _list(args: argparse.Namespace) -> None:
    from i3_pyserini.repro.condition import CONDITIONS, find_conditions, load_condition

    folder = args.conditions or CONDITIONS
    for name in args.names:
        _run(_parser().parse_args(["run", name, "--dry-run", "--conditions", str(folder)]))
    if args.names:
        return
    for name in find_conditions(folder):
        condition = load_condition(name, folder)
        print(f"{name}: {condition.about}\n  needs: {condition.needs}")
        for line in condition.published:
            print(f"  published: {line}")
    print("\npython -m i3_pyserini.repro list NAME prints commands and expected scores.")


def _run(args: argparse.Namespace) -> None:
    from i3_pyserini.repro.condition import CONDITIONS, load_condition, prepare

    folder = args.conditions or CONDITIONS
    condition = load_condition(args.name, folder)
    from i3_pyserini.repro.run import run_condition, show_condition, table, weights
    from i3_pyserini.reproduce.plan import read_settings

    paths = {"output": str(args.output or OUTPUT), "collections": str(args.collections)}
    prepared = prepare(condition, folder, {**paths, **weights()}, read_settings(args.set))
    if args.output and "output" not in prepared.plan.settings:
        raise I3Error(
            f"{args.name} works in data/ and runs/ of the current folder: leave --output out, or "
            f"cd {args.output}"
        )
    if args.dry_run:
        show_condition(condition, prepared)
        return
    checks = run_condition(condition, prepared)
    print(f"\n{table(checks)}")
    failed = [check for check in checks if check.failed]
    if failed:
        print(
            f"{len(failed)} of {len(checks)} scores are out of tolerance; what was there already "
            "was used: another --output begins anew",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)

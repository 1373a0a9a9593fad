"""`python -m tests.faults`: every command that writes, disturbed at every moment of its writing.

After each fault, the same command has to end with the bytes of an undisturbed run, and until then
nothing that can be seen may differ from them. Prints two tables, and what did not hold.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tabulate import tabulate

from benchmarks.record import add_record_option, measured_now, save, single
from tests.faults.cases import CASES, USUAL, Case
from tests.faults.disturbances import FAULTS, KILLS, disturb
from tests.faults.inputs import making_inputs
from tests.faults.trials import Trials, UnusableError
from tests.faults.watch import KILL, PHASES

MOST = 40  # moments of a command that are tried; more are spread evenly
LEAST = 10  # kills in each phase of writing, of all commands together


def main() -> None:
    """Tries everything, prints the tables, and exits with 1 if something did not hold."""
    parser = argparse.ArgumentParser(description="Disturb every command that writes.")
    names = [case.name for case in CASES]
    parser.add_argument("--commands", nargs="+", choices=names, default=USUAL, metavar="COMMAND")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS, metavar="FAULT")
    parser.add_argument("--moments", type=int, default=MOST, help="of a command, at most")
    parser.add_argument("--random", type=int, default=20, help="kills at random times, of each")
    parser.add_argument("--fresh", type=int, default=2, help="of fresh processes, of each")
    parser.add_argument("--least", type=int, default=LEAST, help="kills in each phase of writing")
    parser.add_argument("--json", type=Path, help="file to write the counts to")
    add_record_option(parser, "faults")
    parser.add_argument("--inputs", type=Path, help="folder to keep the inputs in, for next time")
    args = parser.parse_args()
    if args.record and (args.commands != USUAL or args.faults != FAULTS):
        parser.error("--record is for all usual commands and all faults")
    with making_inputs(args.inputs) as folder:
        done, unusable = [], []
        for case in CASES:
            try:
                if case.name in args.commands:
                    done.append(_tried(case, folder, args))
            except UnusableError as error:
                unusable.append(str(error))
                print(f"  {error}", flush=True)
        if KILL in args.faults:
            fill(done, args.least)
    sys.exit(report(done, unusable, args.json, args.record))


def _tried(case: Case, folder: Path, args: argparse.Namespace) -> Trials:
    start = time.monotonic()
    print(f"{case.name} …", flush=True)
    trials = Trials(case, folder)
    for fault in args.faults:
        disturb(trials, fault, args.moments, args.random, args.fresh)
    count, seconds = sum(trials.tried.values()), time.monotonic() - start
    print(
        f"{case.name}: {count} trials, {len(trials.moments)} moments, {seconds:.0f} s", flush=True
    )
    return trials


def fill(done: list[Trials], least: int) -> None:
    """Kills at moments of phases that have had fewer kills, until each has enough."""
    for phase in sorted({phase for one in done for phase in one.moments}):
        there = [
            (one, number)
            for one in done
            for number, at in enumerate(one.moments, start=1)
            if at == phase
        ]
        missing = least - sum(one.tried[kind, phase] for one in done for kind in KILLS)
        for turn in range(missing):
            trials, moment = there[turn % len(there)]
            trials.at(KILL, moment)


def report(
    done: list[Trials], unusable: list[str], target: Path | None, record: Path | None
) -> int:
    """Prints the tables and what did not hold.

    Args:
        done: the trials of all commands.
        unusable: commands that could not be tried.
        target: JSON file to write them to, too.
        record: record to write their sums to, too.

    Returns:
        The exit code.
    """
    failed = [*unusable, *(line for one in done for line in one.failed)]
    skipped = [line for one in done for line in one.skipped]
    kills = _table(done, PHASES, lambda fault, phase: phase if fault in KILLS else None)
    faults = _table(done, FAULTS, lambda fault, _: fault)
    print("\nSIGKILL by the phase in which it fell\n", _shown(kills), sep="\n")
    print("\nAll faults\n", _shown(faults), sep="\n")
    total = sum(sum(one.tried.values()) for one in done)
    print(f"\n{total:,} trials, {len(failed)} in which not all held", *failed, sep="\n")
    print(f"\n{len(skipped)} skipped", *skipped, sep="\n")
    if target is not None:
        found = {"kills": kills, "faults": faults, "failed": failed, "skipped": skipped}
        target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if record is not None:
        figures = [
            single("commands", len(done), "commands", 0),
            single("trials", total, "trials", 0),
            single("did not hold", len(failed), "trials", 0),
            *(single(f"killed: {one}", n, "trials", 0) for one, n in kills["all"].items() if n),
            *(single(f"fault: {one}", n, "trials", 0) for one, n in faults["all"].items() if n),
        ]
        about = "commands that write, disturbed; the same command again ends as if undisturbed"
        save(record, measured_now(about, "a small collection", "once", {}, figures))
    return 1 if failed else 0


Table = dict[str, dict[str, int]]


def _table(
    done: list[Trials], columns: Iterable[str], column_of: Callable[[str, str], str | None]
) -> Table:
    """Numbers of trials by command and column; the last row has the sums."""
    table: Table = {}
    for one in done:
        row = dict.fromkeys(columns, 0)
        for (fault, phase), count in one.tried.items():
            column = column_of(fault, phase)
            if column is not None:
                row[column] += count
        table[one.case.name] = row
    table["all"] = {name: sum(row[name] for row in table.values()) for name in columns}
    return table


def _shown(table: Table) -> str:
    """A table without the columns that have nothing."""
    columns = [name for name, count in table["all"].items() if count]
    rows = [[name, *(row[column] for column in columns)] for name, row in table.items()]
    return tabulate(rows, ["command", *columns], "github")


if __name__ == "__main__":
    main()

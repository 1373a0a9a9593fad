"""All faults: how each is brought about, and what has to hold after it."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from i3_pyserini.formats.records import MANIFEST
from tests.faults.child import Child, End
from tests.faults.outputs import FOLDER, REFUSED, contents, incomplete, said_wrongly, visible
from tests.faults.places import ROOMY, behind_a_link, can_mount, disk, pages
from tests.faults.trials import Trials, spread
from tests.faults.watch import ENDED, ERRORS, KILL, LIMIT, MOVED, RENAMED, STOP, UNLOCKED, Fault

RANDOM, FRESH, WITHIN = "SIGKILL at random", "SIGKILL of a fresh process", "SIGKILL within a file"
LINK, FULL, READ_ONLY = "SIGKILL behind a link", "full disk", "read-only folder"
TOGETHER, PARTS, FINISHED = "two at once", "damaged parts", "damaged output"
KILLS = {KILL, RANDOM, FRESH, WITHIN, LINK}
CUT, FLIPPED = "truncated", "bit-flipped"
ROOT_ONLY = "only root can mount a disk"
Way = Callable[[Trials, int], None]


def at_moments(fault: str, trials: Trials, most: int) -> None:
    """A fault at each moment of the command, or at some of all phases."""
    for moment in trials.chosen(most):
        trials.at(fault, moment)


def within_files(trials: Trials, most: int) -> None:
    """Killed while a file has all of its bytes but one."""
    sizes = {len(content) for content in trials.expected.values()}
    for size in spread(sorted(sizes - {0, 1}), most):
        trials.clear()
        end = trials.run(Fault(LIMIT, size=size - 1))
        trials.check(f"{WITHIN}, of {size:,} bytes", WITHIN, end)


def behind_link(trials: Trials, most: int) -> None:
    """Killed at moments, where the output folder is a link."""
    for moment in trials.chosen(most):
        trials.clear()
        with behind_a_link(trials.output):
            end = trials.run(Fault(KILL, moment))
            trials.check(f"{LINK}, before moment {moment}", LINK, end)


def full_disks(trials: Trials, most: int) -> None:
    """Disks that become full at some size of the output; then they are enlarged."""
    if not can_mount():
        return trials.skip(FULL, ROOT_ONLY)
    for size in spread(range(1, pages(trials.expected) + 2), most):
        with _disk(trials, f"size={size * 4}k") as change:
            if change is not None:
                end = trials.run()
                change(f"size={ROOMY}")
                trials.check(f"{FULL}, of {size} pages", FULL, end)
    return None


def read_only(trials: Trials, _: int) -> None:
    """A disk that cannot be written, and then can."""
    if not can_mount():
        return trials.skip(READ_ONLY, ROOT_ONLY)
    with _disk(trials, f"size={ROOMY}") as change:
        assert change is not None
        change("ro")
        end = trials.run()
        change("rw")
        trials.check(READ_ONLY, READ_ONLY, end)
    if end.code != REFUSED:
        trials.fail(READ_ONLY, end.phase, f"exit code {end.code}: {end.log[-300:]}")
    return None


@contextmanager
def _disk(trials: Trials, options: str) -> Iterator[Callable[[str], None] | None]:
    """The output folder is a disk; None if not even what has to be there fits."""
    trials.clear()
    shutil.rmtree(trials.output)
    trials.output.mkdir()
    with disk(trials.output, options) as mounted:
        try:
            trials.lay()
        except (OSError, shutil.Error):
            yield None
        else:
            yield mounted.change


def unlocked(trials: Trials, _: int) -> None:
    """A disk without locks, as some network disks are; the command may refuse it."""
    trials.clear()
    trials.check(UNLOCKED, UNLOCKED, trials.run(Fault(UNLOCKED)))


def together(trials: Trials, count: int) -> None:
    """Two processes with one output, the second one at once or a little later."""
    for turn in range(count):
        trials.clear()
        children = []
        for number in range(2):
            time.sleep(turn * number * trials.seconds[1] / count)
            name = f"log-{number}"
            child = Child(trials.case.words.split(), trials.folder, trials.output, name=name)
            children.append(child)
        first, second = (child.end() for child in children)
        if found := said_wrongly(first):
            trials.fail(TOGETHER, first.phase, found)
        if first.code and second.code:
            said = f"neither ended well: {first.log}{second.log}"
            trials.fail(TOGETHER, first.phase, said)
        trials.check(TOGETHER, TOGETHER, second)


def renamed(trials: Trials, most: int) -> None:
    """The folder is renamed at a moment: to go on in a new one, and in it after it is back."""
    if trials.case.before:
        return trials.skip(RENAMED, "what it changes in place is gone with the folder")
    for moment in trials.chosen(most):
        trials.clear()
        end = trials.run(Fault(RENAMED, moment))
        trials.tried[RENAMED, end.phase] += 1
        found = said_wrongly(end) or _after_renaming(trials, end)
        if found is not None:
            trials.fail(f"{RENAMED} before moment {moment}", end.phase, found)
    return None


def _after_renaming(trials: Trials, end: End) -> str | None:
    moved, new = trials.folder / MOVED, trials.output
    new.mkdir(exist_ok=True)
    if not moved.exists():
        return trials.again()
    found = trials.half(moved) or trials.half(new)
    if end.code == 0 and not trials.case.shown:  # it has ended, and nothing is left to do
        there = visible({**contents(moved), **contents(new)})  # each is whole in one of them
        found = found or incomplete(there, trials.expected, trials.case.random, end.log)
    elif found is None:
        found = trials.again()
    shutil.rmtree(new)
    moved.rename(new)
    return found or trials.again()


def damaged_parts(trials: Trials, most: int) -> None:
    """Killed at moments; then a part of what it had written is cut, or has another bit.

    The same command again ends right, or refuses the part.
    """
    for number, moment in enumerate(trials.chosen(most)):
        trials.clear()
        end = trials.run(Fault(KILL, moment))
        there = contents(trials.output).items()
        parts = {name: one for name, one in there if trials.expected.get(name) != one}
        how = (CUT, FLIPPED)[number % 2]
        name = damage(trials.output, parts, how, number)
        if name is None:
            continue
        trials.tried[PARTS, end.phase] += 1
        again = trials.run()
        found = said_wrongly(again) or trials.half(trials.output)
        if found is None and again.code == 0:
            found = trials.again()
        if found:
            trials.fail(f"{how} {name} after moment {moment}", end.phase, found)


def damaged_output(trials: Trials, most: int) -> None:
    """A file of a finished output is cut, or has another bit, and its reader has to refuse it."""
    if not trials.case.reader:
        return
    trials.clear()
    trials.run()
    full = [one for one, content in trials.expected.items() if content not in (b"", FOLDER)]
    hashed = [one for one in full if trials.case.hashed and Path(one).name != MANIFEST]
    for how, files in ((CUT, full), (FLIPPED, hashed)):
        for number, name in enumerate(spread(files, most)):
            content = contents(trials.output)[name]
            if damage(trials.output, {name: content}, how, number) is None:
                continue
            end = Child(trials.case.reader.split(), trials.folder, trials.output).end()
            trials.tried[FINISHED, ENDED] += 1
            (trials.output / name).write_bytes(content)
            if "Traceback" in end.log or not end.code:
                said = f"exit code {end.code} of its reader: {end.log[-600:]}"
                trials.fail(f"{how} {name}", ENDED, said)


def damage(folder: Path, files: Mapping[str, bytes], how: str, number: int) -> str | None:
    """Cuts one of some files in half, or changes a bit in its middle.

    Args:
        folder: where they are.
        files: their content by name.
        how: `CUT` or `FLIPPED`.
        number: which of them, counted round and round.

    Returns:
        Its name; None if all are empty, or folders.
    """
    full = [name for name, content in files.items() if content and (folder / name).is_file()]
    if not full:
        return None
    name = full[number % len(full)]
    content = bytearray(files[name])
    middle = len(content) // 2
    if how == CUT:
        del content[middle:]
    else:
        content[middle] ^= 1 << number % 8
    (folder / name).write_bytes(content)
    return name


# Name, how, and which share of --moments a command gets of it.
WAYS: dict[str, tuple[Way, float]] = {
    KILL: (partial(at_moments, KILL), 1),
    WITHIN: (within_files, 0.25),
    STOP: (partial(at_moments, STOP), 0.5),
    **{error: (partial(at_moments, error), 0.5) for error in ERRORS},
    FULL: (full_disks, 0.25),
    READ_ONLY: (read_only, 0),
    LINK: (behind_link, 0.25),
    UNLOCKED: (unlocked, 0),
    TOGETHER: (together, 0.1),
    RENAMED: (renamed, 0.25),
    PARTS: (damaged_parts, 0.5),
    FINISHED: (damaged_output, 0.25),
}
FAULTS = (*WAYS, RANDOM, FRESH)


def disturb(trials: Trials, fault: str, moments: int, kills: int, fresh: int) -> None:
    """Tries a fault.

    Args:
        trials: of a command.
        fault: one of `FAULTS`.
        moments: of the command, at most.
        kills: at random times.
        fresh: processes that are killed at random times, most while they import modules.
    """
    if fault in WAYS:
        way, share = WAYS[fault]
        way(trials, max(1, round(moments * share)))
    else:
        trials.at_random(fault, fresh if fault == FRESH else kills, fresh=fault == FRESH)

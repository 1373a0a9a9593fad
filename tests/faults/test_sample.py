"""A few commands with few moments of each fault, and that a fault in the package is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ("fuse", "data import")
# Text files that are written under their own names, and synced before they are flushed.
HALF = """
import os
from contextlib import contextmanager
from i3_pyserini.formats import atomic

@contextmanager
def new_file(path, overwrite=False, before=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\\n") as file:
        yield file
        os.fsync(file.fileno())

atomic.new_file = new_file
"""
RUN = "from tests.faults.__main__ import main; main()"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux only: watches /proc, mounts disks"),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "inputs"


def faults(program: str, inputs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, "--inputs", str(inputs), *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_a_few_moments_of_each_fault(inputs: Path, tmp_path: Path) -> None:
    counts = tmp_path / "counts.json"
    few = ("--moments", "4", "--random", "1", "--fresh", "1", "--least", "1")
    done = faults(RUN, inputs, "--commands", *SAMPLE, *few, "--json", str(counts))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found = json.loads(counts.read_text(encoding="utf-8"))
    missing = {line.split(", ")[1].partition(":")[0] for line in found["skipped"]}
    tried = {fault for fault, count in found["faults"]["all"].items() if count}
    assert tried | missing == found["faults"]["all"].keys()
    assert all(found["kills"]["all"][phase] for phase in ("open for writing", "rename", "sync"))


def test_half_a_file_is_found(inputs: Path) -> None:
    few = ("--commands", "fuse", "--faults", "SIGKILL", "--moments", "6", "--least", "1")
    done = faults(f"{HALF}\n{RUN}", inputs, *few)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "run.fusion.json has other bytes" in done.stdout

"""`compare` that is killed while its training goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.letters import write_collection

FROM_TRAINING = """
import subprocess, sys
from i3_pyserini.cli import program
from i3_pyserini.experiments import comparison

class Popen(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        print(self.pid, flush=True)

all_steps = comparison.Study.beginning
def training(self):
    plan = all_steps(self)
    return plan.model_copy(update={"steps": {"train": plan.steps["train"]}})

subprocess.Popen, comparison.Study.beginning = Popen, training
program()
"""


@pytest.mark.slow
def test_a_training_that_outlives_compare_is_not_started_again(
    tiny_bert: str, tmp_path: Path
) -> None:
    data, output = write_collection(tmp_path / "letters"), tmp_path / "output"
    words = [sys.executable, "-c", FROM_TRAINING, "compare", str(data), "--backbone", tiny_bert]
    words += ["--output", str(output), "--steps", "100000", "--rates", "1e-3", "--batch-size", "4"]
    words += ["--query-length", "8", "--passage-length", "12"]
    with (tmp_path / "pids").open("w", encoding="utf-8") as pids:
        first = subprocess.Popen(words, stdout=pids, stderr=subprocess.DEVNULL)
    try:
        while not any(output.glob("models/*/.lock")):
            assert first.poll() is None
            time.sleep(0.1)
    finally:
        first.kill()
        first.wait()
    training = int((tmp_path / "pids").read_text(encoding="utf-8").splitlines()[-1])
    try:
        second = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
        os.kill(training, 0)  # is still at work
    finally:
        os.kill(training, signal.SIGKILL)
    assert second.returncode == 2
    (said,) = [line for line in second.stderr.splitlines() if "another process" in line]
    assert said.startswith("error: ") and "models/dual-encoder" in said
    assert "step train: the command above failed" in second.stderr.splitlines()[-1]

"""Encodings in processes of their own, which are killed, stopped and starved."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from i3_pyserini.formats.passages import Corpus

ROOT = Path(__file__).parents[2]
Same = Callable[[Path], bool]
Process = subprocess.Popen[str]


def command(corpus: Corpus, index: Path, seconds: float, *devices: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.encode.slow_encode"),
        *(str(corpus.path), str(index), str(seconds), *devices),
    ]


@contextmanager
def started(corpus: Corpus, index: Path, seconds: float, *devices: str) -> Iterator[Process]:
    process = subprocess.Popen(
        command(corpus, index, seconds, *devices),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def finished(corpus: Corpus, index: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(corpus, index, 0), cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )


def parts(index: Path) -> int:
    return len(list(index.with_name(f".{index.name}.partial").glob("part-*")))


def wait_for_parts(process: Process, index: Path, number: int) -> None:
    for _ in range(600):
        if parts(index) >= number or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None
    assert parts(index) >= number


@pytest.mark.slow
def test_killed_again_and_again(hundred: Corpus, tmp_path: Path, same_bytes: Same) -> None:
    index, moments = tmp_path / "index", random.Random(20)
    for _ in range(8):
        with started(hundred, index, 0.02) as process:
            time.sleep(moments.uniform(0.3, 1.6))
            process.kill()
            process.wait()
        if index.exists():
            break
    else:
        done = finished(hundred, index)
        assert done.returncode == 0, done.stderr
    assert same_bytes(index)
    assert not (tmp_path / ".index.partial").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
@pytest.mark.parametrize("devices", [(), ("cpu", "cpu")], ids=["one", "two"])
def test_asked_to_stop_it_finishes_the_part(
    hundred: Corpus,
    tmp_path: Path,
    same_bytes: Same,
    number: int,
    code: int,
    devices: tuple[str, ...],
) -> None:
    index = tmp_path / "index"
    with started(hundred, index, 0.1, *devices) as process:
        wait_for_parts(process, index, 2)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "finishing the current part" in said
    assert "stopped: " in said
    assert "passages are encoded; run the same command again to resume" in said
    assert "Traceback" not in said
    kept = parts(index)
    assert 2 <= kept < 20
    assert f"stopped: {5 * kept} of 100" in said
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)


@pytest.mark.slow
def test_ctrl_c_twice_ends_at_once(hundred: Corpus, tmp_path: Path, same_bytes: Same) -> None:
    index = tmp_path / "index"
    with started(hundred, index, 10.0) as process:
        wait_for_job(process, index)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        # Two signals that a busy process sees together are one to Python.
        for line in process.stderr:
            if "stop immediately" in line:
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    # After the first alone, the part at hand is finished.
    assert not list(index.with_name(f".{index.name}.partial").glob("part-*"))
    assert process.returncode == 130
    assert said.rstrip().endswith("interrupted")
    assert "Traceback" not in said
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)


def wait_for_job(process: Process, index: Path) -> None:
    for _ in range(600):
        if index.with_name(f".{index.name}.partial").joinpath("job.json").exists():
            break
        time.sleep(0.05)
    time.sleep(0.5)
    assert process.poll() is None


@pytest.mark.slow
def test_killed_worker_is_said(hundred: Corpus, tmp_path: Path, same_bytes: Same) -> None:
    index = tmp_path / "index"
    with started(hundred, index, 0.1, "cpu", "cpu") as process:
        wait_for_parts(process, index, 1)
        os.kill(children(process.pid)[-1], signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "error: an encoding process died (signal 9; out of memory?)" in said
    assert "Traceback" not in said
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)


@pytest.mark.slow
def test_workers_do_not_outlive_the_command(
    hundred: Corpus, tmp_path: Path, same_bytes: Same
) -> None:
    index = tmp_path / "index"
    with started(hundred, index, 0.1, "cpu", "cpu") as process:
        wait_for_parts(process, index, 1)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.kill()
        process.wait()
        for _ in range(100):
            if not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers):
                break
            time.sleep(0.1)
        assert not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers)
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)


def children(process: int) -> list[int]:
    """Processes of multiprocessing that encode, oldest first."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    encoding = []
    for child in found:
        line = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in line:
            encoding.append(int(child))
    return encoding


@pytest.mark.slow
def test_second_process_is_refused_and_a_dead_one_s_lock_is_not(
    hundred: Corpus, tmp_path: Path, same_bytes: Same
) -> None:
    index = tmp_path / "index"
    with started(hundred, index, 0.2) as process:
        wait_for_parts(process, index, 1)
        second = finished(hundred, index)
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.endswith("another process is working here; wait for it\n")
        process.kill()
        process.wait()
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)
    late = finished(hundred, index)
    assert late.returncode == 2
    assert "exists and is not empty" in late.stderr


@pytest.mark.parametrize("limit", [300, 1000, 1500])
def test_full_disk(hundred: Corpus, tmp_path: Path, same_bytes: Same, limit: int) -> None:
    """A limit on the size of files stands for it: of a part, of `job.json`, of the index."""
    index = tmp_path / "index"

    def starve() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command(hundred, index, 0),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=starve,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not index.exists()
    assert finished(hundred, index).returncode == 0
    assert same_bytes(index)

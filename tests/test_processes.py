"""Commands in processes of their own: their failures, and that none is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from i3_pyserini import __version__
from i3_pyserini.errors import I3Error
from i3_pyserini.processes import PIPE, Worker, python, run, run_or_fail

SLEEP = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_a_command_ends_with_the_process_that_started_it() -> None:
    """SIGTERM: the command, which notes its process id, is not left behind."""
    words = [sys.executable, "-c", SLEEP]
    code = (
        "from i3_pyserini.errors import run_command\n"
        "from i3_pyserini.processes import run\n"
        f"run_command(lambda: run({words!r}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "the same command resumes" in said
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_one_that_takes_too_long_is_killed() -> None:
    code, before = (
        SLEEP.replace("print(os.getpid(), flush=True); ", ""),
        signal.getsignal(signal.SIGTERM),
    )
    with pytest.raises(TimeoutError):
        run([sys.executable, "-c", code], stdout=PIPE, timeout=0.2)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_failure_is_one_error_and_shows_what_was_kept(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr, flush=True); sys.exit({})"
    kept = run_or_fail([sys.executable, "-c", code.format(0)], "it failed", quiet=True)
    assert set(kept.split()) == {"one", "two"}
    assert capfd.readouterr() == ("", "")
    with pytest.raises(I3Error, match=r"^it failed \(exit code 3\); see above$"):
        run_or_fail([sys.executable, "-c", code.format(3)], "it failed", quiet=True)
    shown = capfd.readouterr()
    assert shown.out == "" and set(shown.err.split()) == {"one", "two"}
    with pytest.raises(I3Error, match="it failed: no-such-program cannot be run"):
        run_or_fail(["no-such-program"], "it failed")


def test_variables_are_added_to_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    code = "import os; print(os.environ['OURS'], os.environ['MORE'])"
    done = run([sys.executable, "-c", code], {"MORE": "2"}, stdout=PIPE)
    assert (done.returncode, done.stdout) == (0, "1 2\n")
    assert python("json.tool", "-h") == [sys.executable, "-m", "json.tool", "-h"]


def test_what_processes_print_is_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.ISO-8859-1")
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    code = "import sys; print(sys.stdout.encoding, '\\u4e2d')"
    assert run([sys.executable, "-c", code], stdout=PIPE).stdout == "utf-8 中\n"


def test_a_worker_runs_commands_one_after_the_other(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        worker = Worker(log.fileno(), log.fileno())
        codes = [worker.run([word]) for word in ("--version", "nothing", "--version")]
        pid = worker.pid
        worker.close()
    assert codes == [0, 2, 0]
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == lines[2] == f"i3-pyserini {__version__}"
    assert lines[1].startswith("error: nothing: no such command")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_that_has_ended_is_a_failure(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        worker = Worker(log.fileno(), log.fileno())
        assert worker.run(["--version"]) == 0
        os.kill(worker.pid, signal.SIGKILL)
        assert worker.run(["--version"]) == -signal.SIGKILL
        worker.close()

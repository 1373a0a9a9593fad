"""Plans that run quietly, and the commands of ours in them, which share a process."""

import sys
from pathlib import Path

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.experiments import runner
from i3_pyserini.experiments.plan import Plan, StepPlan, planned
from i3_pyserini.experiments.runner import run_quietly


def test_a_quiet_plan_prints_a_line_for_a_step_and_logs_the_rest(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, made = tmp_path / "log", tmp_path / "{made}"
    write = "import sys; open(sys.argv[1], 'w').close(); print('written', file=sys.stderr)"
    one = planned(made, sys.executable, "-c", write, made)
    plan = Plan(about="a test", steps={"first": StepPlan(about="one thing", commands=[one])})
    run_quietly(plan, log)
    said = capfd.readouterr()
    assert made.is_file() and said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("one thing ...") and "written" in log.read_text(encoding="utf-8")
    run_quietly(plan, log)
    assert not capfd.readouterr().err and log.read_text(encoding="utf-8").count("$ ") == 1

    fails = "print(*range(1000, 1200), sep='\\n'); raise SystemExit(3)"
    two = planned(tmp_path / "two", sys.executable, "-c", fails)
    steps = {**plan.steps, "second": StepPlan(about="another", commands=[two])}
    with pytest.raises(I3Error, match=r"step second.*exit code 3"):
        run_quietly(Plan(about="a test", steps=steps), log)
    said = capfd.readouterr()
    assert "\n1199\n" in said.err and "\n1001\n" not in said.err and "$ " in said.err
    assert "\n1001\n" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("windows", [False, True])  # there, without a process that they share
@pytest.mark.parametrize("start", ["i3-pyserini", "python -m i3_pyserini"])
def test_a_mistake_in_a_command_of_ours_is_shown(
    start: str,
    windows: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runner, "WINDOWS", windows)
    if windows:
        monkeypatch.setattr(runner, "Worker", lambda *_: pytest.fail("gets descriptors"))
    one = planned(tmp_path / "made", *start.split(), "data", "check", tmp_path / "nowhere")
    plan = Plan(about="a test", steps={"first": StepPlan(about="one thing", commands=[one])})
    with pytest.raises(I3Error, match=r"step first.*exit code 2"):
        run_quietly(plan, tmp_path / "log")
    assert "nowhere" in capfd.readouterr().err
    assert "error: " in (tmp_path / "log").read_text(encoding="utf-8")

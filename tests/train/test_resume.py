import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import locked
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.checkpoint import Progress
from i3_pyserini.train.stepping import Stepper
from i3_pyserini.train.trainer import Trainer, train
from tests.train.conftest import MakeRecipe
from tests.train.task import log_lines

# 21 queries in batches of 4: six steps an epoch.
COMMON = ("training.batch_size=4", "training.max_steps=11")
WAYS: dict[str, tuple[str, ...]] = {
    "within an epoch": ("training.checkpoint_steps=4",),
    "at the end of an epoch": (),
    "between lines of the log": ("training.checkpoint_steps=4", "training.logging_steps=3"),
    "accumulation": ("training.checkpoint_steps=3", "training.gradient_accumulation=4"),
    "chunks": ("training.checkpoint_steps=4", "training.chunk_passages=5"),
    "lamb": ("training.checkpoint_steps=4", "optimizer.name=lamb"),
    "half precision": ("training.checkpoint_steps=4", "training.precision=bf16"),
    "lora": ("training.checkpoint_steps=4", "lora.rank=2", "lora.dropout=0.1"),
    "learned temperature": (
        "training.checkpoint_steps=4",
        "loss.learned_temperature=true",
        "optimizer.temperature_learning_rate=0.1",
    ),
    "workers": ("training.checkpoint_steps=4", "training.workers=1"),
    "before the first state": ("training.checkpoint_steps=99",),
}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Interrupts the next run in the middle of a step."""
    step = Stepper.step
    done: list[int] = []

    def interrupted(self: Stepper, batches: Any, epoch: int) -> Any:
        if len(done) == steps:
            raise KeyboardInterrupt
        done.append(1)
        return step(self, batches, epoch)

    monkeypatch.setattr(Stepper, "step", interrupted)


def assert_same_models(one: Path, other: Path) -> None:
    for name in ("best", "last"):
        states = [load_model_directory(run / name)[0].state_dict() for run in (one, other)]
        assert all(torch.equal(value, states[1][key]) for key, value in states[0].items()), name


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    if way == "lora":
        pytest.importorskip("peft", reason="needs the extra lora")
    undisturbed = train(make_recipe(*COMMON, *WAYS[way], f"output={tmp_path}/undisturbed")).output
    recipe = make_recipe(*COMMON, *WAYS[way])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 10)
        train(recipe)
    assert not (recipe.output / "last").exists()
    output = train(recipe).output
    assert log_lines(output) == log_lines(undisturbed)
    assert_same_models(output, undisturbed)


KILLED = (
    "training.batch_size=3",  # seven steps an epoch
    "training.max_steps=40",
    "training.checkpoint_steps=4",
    "training.workers=1",
)


def start(task: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "i3_pyserini", "train", str(task / "recipe.yaml")),
            *(f"--{flag}" for flag in KILLED),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )


def lines_in(log: Path) -> int:
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been(
    task: Path, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in the processes: sums depend on it
    output, killed = task / "output", start(task)
    undisturbed = train(make_recipe(*KILLED, f"output={task}/undisturbed")).output
    deadline = time.monotonic() + 600
    while lines_in(output / "log.jsonl") < 12 and killed.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (output / "last").exists()
    again = start(task)
    said = again.communicate(timeout=600)[0]
    assert again.returncode == 0, said
    assert "resumed after step" in said
    assert f"wrote {output}/best (RR@10" in said
    assert "Warning" not in said
    assert "huggingface/tokenizers" not in said  # what it says of a fork
    lines = log_lines(output)
    assert lines == log_lines(undisturbed)
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 41))
    assert_same_models(output, undisturbed)


def test_a_finished_run_says_so(
    make_recipe: MakeRecipe, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    output = train(recipe).output
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    capsys.readouterr()
    monkeypatch.setattr(Stepper, "step", lambda *_: pytest.fail("a step was made"))
    train(recipe)
    assert capsys.readouterr().out == f"{output}: this run is finished; nothing to do\n"
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}


def test_a_changed_recipe_is_refused(make_recipe: MakeRecipe) -> None:
    output = train(make_recipe("validation=null")).output
    for flag, said in (
        ("training.batch_size=4", r"training.batch_size: 8 -> 4\)"),
        ("optimizer.learning_rate=0.1", r"optimizer.learning_rate: 0.003 -> 0.1\)"),
        ("model.interaction=paper", r"model.interaction: None -> paper\)"),
        ("training.seed=1", r"training.seed: 42 -> 1\)"),
    ):
        with pytest.raises(
            I3Error, match=f"{output} contains a run with another recipe .{said}.*--out"
        ):
            train(make_recipe("validation=null", flag))


def test_a_recipe_that_is_older_than_some_keys(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(*COMMON)
    output = train(recipe).output
    path = output / "recipe.yaml"
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, key in (("loss", "matryoshka"), ("negatives", "guide_margin")):
        del fields[section][key]
    del fields["lora"]
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    Trainer(recipe).run()  # finished, and not another recipe
    with pytest.raises(I3Error, match=r"loss.matryoshka: \[\] -> \[8\]"):
        Trainer(make_recipe(*COMMON, "loss.matryoshka=[8]"))


def test_speed_may_change(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    common = ("training.checkpoint_steps=2", "validation=null")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 3)
        train(make_recipe(*common))
    changed = ("training.workers=1", "training.logging_steps=2", "training.checkpoint_steps=3")
    output = train(make_recipe("validation=null", *changed)).output
    assert [line["step"] for line in log_lines(output)] == [1, 2, 4]


def test_patience_goes_on(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([0.5, 0.4, 0.3, 0.2, 0.1])
    monkeypatch.setattr("i3_pyserini.train.validation.Validator.measure", lambda *_: next(measured))
    flags = (
        "training.max_steps=20",
        "training.checkpoint_steps=1",
        "validation.every_steps=1",
        "validation.patience=3",
    )
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 2)
        train(make_recipe(*flags))
    output = train(make_recipe(*flags)).output
    assert [line["RR@10"] for line in log_lines(output) if "RR@10" in line] == [0.5, 0.4, 0.3, 0.2]
    assert "RR@10 0.5000 at step 0" in (output / "last" / "README.md").read_text(encoding="utf-8")


def test_progress_survives(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("validation=null")
    recipe.output.mkdir()
    progress = Progress(7, 3, 2, 0.25, 6, 1, False, {"loss": 1.5, "contrastive": 1.0}, 2)
    Trainer(recipe).checkpoint.save(progress)
    assert Trainer(recipe).checkpoint.restore() == progress
    assert [path.name for path in recipe.output.iterdir()] == ["state.pt"]


def test_another_number_of_devices(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("validation=null")
    state = train(recipe).output / "state.pt"
    content = torch.load(state)
    torch.save({**content, "devices": 2}, state)
    with pytest.raises(I3Error, match=r"of a run on 2 device\(s\), but this one has 1; resume"):
        train(recipe)


def test_changed_data_are_refused(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("validation=null")
    train(recipe)
    assert recipe.data.qrels is not None
    with recipe.data.qrels.open("a", encoding="utf-8") as qrels:
        qrels.write("\n")
    with pytest.raises(I3Error, match=f"{recipe.data.qrels}: has changed since the run"):
        train(recipe)


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_state(make_recipe: MakeRecipe, damage: str) -> None:
    recipe = make_recipe("validation=null")
    state = train(recipe).output / "state.pt"
    content = {"truncated": state.read_bytes()[:5000], "empty": b"", "text": b"hello"}[damage]
    state.write_bytes(content)
    with pytest.raises(I3Error, match=r"state.pt: cannot be read \(\w+\); remove it to start over"):
        train(recipe)


@pytest.mark.parametrize("content", ["", "a: [", "- a"])
def test_a_damaged_recipe(make_recipe: MakeRecipe, content: str) -> None:
    recipe = make_recipe("validation=null")
    recipe.output.mkdir()
    (recipe.output / "recipe.yaml").write_text(content, encoding="utf-8")
    (recipe.output / "state.pt").touch()
    with pytest.raises(I3Error, match=r"output/recipe\.yaml: "):
        train(recipe)


def test_a_state_that_cannot_be_written(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file: No space left on device")

    monkeypatch.setattr("i3_pyserini.train.checkpoint.torch.save", full)
    with pytest.raises(I3Error, match=r"state.pt: cannot be written .*No space left"):
        train(make_recipe("validation=null", "training.checkpoint_steps=2"))


def test_two_trainings_do_not_share_a_folder(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe("validation=null", f"output={tmp_path}/run")
    with (
        locked(tmp_path / "run"),
        pytest.raises(I3Error, match="another process is working here"),
    ):
        train(recipe)
    train(recipe)

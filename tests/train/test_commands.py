import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import PreTrainedConfig

from i3_pyserini.cli import main
from i3_pyserini.errors import I3Error, run_command
from i3_pyserini.formats.paths import TrainedModel
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.stepping import Stepper
from i3_pyserini.train.train_model import train_model
from i3_pyserini.train.trainer import train
from tests.conftest import tiny_bert_config
from tests.model.backbones import MakeBackbone
from tests.train.conftest import MakeRecipe
from tests.train.task import log_lines

Capture = pytest.CaptureFixture[str]


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, *args: object
) -> tuple[Any, str, str]:
    """Exit code, standard output and standard error of the command, run in this process."""
    monkeypatch.setattr("sys.argv", ["i3_pyserini", "train", *map(str, args)])
    with pytest.raises(SystemExit) as exit_:
        run_command(main)
    said = capsys.readouterr()
    return exit_.value.code, said.out, said.err


def process(*args: object, devices: int = 1) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "i3_pyserini", "train", *map(str, args)]
    if devices > 1:  # standalone: on a port that is free
        options = ["--standalone", f"--nproc-per-node={devices}"]
        command[1:1] = ["-m", "torch.distributed.run", *options]
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )


def test_show(task: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    recipe = task / "recipe.yaml"
    flags = ["--training.batch_size=32", "--optimizer.max_grad_norm=null", "--data.name=a: b"]
    code, shown, said = command(monkeypatch, capsys, recipe, "--show", *flags[:2])
    assert (code, said) == (0, "")
    (task / "shown.yaml").write_text(shown, encoding="utf-8")
    again = load_recipe(task / "shown.yaml")
    assert again == load_recipe(recipe, flags[:2])
    assert again.training.batch_size == 32
    assert "max_grad_norm: null" in shown
    assert command(monkeypatch, capsys, task / "shown.yaml", "--show")[1] == shown
    assert not (task / "output").exists()


def test_overrides_take_what_functions_return_as_paths() -> None:
    warm = TrainedModel(Path("runs/warm"), Path("runs/warm/last"), "wrote runs/warm/last")
    overrides = {"model.init": warm, "output": Path("runs/a"), "training.batch_size": 8}
    shown = yaml.safe_load(str(train_model("small-contrastive", show=True, overrides=overrides)))
    assert (shown["model"]["init"], shown["output"]) == ("runs/warm/last", "runs/a")
    assert shown["training"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--training.batchsize=3"], "unknown key 'training.batchsize'; did you mean 'training.b"),
        (["--training.epochs=two"], "training.epochs is 'two': input should be a valid integer"),
        (["--training.batch_size"], "--training.batch_size: expected a value"),
        (["--output", "--show"], "--output: expected a value"),
        (["--model.passage_len=3"], "unknown key 'model.passage_len'; did you mean 'model.pass"),
        (["--model.init=./nowhere"], "model ./nowhere: no such directory"),
        (["--data.collection=nowhere.tsv"], "nowhere.tsv: no such file or folder"),
        (["--data.queries=nowhere.tsv"], "nowhere.tsv: no such file of queries"),
        (["--data.qrels=nowhere.tsv"], "nowhere.tsv: no such file of judgements"),
        (["--data.negatives=nowhere.tsv"], "nowhere.tsv: no such file"),
        (
            ["--data.teacher=nowhere.tsv", "--data.negatives=null", "--loss.distillation=1"],
            "nowhere.tsv: no such file",
        ),
        (["--data.generated_queries=nowhere.tsv"], "nowhere.tsv: no such file of generated"),
        (["--validation.topics=nowhere.tsv"], "nowhere.tsv: no such file of queries"),
        (["--validation.qrels=nowhere.tsv"], "nowhere.tsv: no such file for validation"),
        (["--validation.pool=nowhere.tsv"], "nowhere.tsv: no such file for validation"),
        (["--training.precision=fp16"], "fp16 needs a GPU"),
    ],
)
def test_mistakes_are_one_line(
    task: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    flags: list[str],
    said: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, error = command(monkeypatch, capsys, task / "recipe.yaml", *flags)
    assert (code, out) == (2, "")
    *notes, error = error.splitlines()
    assert error.startswith("error: ")
    assert said in error
    assert all(line.startswith("note: ") for line in notes)
    assert not (task / "output").exists()


@pytest.mark.parametrize("name", ["a b", "[c]#d", "n: é", "{*}"])
@pytest.mark.parametrize("form", ["{0}={1}", "{0} {1}"])
def test_values_beside_their_keys(
    task: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, name: str, form: str
) -> None:
    """With an equals sign or a blank between them, before and after the recipe."""
    words = [word for key in ("--output", "--data.queries") for word in pair(form, key, name)]
    recipe = task / "recipe.yaml"
    for arguments in ([recipe, *words], [*words, recipe], [*words[:1], *words[1:], recipe]):
        code, shown, _ = command(monkeypatch, capsys, *arguments, "--show")
        assert code == 0
        fields = yaml.safe_load(shown)
        assert (fields["output"], fields["data"]["queries"]) == (name, name)


def pair(form: str, key: str, value: str) -> list[str]:
    """The words of a shell, in which the value is quoted."""
    return [part.format(key, value) for part in form.split(" ")]


def test_no_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    code, _, error = command(monkeypatch, capsys, tmp_path / "none.yaml")
    assert (code, error.count("\n")) == (2, 1)
    assert "none.yaml: cannot be read" in error
    (tmp_path / "bad.yaml").write_text("a: [\nb\n", encoding="utf-8")
    code, _, error = command(monkeypatch, capsys, tmp_path / "bad.yaml")
    assert (code, error.count("\n")) == (2, 1)
    assert "bad.yaml: not valid YAML" in error


def test_missing_libraries(task: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(
        "i3_pyserini.train.train_model.find_spec", lambda name: name == "yaml" or None
    )
    code, _, error = command(monkeypatch, capsys, task / "recipe.yaml", "--show")
    assert code == 2
    assert "training needs accelerate, pydantic, pytorch_optimizer, tensorboard: pip inst" in error


def test_memory_runs_out(task: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")

    monkeypatch.setattr(Stepper, "step", fail)
    code, _, error = command(monkeypatch, capsys, task / "recipe.yaml", "--validation=null")
    assert code == 2
    (line,) = [line for line in error.splitlines() if "error: " in line]
    assert "error: out of memory (CUDA out of memory. Tried to allocate 2.00 GiB.)" in line
    assert "training.chunk_passages" in line
    assert "Traceback" not in error


@pytest.mark.parametrize("workers", [0, 1])
def test_mistakes_found_by_workers_are_one_line(
    task: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, workers: int
) -> None:
    """Padding as the original's names passages that a small collection does not have."""
    code, _, error = command(
        monkeypatch,
        capsys,
        task / "recipe.yaml",
        "--data.negatives=null",
        "--negatives.padding=original",
        "--validation=null",
        f"--training.workers={workers}",
    )
    assert code == 2
    assert "Traceback" not in error
    (line,) = [line for line in error.splitlines() if "error: " in line]
    message = line[line.index("error: ") :]
    assert message.startswith(f"error: {task}/qrels.txt, query q")
    assert message.endswith("is not in the collection")


@pytest.mark.slow
def test_as_a_user_runs_it(task: Path) -> None:
    recipe = task / "recipe.yaml"
    done = process(recipe, "--data.collection=nowhere.tsv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: nowhere.tsv: no such file or folder\n"


def test_help(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    code, out, _ = command(monkeypatch, capsys, "--help")
    assert code == 0
    assert "RECIPE.yaml" in out
    assert "torchrun" in out


@pytest.fixture
def steady_bert(make_backbone: MakeBackbone) -> str:
    """A backbone without dropout."""
    config: PreTrainedConfig = tiny_bert_config()
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return make_backbone(config)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", ["given", "learned"])
def test_two_devices_are_one_with_a_batch_twice_as_large(
    task: Path, make_recipe: MakeRecipe, steady_bert: str, temperature: str
) -> None:
    common = [
        f"--model.init={steady_bert}",
        "--loss.reconstruction=0",  # its mean is each device's own
        "--training.max_steps=2",
        "--training.workers=1",
    ]
    if temperature == "learned":
        common += ["--loss.learned_temperature=true", "--optimizer.temperature_learning_rate=0.1"]
    one = train(make_recipe(*common, f"output={task}/one")).output
    own = ["--training.batch_size=4", "--training.chunk_passages=5"]
    done = process(task / "recipe.yaml", *common, *own, devices=2)
    assert done.returncode == 0, done.stderr
    said = "23 negatives per query: 2 of its own and 21 of the other queries of the batch of 2"
    assert done.stdout.count(said) == 1
    card = (task / "output" / "last" / "README.md").read_text(encoding="utf-8")
    assert said in card
    assert "| devices | 2 |" in card
    assert (
        yaml.safe_load((task / "output" / "recipe.yaml").read_text(encoding="utf-8"))["training"][
            "workers"
        ]
        == 1
    )
    lines, expected = log_lines(task / "output"), log_lines(one)
    assert len(lines) == len(expected) == 4
    for line, other in zip(lines, expected, strict=True):
        assert line == pytest.approx(other, rel=1e-3)
    with pytest.raises(I3Error, match=r"of a run on 2 device\(s\), but this one has 1"):
        train(make_recipe(*common, *own))

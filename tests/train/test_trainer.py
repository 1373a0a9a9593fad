from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from i3_pyserini import I3Retriever
from i3_pyserini.errors import I3Error
from i3_pyserini.model.export import load_model_directory, save_model_directory
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.stepping import Stepper
from i3_pyserini.train.trainer import Trainer, train
from tests.train.conftest import MakeRecipe
from tests.train.task import SIZE, log_lines, teacher_flags, values

Weights = dict[str, Tensor]
LEARN = ("training.batch_size=21", "training.max_steps=45", "training.logging_steps=15")


def weights(model: I3Retriever) -> Weights:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("interaction", ["released", "none"])
def test_an_easy_task_is_learnt(make_recipe: MakeRecipe, interaction: str) -> None:
    recipe = make_recipe(*LEARN, "validation.every_steps=45", f"model.interaction={interaction}")
    output = train(recipe).output
    losses = values(output, "loss")
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.5
    untrained, best = values(output, "RR@10")
    assert untrained < 0.3
    assert best > 0.5
    assert len(values(output, "reconstruction")) == (3 if interaction == "released" else 0)
    assert load_model_directory(output / "best")[0].config.interaction == interaction


@pytest.mark.slow
def test_distillation_learns_the_teachers_order(make_recipe: MakeRecipe, task: Path) -> None:
    recipe = make_recipe(
        *LEARN, *teacher_flags(task), "loss.contrastive=0", "loss.distillation=1", "validation=null"
    )
    losses = values(train(recipe).output, "distillation")
    assert losses[-1] < 0.7 * losses[0]


def test_what_a_run_leaves(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("training.epochs=2", "training.max_steps=null", "data.name=the pairs")
    output = train(recipe).output
    assert output == recipe.output
    assert sorted(path.name for path in output.iterdir()) == [
        "best",
        "last",
        "log.jsonl",
        "recipe.yaml",
        "state.pt",
        "tensorboard",
    ]
    assert load_recipe(output / "recipe.yaml") == recipe
    lines = log_lines(output)
    assert [(line["step"], line.get("epoch")) for line in lines] == [
        (0, None),
        *((step, 1) for step in (1, 2, 3)),
        (3, None),
        *((step, 2) for step in (4, 5, 6)),
        (6, None),
    ]
    assert lines[1].keys() == {
        "step",
        "epoch",
        "loss",
        "contrastive",
        "reconstruction",
        "learning_rate",
    }
    for line in (line for line in lines if "loss" in line):
        assert line["loss"] == pytest.approx(line["contrastive"] + 0.1 * line["reconstruction"])
    assert lines[0].keys() == {"step", "RR@10", "words"}
    assert values(output, "learning_rate")[-1] == 0


def test_tensorboard_has_what_the_log_has(make_recipe: MakeRecipe) -> None:
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    output = train(make_recipe()).output
    board = event_accumulator.EventAccumulator(str(output / "tensorboard"))
    board.Reload()
    for name in ("loss", "contrastive", "reconstruction", "learning_rate", "RR@10"):
        events = [(event.step, event.value) for event in board.Scalars(name)]
        expected = [(line["step"], line[name]) for line in log_lines(output) if name in line]
        assert [step for step, _ in events] == [step for step, _ in expected]
        assert [value for _, value in events] == pytest.approx([value for _, value in expected])


def test_models_and_cards(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("training.seed=7", "data.name=the pairs")
    trainer = Trainer(recipe)
    trainer.run()
    final = weights(trainer.model)
    for name in ("best", "last"):
        model, tokenizer = load_model_directory(recipe.output / name)
        assert tokenizer.config.passage_length == 12
        assert model.config.interactor_init == "residual"
        card = (recipe.output / name / "README.md").read_text(encoding="utf-8")
        _, header, body = card.split("---\n", 2)
        assert "pyserini" in yaml.safe_load(header)["tags"]
        assert "| collection | the pairs |" in body
        assert "| seeds | 7, data 7 |" in body
        assert (
            "| effective negatives | 23 negatives per query: 2 of its own and 21 of the other "
            "queries of the batch of 1 device(s) |" in body
        )
        assert (
            "| reconstructor | trained for 4 steps on generated queries; at the last validation, "
            "of a query's words, "
        ) in body
        assert "| devices | 1 |" in body
        assert f"torch {version('torch')}" in body
        shown = body.split("```yaml\n")[1].split("```")[0]
        assert yaml.safe_load(shown) == recipe.as_dict()
        best = max(values(recipe.output, "RR@10"))
        assert f"RR@10 {best:.4f} at step" in body
        assert "query_encoder" in body
    last = load_model_directory(recipe.output / "last")[0].state_dict()
    assert all(torch.equal(final[name], value) for name, value in last.items())


def test_the_best_model_is_kept(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([0.5, 0.7, 0.6, 0.7, 0.2])
    seen: list[Weights] = []

    def measure(_self: Any, model: I3Retriever, _accelerator: Any) -> float:
        seen.append(weights(model))
        return next(measured)

    monkeypatch.setattr("i3_pyserini.train.validation.Validator.measure", measure)
    recipe = make_recipe("validation.every_steps=1")
    output = train(recipe).output
    best = load_model_directory(output / "best")[0].state_dict()
    agree = [all(torch.equal(state[name], best[name]) for name in best) for state in seen]
    assert agree == [False, True, False, False, False]  # a draw goes to the earlier one
    assert "RR@10 0.7000 at step 1" in (output / "best" / "README.md").read_text(encoding="utf-8")
    assert "RR@10 0.7000 at step 1" in (output / "last" / "README.md").read_text(encoding="utf-8")


def test_patience(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([0.5, 0.4, 0.6, 0.6, 0.5, 0.9])
    monkeypatch.setattr("i3_pyserini.train.validation.Validator.measure", lambda *_: next(measured))
    recipe = make_recipe(
        "training.max_steps=50", "validation.every_steps=2", "validation.patience=2"
    )
    output = train(recipe).output
    assert values(output, "RR@10") == [0.5, 0.4, 0.6, 0.6, 0.5]
    assert log_lines(output)[-1]["step"] == 8
    assert "| steps | 8 |" in (output / "last" / "README.md").read_text(encoding="utf-8")


def test_without_validation(make_recipe: MakeRecipe) -> None:
    trained = train(make_recipe("validation=null"))
    output = trained.output
    assert trained.best == output / "last"
    assert not (output / "best").exists()
    assert "| best validation of the run | not validated |" in (
        output / "last" / "README.md"
    ).read_text(encoding="utf-8")
    assert "(no validation in this recipe)" in str(trained)


@pytest.mark.parametrize(
    ("flag", "said", "steps"),
    [
        ("loss.reconstruction=0", "not trained in this run, never before", 0),
        ("reconstruction.targets=query", "trained for 2 steps on the training queries", 2),
        ("model.interaction=none", "none", 0),
    ],
)
def test_card_and_config_know_the_reconstructor(
    make_recipe: MakeRecipe, flag: str, said: str, steps: int
) -> None:
    output = train(make_recipe(flag, "validation=null", "training.max_steps=2")).output
    assert f"| reconstructor | {said} |" in (output / "last" / "README.md").read_text(
        encoding="utf-8"
    )
    assert load_model_directory(output / "last")[0].config.reconstructor_steps == steps


def test_steps_of_the_reconstructor_add_up(make_recipe: MakeRecipe, task: Path) -> None:
    common = ("validation=null", "training.max_steps=2")
    first = train(make_recipe(*common)).output
    start = f"--model={{init: {first}/last}}"
    second = train(make_recipe(*common, start, f"output={task}/second")).output
    assert load_model_directory(second / "last")[0].config.reconstructor_steps == 4
    said = "trained for 2 steps on generated queries, after 2 steps of earlier runs"
    assert said in (second / "last" / "README.md").read_text(encoding="utf-8")
    third = train(
        make_recipe(*common, start, f"output={task}/third", "loss.reconstruction=0")
    ).output
    assert load_model_directory(third / "last")[0].config.reconstructor_steps == 2
    assert "in this run, for 2 steps before" in (third / "last" / "README.md").read_text(
        encoding="utf-8"
    )


def test_a_frozen_backbone_stays_as_it_is(make_recipe: MakeRecipe) -> None:
    trainer = Trainer(make_recipe("training.freeze=encoders", "validation=null"))
    before = weights(trainer.model)
    trainer.run()
    changed = {
        name.partition(".")[0]
        for name, value in trainer.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"reconstructor", "interactor", "reconstruction_head"}


@pytest.mark.parametrize(
    "flags",
    [
        ("model.interaction=released", "training.max_steps=2"),
        ("model.interaction=none", "training.chunk_passages=5", "optimizer.name=lamb"),
    ],
)
def test_a_frozen_query_encoder_stays_as_it_is(
    make_recipe: MakeRecipe, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    trainer = Trainer(make_recipe(*flags, "training.freeze=query_encoder", "validation=null"))
    before = weights(trainer.model)
    save_model_directory(trainer.model, trainer.tokenizer, tmp_path / "initial")
    trainer.run()
    initial, trained = (
        {file.name: file.read_bytes() for file in (folder / "query_encoder").glob("*.safetensors")}
        for folder in (tmp_path / "initial", trainer.output / "last")
    )
    assert initial
    assert initial == trained
    after = trainer.model.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert "passage_encoder.embeddings.word_embeddings.weight" in moved


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("negatives.shared=group",), "2 negatives per query, all its own"),
        (("negatives.shared=batch",), "2 of its own and 21 of the other queries of the batch of"),
        (("loss.contrastive=0",), "2 candidates per query beside its positive (no contrastive"),
        (("training.passages_per_query=1",), "7 negatives per query: 0 of its own and 7"),
    ],
)
def test_which_negatives_is_said(
    make_recipe: MakeRecipe,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    said: str,
) -> None:
    train(make_recipe(*flags, "validation=null", "training.max_steps=1"))
    assert said in capsys.readouterr().out


def test_short_queries_are_said(
    make_recipe: MakeRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    train(make_recipe("data.negatives=null", "validation=null", "training.max_steps=1"))
    said = "21 queries have fewer than 2 usable negatives; filled up with random passages"
    assert said in capsys.readouterr().out


def test_a_log_or_notebook_has_lines_and_no_bar(
    make_recipe: MakeRecipe, capsys: pytest.CaptureFixture[str]
) -> None:
    train(make_recipe("validation=null", "training.max_steps=2", "training.logging_steps=1"))
    said = capsys.readouterr()
    assert "step 2: " in said.out and "steps" not in said.err and "\r" not in said.out + said.err


@pytest.mark.parametrize("name", ["clips/a", "a-dse-model"])
def test_a_folder_that_misleads_pyserini_is_refused_before_the_first_step(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(Stepper, "step", lambda *_: pytest.fail("a step was made"))
    with pytest.raises(I3Error, match=r"stock Pyserini .* path.* '(clip|dse)'"):
        train(make_recipe(f"output={tmp_path}/{name}", "validation=null"))


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/none", "taken"])
def test_an_output_that_cannot_be_written(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    """Also where something else is in the place of a model."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "taken" / "last").mkdir(parents=True)
    (tmp_path / "taken" / "last" / "thesis.tex").write_text("", encoding="utf-8")
    monkeypatch.setattr(Stepper, "step", lambda *_: pytest.fail("a step was made"))
    with pytest.raises(I3Error, match=r"cannot be written|not a model directory"):
        train(make_recipe(f"output={tmp_path / where}", "validation=null"))


@pytest.mark.slow
@pytest.mark.parametrize("chunks", ["null", "5"])
def test_duplicates_in_the_batch_are_counted(
    make_recipe: MakeRecipe, task: Path, capsys: pytest.CaptureFixture[str], chunks: str
) -> None:
    """Two passages of other ids say what p0 and p1 do; all 21 queries are in each batch."""
    with (task / "collection.tsv").open("a", encoding="utf-8") as collection:
        collection.write("t0\tna\tA\nt1\tNA\t b \n")
    (task / "negatives.tsv").write_text(
        "".join(f"q{n}\t{'t0' if n % 2 else 't1'}\n" for n in range(SIZE)), encoding="utf-8"
    )
    common = (
        "training.batch_size=21",
        "training.passages_per_query=2",
        "training.max_steps=2",
        "validation=null",
        f"training.chunk_passages={chunks}",
    )
    train(make_recipe(*common))
    # 11 times t1 and 10 times t0, all of which repeat a positive's text: of the 21 repetitions
    # each query has all, and queries 0 and 1 no more.
    assert f"{2 * 21 * 21:,} passages of batches were not used as neg" in capsys.readouterr().out
    off = ("negatives.exclude_duplicates=false", f"output={task}/off")
    train(make_recipe(*common, *off))
    assert "no negative" not in capsys.readouterr().out
    assert values(task / "off", "loss")[0] > values(make_recipe().output, "loss")[0]

"""Dense layers learn with the encoder that they belong to, and are frozen with it."""

from pathlib import Path

import pytest
import torch

from i3_pyserini import I3Error
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.card import model_card
from i3_pyserini.train.checkpoint import Progress
from i3_pyserini.train.optimizers import make_optimizer
from i3_pyserini.train.prepare import load_model
from i3_pyserini.train.trainer import Trainer
from tests.model.st_models import st_model
from tests.train.conftest import MakeRecipe
from tests.train.task import log_lines

BOTH = {"query_dense", "passage_dense"}
SHORT = ("validation=null", "training.max_steps=2")


@pytest.fixture
def start(tiny_bert: str, tmp_path: Path) -> str:
    folder = st_model(tiny_bert, tmp_path / "backbone", modules=("Dense:48", "Dense:8:linear"))
    return f"model.init={folder}"


def parts(model: I3Retriever) -> set[str]:
    return {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), BOTH),
        (("model.interaction=none", "training.chunk_passages=5"), BOTH),
        (("model.tie_encoders=true",), {"query_dense"}),
        (("training.freeze=query_encoder",), {"passage_dense"}),
        (("training.freeze=encoders",), set()),
        (("lora.rank=2",), BOTH),
        (("lora.rank=2", "lora.encoders=query"), {"query_dense"}),
        (("lora.rank=2", "lora.encoders=passage"), {"passage_dense"}),
    ],
)
def test_they_learn_with_their_encoder(
    make_recipe: MakeRecipe, start: str, flags: tuple[str, ...], expected: set[str]
) -> None:
    if any(flag.startswith("lora") for flag in flags):
        pytest.importorskip("peft", reason="needs the extra lora")
    trainer = Trainer(make_recipe(start, *SHORT, *flags))
    before = {
        name.replace(".base_layer", ""): value.clone()
        for name, value in trainer.model.state_dict().items()
    }
    assert parts(trainer.model) & BOTH == expected
    trainer.run()
    after = load_model_directory(trainer.output / "last")[0].state_dict()
    names = {name for name in after if "_dense." in name}
    moved = {name for name in names if not torch.equal(after[name], before[name])}
    learned = {name for name in names if name.partition(".")[0] in expected}
    adapted = flags[:1] == ("lora.rank=2",)  # adapters have no biases
    assert moved == {name for name in learned if name.endswith("weight") or not adapted}


def test_cached_vectors_of_frozen_encoders(
    make_recipe: MakeRecipe, start: str, tmp_path: Path
) -> None:
    rates = ("optimizer.learning_rate=2e-5", "optimizer.head_learning_rate=1e-2")
    common = (start, *SHORT, "training.freeze=encoders", *rates)
    plain = Trainer(make_recipe(*common))
    plain.run()
    cached = Trainer(
        make_recipe(*common, "training.cache_vectors=true", f"output={tmp_path}/other")
    )
    cached.run()
    for own, expected in zip(log_lines(cached.output), log_lines(plain.output), strict=True):
        assert own == pytest.approx(expected, rel=1e-5)


def test_they_have_the_encoder_s_learning_rate(make_recipe: MakeRecipe, start: str) -> None:
    rates = ("optimizer.learning_rate=1e-5", "optimizer.head_learning_rate=1e-3")
    recipe = make_recipe(start, *rates)
    model, _ = load_model(recipe)
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = make_optimizer(model, recipe.optimizer).param_groups
    dense = {group["lr"] for group in groups for p in group["params"] if "_dense." in names[p]}
    assert dense == {1e-5}


def test_matryoshka_knows_the_dimension(make_recipe: MakeRecipe, start: str) -> None:
    load_model(make_recipe(start, "loss.matryoshka=[4]"))
    with pytest.raises(I3Error, match="has 8, but the model's vectors have only 8"):
        load_model(make_recipe(start, "loss.matryoshka=[4,8]"))


def test_the_card_says_how_queries_are_encoded(make_recipe: MakeRecipe, start: str) -> None:
    recipe = make_recipe(start)
    model, _ = load_model(recipe)
    text = model_card(model, recipe, Progress(), 1)
    assert "encode-topics" in text and "--encoder-class" not in text

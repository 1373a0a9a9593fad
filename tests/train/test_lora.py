"""Low-rank adapters, and one encoder for both sides."""

from pathlib import Path

import numpy as np
import pytest
import torch

import i3_pyserini as i3
from i3_pyserini import I3Error, I3Retriever
from i3_pyserini.model.export import load_model_directory, save_model_directory
from i3_pyserini.train.prepare import load_model
from i3_pyserini.train.trainer import Trainer, train
from tests.train.conftest import MakeRecipe

pytest.importorskip("peft", reason="needs the extra lora")
RANK = 3
LORA = ("lora.rank=3", "lora.alpha=6", "validation=null")


def changes(backbone: str, model: Path, side: str) -> dict[str, torch.Tensor]:
    """How the weights of one of a trained model's encoders differ from the backbone's."""
    before = I3Retriever.from_backbone(backbone).query_encoder.state_dict()
    trained, _ = load_model_directory(model)
    after = getattr(trained, f"{side}_encoder").state_dict()
    assert after.keys() == before.keys()
    return {
        name: value - before[name]
        for name, value in after.items()
        if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize("encoders", ["both", "query", "passage"])
def test_only_products_of_small_matrices_are_learned(
    make_recipe: MakeRecipe, tiny_bert: str, encoders: str
) -> None:
    output = train(make_recipe(*LORA, f"lora.encoders={encoders}")).output
    for side in ("query", "passage"):
        changed = changes(tiny_bert, output / "last", side)
        if encoders not in ("both", side):
            assert not changed
            continue
        linear = {"query", "key", "value", "dense"}
        assert {name.split(".")[-2] for name in changed} == linear
        assert len(changed) == 2 * 6  # linear maps of two layers
        for change in changed.values():
            values = torch.linalg.svdvals(change)
            assert values[RANK - 1] / values[0] > 1e-4 > values[RANK] / values[0]


def test_the_saved_model_is_the_trained_one(make_recipe: MakeRecipe) -> None:
    trainer = Trainer(make_recipe(*LORA))
    trainer.run()
    live = trainer.model.eval()
    saved, tokenizer = load_model_directory(trainer.output / "last")
    assert any("lora_A" in name for name, _ in live.named_parameters())  # still there
    batch = tokenizer.passages(["a b", "c"], ["na", "na"])
    with torch.no_grad():
        found, expected = (one.encode_passages(**batch).vectors for one in (saved, live))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert "lora" in (trainer.output / "last" / "README.md").read_text(encoding="utf-8")


def test_the_best_model_is_merged_too(make_recipe: MakeRecipe, tiny_bert: str) -> None:
    output = train(make_recipe("lora.rank=3", "validation.every_steps=2")).output
    model, _ = load_model_directory(output / "best")
    assert model.state_dict().keys() == I3Retriever.from_backbone(tiny_bert).state_dict().keys()
    assert changes(tiny_bert, output / "best", "passage")


@pytest.mark.parametrize("interaction", ["released", "none"])
def test_matrices_in_half_precision(
    make_recipe: MakeRecipe, tiny_bert: str, interaction: str
) -> None:
    keys = (f"model.interaction={interaction}", "lora.weights=bf16", "training.precision=bf16")
    trainer = Trainer(make_recipe("lora.rank=3", "lora.encoders=passage", *keys))
    trainer.run()
    kinds = {
        (side, "lora_" in name, parameter.dim() > 1, parameter.dtype)
        for side in ("query", "passage")
        for name, parameter in getattr(trainer.model, f"{side}_encoder").named_parameters()
    }
    own, adapter = (False, True, torch.bfloat16), (True, True, torch.float32)
    small = (False, False, torch.float32)
    passage = {("passage", *kind) for kind in (own, adapter, small)}
    assert kinds == passage | {("query", False, many, torch.float32) for many in (True, False)}
    rounded = I3Retriever.from_backbone(tiny_bert).query_encoder.bfloat16().float().state_dict()
    saved, _ = load_model_directory(trainer.output / "last")
    learned = {
        name
        for name, value in saved.passage_encoder.state_dict().items()
        if value.dim() > 1 and not torch.equal(value, rounded[name])
    }
    assert len(learned) == 2 * 6  # linear maps of two layers; embeddings are only rounded
    assert not changes(tiny_bert, trainer.output / "last", "query")
    said = next(iter(trainer.output.glob("log.jsonl"))).read_text(encoding="utf-8")
    assert "RR@10" in said  # it was validated


def test_chunks_without_a_query(make_recipe: MakeRecipe) -> None:
    """More chunks than queries, of a frozen passage encoder."""
    keys = ("lora.encoders=query", "model.interaction=none", "training.chunk_passages=1")
    train(make_recipe(*LORA, *keys, "training.batch_size=2", "training.max_steps=1"))


def test_adapters_are_few(make_recipe: MakeRecipe) -> None:
    model, _ = load_model(make_recipe(*LORA, "model.interaction=none"))
    learn = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in learn)
    width, inner, layers, encoders = 32, 64, 2, 2
    each = 4 * RANK * 2 * width + 2 * RANK * (width + inner)
    assert sum(p.numel() for p in learn.values()) == encoders * layers * each


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("training.freeze=encoders",), "training.freeze: encoders contradicts lora"),
        (("lora.rank=0",), "lora.rank"),
        (("lora.weights=bf16",), "lora.weights: bf16 needs .* set training.precision: bf16"),
        (("lora.encoders=passage", "model.tie_encoders=true"), "one encoder for both"),
    ],
)
def test_what_cannot_be(make_recipe: MakeRecipe, flags: tuple[str, ...], said: str) -> None:
    with pytest.raises(I3Error, match=said):
        load_model(make_recipe(*LORA, *flags))


@pytest.mark.parametrize("lora", [(), LORA])
@pytest.mark.parametrize("interaction", ["released", "none"])
def test_one_encoder_for_both(
    make_recipe: MakeRecipe, tiny_bert: str, interaction: str, lora: tuple[str, ...]
) -> None:
    recipe = make_recipe(*lora, f"model.interaction={interaction}", "model.tie_encoders=true")
    trainer = Trainer(recipe)
    trainer.run()
    names = {name.partition(".")[0] for name in trainer.model.state_dict()}
    assert "passage_encoder" not in names
    model, tokenizer = load_model_directory(recipe.output / "last")
    assert model.passage_encoder is model.query_encoder
    query, passage = (changes(tiny_bert, recipe.output / "last", s) for s in ("query", "passage"))
    assert query and query.keys() == passage.keys()
    exact, half = (i3.load(recipe.output / "last", dtype=dtype) for dtype in ("fp32", "bf16"))
    texts = ["a b", "hot egg"]
    assert 0 < np.abs(half.encode_passages(texts) - exact.encode_passages(texts)).max() < 0.05
    save_model_directory(model, tokenizer, recipe.output / "again")
    for file in (recipe.output / "last").rglob("*.safetensors"):
        again = recipe.output / "again" / file.relative_to(recipe.output / "last")
        assert file.read_bytes() == again.read_bytes()


def test_one_encoder_cannot_be_half_frozen(make_recipe: MakeRecipe) -> None:
    with pytest.raises(I3Error, match="would freeze the passage encoder too"):
        load_model(make_recipe("model.tie_encoders=true", "training.freeze=query_encoder"))

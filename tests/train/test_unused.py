"""Settings without effect: refused in a recipe, named where an override turns them off."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.errors import I3Error
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import load_recipe, save_recipe
from i3_pyserini.train.trainer import Trainer
from i3_pyserini.train.unused import RULES, settled
from tests.train.conftest import MakeRecipe

Fields = dict[str, Any]
Capture = pytest.CaptureFixture[str]
JUDGED = {"data.queries": "q.tsv", "data.qrels": "r.txt"}
TEACHER = {"data.teacher": "kd.jsonl", "loss.distillation": 1.0}
RECONSTRUCTION = {
    "reconstruction.targets": "query",
    "reconstruction.passages": "positives",
    "reconstruction.gradient": "heads",
    "optimizer.reconstruction_head_learning_rate": 1e-3,
}
HEADS = {"loss.reconstruction": 0.2, "optimizer.head_learning_rate": 1e-3}
# What the file says besides, what turns other settings off, and these.
CASES: list[tuple[Fields, Fields, Fields]] = [
    (JUDGED, {"training.passages_per_query": 1}, {"data.negatives": "n.tsv"}),
    (JUDGED, {"training.passages_per_query": 1}, {"negatives.padding": "refuse"}),
    (TEACHER, {"data.teacher": "kd.jsonl"}, {"data.queries": "q.tsv", "data.qrels": "r.txt"}),
    (TEACHER, {"data.teacher": "kd.jsonl"}, {"data.min_relevance": 2}),
    (TEACHER, {"data.teacher": "kd.jsonl"}, {"data.quoted_queries": True}),
    (JUDGED, {"loss.distillation": 0.0}, {"loss.distillation_kind": "margin_mse"}),
    (JUDGED, {"loss.distillation": 0.0}, {"negatives.padding_score": -3.0}),
    (TEACHER, {"negatives.padding": "refuse"}, {"negatives.padding_score": -3.0}),
    (TEACHER, {"loss.contrastive": 0.0}, {"negatives.shared": "batch"}),
    (TEACHER, {"loss.contrastive": 0.0}, {"negatives.gradient": "own_slice"}),
    (TEACHER, {"loss.contrastive": 0.0}, {"negatives.exclude_duplicates": False}),
    (TEACHER, {"loss.contrastive": 0.0}, {"loss.symmetric": True}),
    (TEACHER, {"loss.contrastive": 0.0}, {"negatives.guide": "m"}),
    (JUDGED, {"negatives.guide": None}, {"negatives.guide_margin": 0.1}),
    (JUDGED, {"loss.contrastive": 0.0, "loss.distillation": 0.0}, {"loss.temperature": 0.1}),
    (JUDGED, {"loss.contrastive": 0.0, "loss.distillation": 0.0}, {"loss.matryoshka": [8]}),
    (
        JUDGED,
        {"loss.contrastive": 0.0, "loss.distillation": 0.0},
        {"loss.learned_temperature": True, "optimizer.temperature_learning_rate": 1e-3},
    ),
    (JUDGED, {"loss.learned_temperature": False}, {"optimizer.temperature_learning_rate": 1e-3}),
    (JUDGED, {"negatives.shared": "batch"}, {"negatives.gradient": "own_slice"}),
    (JUDGED, {"negatives.shared": "group"}, {"negatives.gradient": "own_slice"}),
    (JUDGED, {"model.interaction": "none"}, {**RECONSTRUCTION, **HEADS}),
    (JUDGED, {"loss.reconstruction": 0.0}, RECONSTRUCTION),
    (JUDGED, {"loss.reconstruction": 0.0}, {"data.generated_queries": "g.tsv"}),
    (
        JUDGED,
        {"reconstruction.targets": "query", "reconstruction.passages": "positives"},
        {"data.generated_queries": "g.tsv"},
    ),
    (
        JUDGED,
        {"reconstruction.targets": "query", "training.passages_per_query": 1},
        {"data.generated_queries": "g.tsv"},
    ),
    (JUDGED, {"training.freeze": "encoders"}, {"training.gradient_checkpointing": True}),
    (JUDGED, {"training.freeze": "encoders"}, {"reconstruction.gradient": "heads"}),
    (JUDGED, {"training.freeze": "query_encoder"}, {"training.cache_vectors": True}),
    (
        JUDGED,
        {"training.freeze": "encoders", "optimizer.head_learning_rate": 1e-3},
        {"optimizer.learning_rate": 1e-5},
    ),
    (
        {**JUDGED, "loss.learned_temperature": True, "optimizer.temperature_learning_rate": 1e-3},
        {"training.freeze": "encoders", "optimizer.head_learning_rate": 1e-3},
        {"optimizer.learning_rate": 1e-5},
    ),
]
# Keys that are used whatever the others say, or (`epochs`, `chunk_passages`) say when they are not.
ALWAYS = """
output model.init data.collection data.name data.cache data.teacher data.sources data.weights
negatives.exclude_positives loss.contrastive loss.distillation optimizer.name
optimizer.weight_decay optimizer.schedule
optimizer.warmup_ratio optimizer.max_grad_norm training.epochs training.max_steps
training.batch_size training.passages_per_query training.gradient_accumulation
training.chunk_passages training.length_buckets training.precision training.freeze
training.seed training.data_seed training.checkpoint_steps training.logging_steps training.workers
lora validation
""".split()


def write(path: Path, *parts: Fields) -> Path:
    fields: Fields = {"output": "out", "model": {"init": "bert"}, "data": {"collection": "c"}}
    for part in parts:
        for key, value in part.items():
            section, name = key.split(".")
            fields.setdefault(section, {})[name] = value
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


def flags(*parts: Fields) -> list[str]:
    return [
        f"--{key}={value if isinstance(value, str) else json.dumps(value)}"  # JSON is YAML
        for part in parts
        for key, value in part.items()
    ]


@pytest.mark.parametrize(("common", "switch", "asked"), CASES)
def test_a_recipe_that_contradicts_itself_is_refused(
    tmp_path: Path, common: Fields, switch: Fields, asked: Fields
) -> None:
    path = write(tmp_path / "r.yaml", common, switch, asked)
    with pytest.raises(I3Error) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert all(key in message for key in (*switch, *asked))
    assert "; " in message  # the remedy
    # The same, both by overrides: the user asks for what has no effect.
    with pytest.raises(I3Error, match="no effect"):
        load_recipe(write(tmp_path / "r.yaml", common), flags(switch, asked))
    # Either alone is fine.
    load_recipe(write(tmp_path / "r.yaml", common, switch))


@pytest.mark.parametrize(("common", "switch", "asked"), CASES)
def test_what_an_override_turns_off_is_named_and_left_out(
    tmp_path: Path, capsys: Capture, common: Fields, switch: Fields, asked: Fields
) -> None:
    alike = {**common, **asked}
    if "data.teacher" in switch:  # instead of the file's judgements
        alike = {**JUDGED, **asked}
        switch = {**switch, "loss.distillation": 1.0}
    path = write(tmp_path / "r.yaml", alike)
    recipe = load_recipe(path, flags(switch))
    said = capsys.readouterr().err
    assert said.startswith("note: not used with ")
    assert all(key in said for key in asked)
    bare = load_recipe(write(tmp_path / "bare.yaml", common, switch)).as_dict()
    if "data.teacher" not in switch:
        assert recipe.as_dict() == bare
    assert capsys.readouterr().err == ""
    save_recipe(recipe, tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml") == recipe  # without a note
    assert capsys.readouterr().err == ""


def test_a_rate_of_the_temperature_alone(tmp_path: Path) -> None:
    """Frozen encoders do not learn at `optimizer.learning_rate`, but the temperature does."""
    frozen = {"training.freeze": "encoders", "optimizer.head_learning_rate": 1e-3}
    learned = {"loss.learned_temperature": True, "optimizer.learning_rate": 1e-2}
    path = write(tmp_path / "r.yaml", JUDGED, frozen, learned)
    assert load_recipe(path).optimizer.learning_rate == 1e-2


def test_every_rule_has_a_case() -> None:
    tried = {
        (rule, key)
        for common, switch, asked in CASES
        for rule, key in _fired(common, switch, asked)
    }
    wanted = {(number, key) for number, rule in enumerate(RULES) for key in rule.keys}
    teacher = {(0, f"negatives.false_negative_{name}") for name in ("margin", "ratio")}
    generated = "data.generated_queries"
    interaction = next(n for n, rule in enumerate(RULES) if "model.interaction" in rule.switches)
    others = {(0, "negatives.padding_score"), (interaction, generated)}
    assert wanted - tried == teacher | others  # the first two need a teacher


def _fired(common: Fields, switch: Fields, asked: Fields) -> list[tuple[int, str]]:
    fields: Fields = {"output": "out", "model": {"init": "bert"}, "data": {"collection": "c"}}
    for part in (common, switch, asked):
        for key, value in part.items():
            section, name = key.split(".")
            fields.setdefault(section, {})[name] = value
    recipe = Recipe.model_validate(fields)
    return [(number, key) for number, rule in enumerate(RULES) for key in rule.unused(recipe)]


def test_no_key_is_forgotten() -> None:
    """A new key of the recipe goes into a rule or is one of those that always count."""
    sections = {name: field.default for name, field in Recipe.model_fields.items()}
    keys = {"output", "lora", "validation", "model.init"}
    for section, default in sections.items():
        kind = Recipe.model_fields[section].annotation if section == "data" else type(default)
        if section not in {"output", "lora", "validation", "model"}:
            assert kind is not None
            keys |= {f"{section}.{name}" for name in kind.model_fields}
    ruled = {key for rule in RULES for key in rule.keys}
    assert keys == ruled | set(ALWAYS)
    assert not ruled & set(ALWAYS)


def test_a_plain_model_directory(
    make_recipe: MakeRecipe, tiny_bert: str, tmp_path: Path, capsys: Capture
) -> None:
    """Its own config says that it has no reconstructor; the recipe need not."""
    model = I3Retriever.from_backbone(tiny_bert, interaction="none")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "plain")
    start = f"--model={{init: {tmp_path}/plain}}"
    Trainer(make_recipe(start, "optimizer.head_learning_rate=0.1"))
    said = capsys.readouterr().err
    assert f"not used with model.init {tmp_path}/plain, a plain dual encoder: " in said
    assert "data.generated_queries" in said
    assert "optimizer.head_learning_rate" in said
    with pytest.raises(I3Error, match="learns nothing from reconstruction alone"):
        Trainer(make_recipe(start, "loss.contrastive=0"))


def test_a_recipe_made_in_python_is_held_to_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", JUDGED)
    recipe = load_recipe(path)
    assert settled(recipe) is recipe
    odd = recipe.model_copy(
        update={"negatives": recipe.negatives.model_copy(update={"padding_score": 3.0})}
    )
    with pytest.raises(I3Error, match=r"negatives\.padding_score has no effect with loss\.distil"):
        settled(odd)

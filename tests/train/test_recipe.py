from pathlib import Path
from typing import Any

import pytest

from i3_pyserini import I3Config
from i3_pyserini.errors import I3Error
from i3_pyserini.shipped import RECIPES
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_file import MAY_CHANGE, differences, load_recipe, save_recipe

SHIPPED = sorted(RECIPES.glob("*.yaml"))
MINIMAL = """
output: runs/a
model: {init: bert}
data: {collection: c.tsv, queries: q.tsv, qrels: r.tsv}
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


def keys(fields: dict[str, Any], prefix: str = "") -> set[str]:
    inner = [
        keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
        for key, value in fields.items()
    ]
    return set().union(*inner)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert set(recipe.model.settings) <= set(I3Config.__annotations__)
    save_recipe(recipe, tmp_path / "again.yaml")
    assert load_recipe(tmp_path / "again.yaml") == recipe


def test_recipes_are_shipped() -> None:
    assert SHIPPED


def test_defaults(minimal: Path) -> None:
    recipe = load_recipe(minimal)
    assert recipe.validation is None
    assert recipe.negatives.exclude_positives
    assert (recipe.negatives.padding, recipe.negatives.gradient) == ("random", "all")
    assert recipe.model.settings == {}
    assert recipe.training.max_steps is None


def test_what_is_shown_loads_to_the_same(minimal: Path, tmp_path: Path) -> None:
    flags = [
        "--model.query_prefix='query:'",
        "--model.interaction=paper",
        "--loss.reconstruction=10^-epoch",
        "--optimizer.learning_rate=5e-5",
        "--validation.topics=t.tsv",
        "--validation.qrels=naïve r.txt",
    ]
    recipe = load_recipe(minimal, flags)
    shown = tmp_path / "shown.yaml"
    shown.write_text(recipe.as_yaml(), encoding="utf-8")
    assert load_recipe(shown) == recipe
    assert recipe.model.settings == {"query_prefix": "query:", "interaction": "paper"}
    assert "optimizer.max_grad_norm" in keys(recipe.as_dict())  # every default is written out


def test_overrides(minimal: Path) -> None:
    recipe = load_recipe(
        minimal,
        [
            "--training.batch_size=3",
            "--training.batch_size=32",
            "--optimizer.max_grad_norm=null",
            "--loss.reconstruction=1e-2",
            "--data.quoted_queries=true",
            "--output=a=b c",
            "--validation.topics=t",
            "--validation.qrels=r",
            "--model.passage_template={title} {text}",
            "--model.query_prefix='query: '",
            "--model.normalize=true",
            "--data.name=[a]: 3 #4",
            "--data.cache=null",
        ],
    )
    assert recipe.training.batch_size == 32
    assert recipe.optimizer.max_grad_norm is None
    assert recipe.loss.reconstruction == 0.01
    assert recipe.data.quoted_queries is True
    assert recipe.output == Path("a=b c")
    assert recipe.validation is not None
    assert recipe.model.settings == {
        "passage_template": "{title} {text}",
        "query_prefix": "query: ",
        "normalize": True,
    }
    assert (recipe.data.name, recipe.data.cache) == ("[a]: 3 #4", None)
    again = load_recipe(minimal, ["--validation.topics=t", "--validation=null"])
    assert again.validation is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        # unknown keys
        ("--modle=x", "unknown key 'modle'; did you mean 'model'?"),
        ("--batch_size=3", "unknown key 'batch_size'; did you mean 'training.batch_size'?"),
        (
            "--training.batchsize=3",
            "unknown key 'training.batchsize'; did you mean 'training.batch_size'?",
        ),
        (
            "--training.freeze_backbone=true",
            "unknown key 'training.freeze_backbone'; did you mean 'training.freeze'?",
        ),
        ("--loss.temprature=1", "unknown key 'loss.temprature'; did you mean 'loss.temperature'?"),
        (
            "--training.max_grad_norm=1",
            "unknown key 'training.max_grad_norm'; did you mean 'optimizer.max_grad_norm'?",
        ),
        ("--zzz=1", "unknown key 'zzz'"),
        # values
        ("--training.epochs=two", "training.epochs is 'two': input should be a valid integer"),
        ("--training.epochs=2.5", "training.epochs is 2.5: input should be a valid integer"),
        ("--training.epochs=0", "training.epochs is 0: input should be greater than 0"),
        ("--training.workers=-1", "training.workers is -1: input should be greater than or"),
        ("--training=3", "training is 3: input should be a valid dictionary"),
        ("--training.seed=yes please", "training.seed is 'yes please'"),
        ("--training.seed=-1", "training.seed is -1"),  # NumPy takes no such seed
        ("--loss.temperature=0", "loss.temperature is 0: input should be greater than 0"),
        ("--loss.reconstruction=-1", "loss.reconstruction is -1: input should be greater"),
        ("--loss.reconstruction=10^epoch", "loss.reconstruction is '10^epoch'"),
        ("--negatives.shared=all", "negatives.shared is 'all': input should be 'devices', 'batch'"),
        ("--optimizer.learning_rate=.nan", "optimizer.learning_rate is nan"),
        ("--optimizer.warmup_ratio=1", "optimizer.warmup_ratio is 1: input should be less than 1"),
        # missing
        ("--model={}", "key 'model.init' is missing"),
        ("--validation.topics=t", "key 'validation.qrels' is missing"),
        ("--data.queries=null", "data.queries and data.qrels are required without data.teacher"),
        # together
        (
            "--data={collection: c, teacher: t, negatives: n}",
            "data.negatives and data.teacher cannot be combined",
        ),
        ("--loss.distillation=1", "loss.distillation needs the scores of data.teacher"),
        (
            "--negatives.false_negative_margin=0",
            "negatives.false_negative_margin needs the scores of data.teacher",
        ),
        (
            "--data={collection: c, teacher: t}",
            "data.teacher have no effect with loss.distillation: 0 and without "
            "negatives.false_negative_margin",
        ),
        ("--loss={contrastive: 0, reconstruction: 0}", "all weights are zero"),
    ],
)
def test_what_is_refused(minimal: Path, override: str, said: str) -> None:
    with pytest.raises(I3Error) as caught:
        load_recipe(minimal, [override])
    assert str(caught.value).startswith(f"{minimal}: ")
    assert said in str(caught.value)


def test_a_group_of_one(minimal: Path) -> None:
    one = "--training.passages_per_query=1"
    assert load_recipe(minimal, [one]).training.passages_per_query == 1
    with pytest.raises(I3Error, match="a query with only its positive"):
        load_recipe(minimal, [one, "--negatives.shared=group"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("--training.batch_size", "expected --section.key=value"),
        ("training.batch_size=3", "expected --section.key=value"),
        ("more.yaml", "expected --section.key=value"),
        ("--training.batch_size=[", "the value is not valid YAML"),
        ("--validation={", "the value is not valid YAML"),
        ("--training.max_steps=2020-13-01", "the value is not valid YAML"),
        ("--output.name=3", "output is not a section"),
    ],
)
def test_malformed_overrides(minimal: Path, override: str, said: str) -> None:
    with pytest.raises(I3Error) as caught:
        load_recipe(minimal, [override])
    assert said in str(caught.value)
    assert override.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [\n", "not valid YAML: .*line 2"),
        (b"- a\n", "expected keys and values"),
        (b"", "expected keys and values"),
        (b"a: \xff\n", "cannot be read"),
        (b"a: \x00\n", "not valid YAML"),
        (b"output: a\n", "key 'model' is missing"),
    ],
)
def test_unreadable_recipes(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(I3Error, match=rf"r\.yaml: {said}[^\n]*\Z"):
        load_recipe(tmp_path / "r.yaml")


def test_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"r.yaml: cannot be read \(.*No such file"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(I3Error, match="cannot be read"):
        load_recipe(tmp_path)


def test_differences(minimal: Path) -> None:
    before = load_recipe(minimal).as_dict()

    def changed(*flags: str) -> list[str]:
        return differences(before, load_recipe(minimal, flags).as_dict())

    assert changed() == []
    assert changed("--loss.temperature=2", "--model.pooling=mean", "--data.negatives=n.tsv") == [
        "data.negatives: None -> n.tsv",
        "loss.temperature: 1.0 -> 2.0",
        "model.pooling: None -> mean",
    ]
    validation = changed("--validation.topics=t", "--validation.qrels=r")
    assert "validation.topics: None -> t" in validation
    assert "validation.measure: None -> RR@10" in validation
    numbers = {key for key in MAY_CHANGE if key.startswith("training.")}
    numbers -= {"training.gradient_checkpointing", "training.cache_vectors"}
    assert changed(*(f"--{key}=7" for key in numbers)) == []
    assert changed("--output=b", "--data.cache=c", "--training.gradient_checkpointing=true") == []
    frozen = "--training.freeze=encoders"
    assert changed(frozen, "--training.cache_vectors=true") == changed(frozen)


def test_what_may_change_is_a_key(minimal: Path) -> None:
    flags = ("--validation.topics=t", "--validation.qrels=r")
    assert keys(load_recipe(minimal, flags).as_dict()) >= MAY_CHANGE


def test_weight_of_reconstruction() -> None:
    assert [
        LossRecipe(reconstruction="10^-epoch").reconstruction_weight(epoch) for epoch in (1, 2, 3)
    ] == pytest.approx([0.1, 0.01, 0.001])
    assert LossRecipe(reconstruction=0.3).reconstruction_weight(5) == 0.3


def test_saving_leaves_no_other_file(minimal: Path, tmp_path: Path) -> None:
    recipe = load_recipe(minimal)
    save_recipe(recipe, tmp_path / "out.yaml")
    save_recipe(recipe, tmp_path / "out.yaml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.yaml", "r.yaml"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--training.batch_size=1", "--training.passages_per_query=1"], "has no negatives"),
        (
            ["--model.interaction=none", "--loss.contrastive=0"],
            "cannot be trained by reconstruction",
        ),
        (["--optimizer.learning_rate=.inf"], "optimizer.learning_rate"),
        (["--training.data_seed=100000000000000000000000"], "training.data_seed"),
    ],
)
def test_recipes_that_cannot_learn(minimal: Path, flags: list[str], said: str) -> None:
    with pytest.raises(I3Error, match=said):
        load_recipe(minimal, flags)


def test_distillation_needs_two_passages(minimal: Path) -> None:
    flags = ["--data.teacher=t", "--loss.distillation=1", "--training.passages_per_query=1"]
    with pytest.raises(I3Error, match="passages_per_query of at least 2"):
        load_recipe(minimal, flags)

from pathlib import Path
from typing import Any

import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.data.candidates import JudgedQueries, NegativesFile, TeacherFile
from i3_pyserini.errors import I3Error
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.train.prepare import (
    BLOCK,
    candidate_source,
    load_data,
    load_model,
    training_mode,
)
from i3_pyserini.train.trainer import Trainer
from tests.conftest import OWN_WORDS
from tests.train.conftest import MakeRecipe
from tests.train.task import SIZE, teacher_flags


@pytest.fixture
def model_directory(tiny_bert: str, tmp_path: Path) -> Path:
    model = I3Retriever.from_backbone(tiny_bert, interaction="paper", passage_length=20)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    save_model_directory(model, tokenizer, tmp_path / "model")
    return tmp_path / "model"


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def trainable(model: I3Retriever) -> set[str]:
    return {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad}


def test_a_new_model_has_the_recipes_settings(make_recipe: MakeRecipe) -> None:
    model, tokenizer = load_model(make_recipe("model.interaction=paper", "model.num_head_layers=2"))
    config = model.config
    assert (config.interaction, config.num_head_layers, config.passage_length) == ("paper", 2, 12)
    assert tokenizer.config is config
    assert trainable(model) == {
        "bert",
        "passage_encoder",
        "reconstructor",
        "interactor",
        "reconstruction_head",
    }


def test_going_on_from_a_model_directory(make_recipe: MakeRecipe, model_directory: Path) -> None:
    settings = "{interaction: paper, passage_length: 20, layer_init: auto}"
    for extra in ("{}", settings):
        model_flag = f"--model={{init: {model_directory}, {extra.strip('{}')}}}"
        model, tokenizer = load_model(make_recipe(model_flag))
        assert model.config.passage_length == tokenizer.config.passage_length == 20
    training_mode(model)
    assert model.training


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("interaction: released", "has interaction 'paper', but the recipe says 'released'"),
        ("interaction: none", "has interaction 'paper', but the recipe says 'none'"),
        ("passage_length: 12", "has passage_length 20, but the recipe says 12"),
        ("pooling: mean", "has pooling 'cls', but the recipe says 'mean'"),
        ("pooling: auto", "has pooling 'cls', but the recipe says 'auto'"),
    ],
)
def test_a_model_directory_of_another_architecture(
    make_recipe: MakeRecipe, model_directory: Path, setting: str, said: str
) -> None:
    recipe = make_recipe(f"--model={{init: {model_directory}, {setting}}}")
    with pytest.raises(I3Error, match=f"model.init {model_directory} {said}"):
        load_model(recipe)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "model.passage_len=3",
            "unknown key 'model.passage_len'; did you mean 'model.passage_length'",
        ),
        ("model.inti=3", "unknown key 'model.inti'; did you mean 'model.init'"),
        ("model.encoder_config={}", "unknown key 'model.encoder_config'"),
        ("model.interaction=both", "interaction is 'both', must be one of released, paper, none"),
        ("model.passage_length=161", "passage_length is 161, but the backbone has only 160"),
        ("model.query_length=long", "query_length is 'long', must be a positive whole number"),
        ("model.init=./nowhere", "no such directory"),
        ("loss.matryoshka=[8,32]", "loss.matryoshka has 32, but the model's vectors have only 32"),
        ("--training.freeze=encoders --model.interaction=none", "leaves nothing to learn"),
    ],
)
def test_models_that_cannot_be(make_recipe: MakeRecipe, override: str, said: str) -> None:
    with pytest.raises(I3Error, match=said):
        load_model(make_recipe(*override.split()))


def test_what_is_frozen(make_recipe: MakeRecipe) -> None:
    heads = {"reconstructor", "interactor"}
    model, _ = load_model(make_recipe("training.freeze=encoders"))
    assert trainable(model) == {*heads, "reconstruction_head"}
    training_mode(model)
    modes = (model.query_encoder, model.passage_encoder, model.interactor, model)
    assert [part.training for part in modes] == [False, False, True, True]
    model, _ = load_model(make_recipe("training.freeze=query_encoder"))
    assert trainable(model) == {*heads, "reconstruction_head", "passage_encoder"}
    training_mode(model)
    modes = (model.query_encoder, model.passage_encoder, model.interactor, model)
    assert [part.training for part in modes] == [False, True, True, True]
    model, _ = load_model(make_recipe("training.freeze=query_encoder", "model.interaction=none"))
    assert trainable(model) == {"passage_encoder"}
    model, _ = load_model(make_recipe("loss.reconstruction=0"))
    assert trainable(model) == {*heads, "bert", "passage_encoder"}
    training_mode(model)
    assert all(part.training for part in (model.query_encoder, model.passage_encoder))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # renamed in transformers 6
def test_gradient_checkpointing_is_on(make_recipe: MakeRecipe) -> None:
    model, _ = load_model(make_recipe("training.gradient_checkpointing=true"))
    assert model.query_encoder.is_gradient_checkpointing
    assert model.passage_encoder.is_gradient_checkpointing


def test_sources(make_recipe: MakeRecipe, task: Path) -> None:
    negatives = candidate_source(make_recipe().data)
    assert isinstance(negatives, NegativesFile)
    assert negatives[3].negatives == ["p4", "p8", "p5", "p11"]
    judged = candidate_source(make_recipe("data.negatives=null").data)
    assert isinstance(judged, JudgedQueries)
    assert (judged[3].positives, judged[3].negatives) == (["p3"], [])
    teacher = candidate_source(make_recipe(*teacher_flags(task)).data)
    assert isinstance(teacher, TeacherFile)
    assert [source[3].query for source in (negatives, judged, teacher)] == ["water"] * 3
    with pytest.raises(I3Error, match="no passage has a relevance of at least 2"):
        candidate_source(make_recipe("data.min_relevance=2").data)


def test_validation_with_training_queries(
    make_recipe: MakeRecipe, task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (task / "dev.tsv").write_text("d1\tHot, cold!\nd2\tsomething else\n", encoding="utf-8")
    dev = f"validation.topics={task / 'dev.tsv'}"
    for flags, place in (((), "negatives.tsv, line 7"), (teacher_flags(task), "teacher.jsonl")):
        load_data(make_recipe(dev, *flags), True)
        said = capsys.readouterr().err
        assert "dev.tsv: 1 of 2 validation queries" in said and place in said
    load_data(make_recipe(dev), True, check=False)
    load_data(make_recipe("validation=null"), True)
    assert "validation queries" not in capsys.readouterr().err


def test_seed_of_the_data(make_recipe: MakeRecipe) -> None:
    assert load_data(make_recipe("training.seed=7"), True).samples.seed == 7
    both = make_recipe("training.seed=7", "training.data_seed=0")
    assert load_data(both, True).samples.seed == 0


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("negatives.tsv", "q1\tp2,p99,p98", "negatives.tsv, line 22: negative p99 is not in the"),
        ("qrels.txt", "q2 0 p99 1", "negatives.tsv, line 3: positive p99 is not in the collection"),
        ("negatives.tsv", "q99\tp2", "negatives.tsv, line 22: query q99 has no text"),
        ("collection.tsv", "p1\tna\tagain", "collection.tsv, line 22: passage 'p1' occurs"),
    ],
)
def test_bad_lines_are_found_before_training(
    make_recipe: MakeRecipe, task: Path, file: str, line: str, said: str
) -> None:
    append(task / file, line)
    with pytest.raises(I3Error, match=said):
        load_data(make_recipe(), True)


def test_unknown_passages_of_a_teacher(make_recipe: MakeRecipe, task: Path) -> None:
    path = task / "teacher.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"p7"', '"p77"', 1), encoding="utf-8")
    with pytest.raises(I3Error, match=r"teacher.jsonl, line 3: negative p77 is not in"):
        load_data(make_recipe(*teacher_flags(task)), True)


def test_a_bad_line_after_many_good_ones(make_recipe: MakeRecipe, task: Path) -> None:
    (task / "negatives.tsv").write_text("q1\tp2\n" * (BLOCK + 1) + "q1\tp99\n", encoding="utf-8")
    with pytest.raises(I3Error, match=f"negatives.tsv, line {BLOCK + 2}: negative p99"):
        load_data(make_recipe(), True)


def test_short_queries_are_counted(make_recipe: MakeRecipe, task: Path) -> None:
    assert load_data(make_recipe(), True).short == 0
    assert load_data(make_recipe("training.passages_per_query=5"), True).short == 0
    assert load_data(make_recipe("training.passages_per_query=6"), True).short == SIZE
    assert load_data(make_recipe("data.negatives=null"), True).short == SIZE
    append(task / "qrels.txt", "q3 0 p4 1\nq3 0 p5 1\nq3 0 p8 1")  # three of its four negatives
    assert load_data(make_recipe(), True).short == 1
    assert load_data(make_recipe("negatives.exclude_positives=false"), True).short == 0


def test_short_queries_by_the_margin(make_recipe: MakeRecipe, task: Path) -> None:
    """Scores are 9 and 2, 1, 0; a query is short if it is so with its worst positive."""
    flags = teacher_flags(task)
    for margin, short in (("6.5", 0), ("7.5", 0), ("8.5", SIZE)):
        recipe = make_recipe(*flags, f"negatives.false_negative_margin={margin}")
        assert load_data(recipe, True).short == short
    path = task / "teacher.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            '["p2"], "score": [9.0]', '["p2", "p9"], "score": [9, 2]'
        ),
        encoding="utf-8",
    )
    assert load_data(make_recipe(*flags, "negatives.false_negative_margin=1.5"), True).short == 1


def test_short_queries_are_refused(make_recipe: MakeRecipe, task: Path) -> None:
    refuse = "negatives.padding=refuse"
    assert load_data(make_recipe(refuse), True).short == 0
    append(task / "negatives.tsv", "q4\tp5,p4")
    with pytest.raises(
        I3Error, match=r"negatives.tsv, line 22: 1 usable negatives, but 2 are required"
    ):
        load_data(make_recipe(refuse), True)


def test_a_collection_too_small_to_pad(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("training.passages_per_query=22")
    with pytest.raises(I3Error, match=r"the collection has only 21 passages, too few to draw 17"):
        load_data(recipe, True)


def test_generated_queries_are_needed(make_recipe: MakeRecipe) -> None:
    none = "data.generated_queries=null"
    with pytest.raises(I3Error, match=r"data\.generated_queries is not given; .*targets: query"):
        load_data(make_recipe(none), True)
    assert load_data(make_recipe(none), False).samples.generated is None
    data = load_data(make_recipe(none, "reconstruction.targets=query"), True)
    assert data.samples[1, 0].targets == ["hot", None, None]


def test_nothing_is_taught_without_reconstruction(make_recipe: MakeRecipe) -> None:
    samples = load_data(make_recipe(), False).samples
    assert samples.generated is None
    assert samples[1, 0].targets == [None] * 3


@pytest.mark.parametrize("bad", ["data.collection", "data.queries", "data.qrels", "data.negatives"])
def test_missing_files(make_recipe: MakeRecipe, bad: str) -> None:
    with pytest.raises(I3Error, match=r"nowhere\.tsv: no such"):
        load_data(make_recipe(f"{bad}=nowhere.tsv"), True)


def test_ids_are_not_numbers(make_recipe: MakeRecipe, task: Path) -> None:
    """A hash of ids must not take p1 for p01, nor ids of other alphabets for one another."""
    append(task / "collection.tsv", "01\tna\ta\né\tna\tb")
    for pid, found in (("01", True), ("1", False), ("é", True), ("e\u0301", False)):
        (task / "negatives.tsv").write_text(f"q1\t{pid}\n", encoding="utf-8")
        recipe: Any = make_recipe()
        if found:
            assert len(load_data(recipe, True).samples) == 1
        else:
            with pytest.raises(I3Error, match="is not in the collection"):
                load_data(recipe, True)


def test_the_same_seed_gives_the_same_model(make_recipe: MakeRecipe) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(load_model(make_recipe())[0].state_dict())
    same = [all(torch.equal(states[0][name], other[name]) for name in other) for other in states]
    assert same == [True, True, False]


@pytest.mark.parametrize(
    ("flag", "lacks"),
    [
        ("data.negatives=null", "no positive in data.qrels"),
        ("training.epochs=1", "no line in data.negatives"),
    ],
)
def test_queries_that_do_not_train_are_counted_and_named(
    make_recipe: MakeRecipe, task: Path, capsys: pytest.CaptureFixture[str], flag: str, lacks: str
) -> None:
    append(task / "queries.tsv", "u1\ta query\nu2\tanother")
    append(task / "qrels.txt", "gone 0 p1 1")
    load_data(make_recipe(flag, "validation=null"), True)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "1 of 22 judged" in said[0] and "(gone)" in said[0]
    assert f"2 queries do not train, because they have {lacks} (u1, u2)" in said[1]


def test_a_tokenizer_of_the_reconstructor_s_own(
    make_recipe: MakeRecipe, own_words: str, model_directory: Path
) -> None:
    key = f"model.reconstruction_tokenizer={own_words}"
    recipe = make_recipe(key, "validation=null", "training.max_steps=2")
    trainer = Trainer(recipe)
    before = trainer.model.reconstruction_head.decoder.weight.clone()
    trainer.run()
    model, tokenizer = load_model_directory(trainer.output / "last")
    rows = (model.reconstruction_head.decoder.weight != before).any(dim=1)
    assert rows.shape == (len(OWN_WORDS),) and rows[OWN_WORDS.index("hot")]
    assert tokenizer.reconstruction_labels(["hot"])[0, 0] == OWN_WORDS.index("hot")
    plain, _ = load_model(make_recipe(key, "model.interaction=none"))
    assert plain.config.reconstruction_vocabulary is None
    with pytest.raises(I3Error, match="reconstruction_tokenizer is for a new model"):
        load_model(make_recipe(key, f"model.init={model_directory}"))

"""The trainer of sentence-transformers trains an I³ with our loss."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import i3_pyserini as i3
from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.model.config import IGNORED_LABEL, load_i3_config
from i3_pyserini.train.gradcache import TrainingModule
from i3_pyserini.train.losses import weighted_losses
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Collator, Sample
from i3_pyserini.train.sampling import Group

pytestmark = pytest.mark.slow
REASON = "needs sentence-transformers"
WORDS = "how long to boil an egg eggs water place the in hot cold plant light".split()
COLUMNS = ("query", "positive", "negative_1", "negative_2")
ROUTES = {"query": "query", **dict.fromkeys(COLUMNS[1:], "document")}


def rows(count: int = 8) -> list[dict[str, Any]]:
    """Queries with passages as pairs (title, text); some passages occur twice."""
    rng = random.Random(3)
    texts = [" ".join(rng.choices(WORDS, k=length)) for length in (1, 3, 7, 12, 30) for _ in "ab"]
    return [
        {
            "query": " ".join(rng.choices(WORDS, k=rng.choice((1, 4, 40)))),
            **{name: [rng.choice(("", "egg")), rng.choice(texts)] for name in COLUMNS[1:]},
            "label": [2.0, rng.random(), rng.random()],
        }
        for _ in range(count)
    ]


def our_batch(tokenizer: I3Tokenizer, data: list[dict[str, Any]]) -> Any:
    """The same rows as `i3-pyserini train` collates them; a passage's id is its text."""
    samples = []
    for row in data:
        passages = [Passage("", *row[name]) for name in COLUMNS[1:]]
        pids = [f"{one.title}|{one.text}" for one in passages]
        group = Group(row["query"], pids, row["label"], pids[:1], "here")
        samples.append(Sample(group, passages, [row["query"], None, None], passages[:1]))
    return Collator(tokenizer, labels=True)(samples)


@pytest.fixture
def model(tiny_bert: str, tmp_path: Path) -> Any:
    pytest.importorskip("sentence_transformers", reason=REASON)
    from i3_pyserini.integrations.sentence_transformers import load

    made = I3Retriever.from_backbone(
        tiny_bert,
        interactor_init="original",
        query_prompt="what : ",
        query_length=20,
        passage_length=30,
    )
    save_model_directory(made, I3Tokenizer.from_pretrained(tiny_bert, made.config), tmp_path / "M")
    return load(tmp_path / "M", device="cpu")


def features(model: Any, data: list[dict[str, Any]]) -> tuple[list[Any], torch.Tensor]:
    from sentence_transformers.base.data_collator import BaseDataCollator
    from sentence_transformers.base.trainer import BaseTrainer

    batch = BaseDataCollator(model.preprocess, router_mapping=ROUTES)(data)
    found, labels = BaseTrainer.collect_features(None, batch)  # type: ignore[arg-type]
    assert labels is not None
    return found, labels


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"reconstruction": 0.0},
        {"contrastive": 0.0, "reconstruction": 2.0},
        {"distillation": 0.7, "temperature": 0.3},
        {"contrastive": 0.0, "distillation": 1.0, "distillation_kind": "margin_mse"},
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_the_loss_is_ours(model: Any, weights: dict[str, Any], training: bool) -> None:
    """By number, and by every gradient."""
    from i3_pyserini.integrations.sentence_transformers_loss import I3Loss

    data, retriever = rows(), model[0].model
    loss = I3Loss(model, **weights)
    retriever.train(training)
    model.training = training
    for module in retriever.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    parts = loss(*features(model, data))
    found = sum(parts.values())
    assert isinstance(found, torch.Tensor)
    found.backward()
    gradients = {name: one.grad for name, one in retriever.named_parameters()}
    retriever.zero_grad(set_to_none=True)

    recipe = LossRecipe(**{"reconstruction": 0.1, **weights})
    batch = our_batch(model[0]._texts, data)
    labels = batch.inputs.labels
    count = int((labels != IGNORED_LABEL).sum()) if recipe.reconstruction else None
    queries, passages, reconstruction = TrainingModule(retriever)(batch.inputs, count)
    expected, _ = weighted_losses(
        queries, passages, batch, recipe, NegativesRecipe(), retriever.config.normalize
    )
    expected = expected + recipe.reconstruction_weight(1) * reconstruction
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-5)
    expected.backward()
    for name, one in retriever.named_parameters():
        if one.grad is None or gradients[name] is None:
            assert not (one.grad if one.grad is not None else torch.zeros(1)).any(), name
        else:
            torch.testing.assert_close(gradients[name], one.grad, atol=1e-4, rtol=1e-4, msg=name)


def test_its_trainer(model: Any, tmp_path: Path) -> None:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )

    from i3_pyserini.integrations.sentence_transformers import load
    from i3_pyserini.integrations.sentence_transformers_loss import I3Loss

    data = Dataset.from_list(rows(16)).select_columns(list(COLUMNS))
    assert model[0].model.config.reconstructor_steps == 0
    before = {name: one.clone() for name, one in model[0].model.named_parameters()}
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "run"),
        max_steps=6,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        router_mapping=ROUTES,
        save_steps=3,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=data, loss=I3Loss(model)
    )
    trainer.train()
    logged = [line for line in trainer.state.log_history if "loss" in line]
    assert len(logged) == 6
    assert logged[-1]["loss"] < logged[0]["loss"]
    assert all(line["reconstruction"] > 0 and line["contrastive"] > 0 for line in logged)
    moved = [name for name, one in model[0].model.named_parameters() if (one != before[name]).any()]
    for part in (
        "bert.",
        "passage_encoder.",
        "reconstructor.",
        "interactor.",
        "reconstruction_head.",
    ):
        assert any(name.startswith(part) for name in moved), part
    model.save_pretrained(str(tmp_path / "DONE"))
    texts, queries = ["boil an egg", "the plant"], ["egg", "hot water"]
    for folder in (tmp_path / "DONE", tmp_path / "run" / "checkpoint-6"):
        ours = i3.load(folder)
        np.testing.assert_allclose(
            ours.encode_queries(queries), model.encode_query(queries), atol=1e-5
        )
        np.testing.assert_allclose(
            load(folder, device="cpu").encode_document(texts),
            ours.encode_passages(texts),
            atol=1e-5,
        )
        assert (
            load_i3_config(str(folder)).reconstructor_steps is None
        )  # trained; how long: not ours
    resumed = SentenceTransformerTrainer(
        model=load(tmp_path / "M", device="cpu"), args=arguments, train_dataset=data, loss=I3Loss
    )
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-3"))
    np.testing.assert_allclose(
        resumed.model.encode_query(queries), model.encode_query(queries), atol=1e-4
    )


def test_what_cannot_be_trained_is_refused(model: Any) -> None:
    from i3_pyserini.integrations.sentence_transformers_loss import I3Loss

    data = rows(2)
    (query, *passages), labels = features(model, data)
    with pytest.raises(I3Error, match="only one column"):
        I3Loss(model)([query])
    for scores in (None, labels[:, :2]):
        with pytest.raises(I3Error, match="3 scores"):
            I3Loss(model, distillation=1.0)([query, *passages], scores)
    with pytest.raises(I3Error, match="all weights are zero"):
        I3Loss(model, contrastive=0, reconstruction=0)
    with pytest.raises(I3Error, match="task is None"):
        model.preprocess(["a"])

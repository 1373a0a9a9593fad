import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.model.config import IGNORED_LABEL
from i3_pyserini.train.gradcache import Pass, TrainingModule, by_length, chunk_rows
from i3_pyserini.train.losses import vector_losses, weighted_losses
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Collator, Sample
from i3_pyserini.train.sampling import Group
from tests.conftest import WORDS

QUERIES, GROUP = 4, 3
PASSAGES = QUERIES * GROUP
NOTHING = 1e-12  # a key's bias, or one that all passages share, changes no loss
Gradients = dict[str, Tensor]
Taught = Literal["all", "positives", "nothing"]
MakeBatch = Callable[[Taught], Batch]


@pytest.fixture(params=["released", "paper", "none"])
def parts(request: pytest.FixtureRequest, tiny_bert: str) -> tuple[I3Retriever, I3Tokenizer]:
    """A model in double precision, so that a gradient is wrong or right and not nearly so."""
    torch.manual_seed(2)
    model = I3Retriever.from_backbone(
        tiny_bert, interaction=request.param, training_pseudo_query_length=6
    )
    return model.double().train(), I3Tokenizer.from_pretrained(tiny_bert, model.config)


@pytest.fixture
def make_batch(parts: tuple[I3Retriever, I3Tokenizer]) -> MakeBatch:
    def make(taught: Taught) -> Batch:
        samples = []
        for number in range(QUERIES):
            rows = range(number * GROUP, (number + 1) * GROUP)
            texts = [
                Passage("", None, " ".join(WORDS[row : row + 1 + 5 * row % 7])) for row in rows
            ]
            targets: list[str | None] = ["hot egg", "water", "plant light place"]
            if taught != "all":
                targets = [targets[0], None, None]
            group = Group(
                " ".join(WORDS[number : 2 * number + 1]),
                [f"p{row}" for row in rows],
                [3.0, 1.0, 0.0],
                [f"p{rows[0]}"],
                "here",
            )
            samples.append(Sample(group, texts, targets))
        has_labels = parts[0].has_reconstructor and taught != "nothing"
        return Collator(parts[1], has_labels)(samples)

    return make


def without_dropout(model: I3Retriever) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def losses(queries: Tensor, passages: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    recipe = LossRecipe(distillation=0.5, temperature=2.0)
    found = vector_losses(queries, passages, batch, recipe, NegativesRecipe())
    return found["contrastive"] + 0.5 * found["distillation"], found


def gradients(
    module: nn.Module, batch: Batch, chunk: int | None, weight: float = 0.1, **settings: Any
) -> tuple[Gradients, dict[str, float]]:
    module.zero_grad()
    run = Pass(losses, lambda loss: loss.backward(), chunk_passages=chunk)
    found = run.run(module, batch, weight, **settings)
    own = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    return own, {name: value.item() for name, value in found.items()}


def assert_same(own: Gradients, other: Gradients) -> None:
    assert own.keys() == other.keys()
    for name, gradient in own.items():
        error = (gradient - other[name]).norm()
        assert error <= 1e-5 * other[name].norm() + NOTHING, f"{name}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize("taught", ["all", "positives", "nothing"])
def test_chunks_have_the_gradient_of_the_whole(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch, taught: Taught
) -> None:
    without_dropout(parts[0])
    batch = make_batch(taught)
    whole, losses_of_whole = gradients(TrainingModule(parts[0]), batch, None)
    assert sum(gradient.norm() for gradient in whole.values()) > 0
    for chunk in (1, 2, 5, 7, PASSAGES - 1, PASSAGES):
        for buckets in (1, 3):
            module = TrainingModule(parts[0], buckets)
            own, losses_of_chunks = gradients(module, batch, chunk)
            assert_same(own, whole)
            assert losses_of_chunks == pytest.approx(losses_of_whole, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        LossRecipe(symmetric=True),
        LossRecipe(matryoshka=(8, 2)),
        LossRecipe(distillation=0.5, distillation_kind="margin_mse"),
        LossRecipe(contrastive=0, distillation=1, distillation_kind="infonce"),
    ],
    ids=["symmetric", "matryoshka", "margin_mse", "infonce"],
)
def test_chunks_with_every_loss(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch, recipe: LossRecipe
) -> None:
    without_dropout(parts[0])
    batch, module = make_batch("positives"), TrainingModule(parts[0])
    found = []
    for chunk in (None, 5):
        module.zero_grad()
        own = partial(weighted_losses, loss=recipe, negatives=NegativesRecipe(), normalize=True)
        Pass(own, lambda loss: loss.backward(), chunk_passages=chunk).run(module, batch, 0.1)
        found.append({name: p.grad for name, p in module.named_parameters() if p.grad is not None})
    assert_same(found[1], found[0])


def test_losses_are_reported_without_their_weights(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch
) -> None:
    without_dropout(parts[0])
    batch = make_batch("all")
    for chunk in (None, 5):
        _, found = gradients(TrainingModule(parts[0]), batch, chunk, 0.1)
        expected = found["contrastive"] + 0.5 * found["distillation"]
        if parts[0].has_reconstructor:
            assert found["reconstruction"] > 1
            expected += 0.1 * found["reconstruction"]
        assert found["loss"] == pytest.approx(expected, rel=1e-6)
        unlabelled = replace(batch, inputs=replace(batch.inputs, labels=None))
        _, without = gradients(TrainingModule(parts[0]), unlabelled, chunk, 0.1)
        assert without.keys() == {"loss", "contrastive", "distillation"}


@pytest.mark.parametrize("chunk", [None, 5])
def test_scale_and_accumulation(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch, chunk: int | None
) -> None:
    without_dropout(parts[0])
    module, batch = TrainingModule(parts[0]), make_batch("all")
    once = {name: value.clone() for name, value in gradients(module, batch, chunk)[0].items()}
    half, reported = gradients(module, batch, chunk, scale=0.5)
    assert_same({name: 2 * value for name, value in half.items()}, once)
    assert reported == pytest.approx(gradients(module, batch, chunk)[1])
    run = Pass(losses, lambda loss: loss.backward(), chunk_passages=chunk)
    run.run(module, batch, 0.1)  # gradients add up
    twice = {name: p.grad / 2 for name, p in module.named_parameters() if p.grad is not None}
    assert_same(twice, once)


@pytest.mark.parametrize("taught", ["all", "positives"])
def test_the_gradient_of_reconstruction_stops_at_the_encoder(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch, taught: Taught
) -> None:
    without_dropout(parts[0])
    batch = make_batch(taught)
    everywhere, losses_of_all = gradients(TrainingModule(parts[0]), batch, None)
    nowhere, _ = gradients(TrainingModule(parts[0]), batch, None, 0.0)
    for chunk in (None, 5):
        for buckets in (1, 3):
            module = TrainingModule(parts[0], buckets, "heads")
            own, found = gradients(module, batch, chunk)
            assert found == pytest.approx(losses_of_all, rel=1e-6)
            taught_parts = ("model.reconstructor.", "model.reconstruction_head.")
            heads = {name for name in own if name.startswith(taught_parts)}
            assert_same(
                own, {name: (everywhere if name in heads else nowhere)[name] for name in own}
            )
            if parts[0].has_reconstructor:
                assert all(own[name].norm() > 0 for name in heads if "head.decoder" in name)
                words = "model.passage_encoder.embeddings.word_embeddings.weight"
                for name in (words, "model.passage_encoder.encoder.layer.0.output.dense.weight"):
                    assert (everywhere[name] - nowhere[name]).norm() > 1e-3 * nowhere[name].norm()


@pytest.mark.parametrize("gradient", ["all", "heads"])
@pytest.mark.parametrize("buckets", [1, 2])
@pytest.mark.parametrize("chunk", [1, 5, 6])
def test_dropout_is_the_same_in_both_phases(
    parts: tuple[I3Retriever, I3Tokenizer],
    make_batch: MakeBatch,
    chunk: int,
    buckets: int,
    gradient: str,
) -> None:
    module = TrainingModule(parts[0], buckets, gradient)
    outputs: list[tuple[Tensor, Tensor]] = []
    module.register_forward_hook(lambda _module, _inputs, out: outputs.append(out[:2]))
    batch = make_batch("positives")
    gradients(module, batch, chunk)
    count = math.ceil(PASSAGES / chunk)
    assert len(outputs) == 2 * count
    for before, after in zip(outputs[:count], outputs[count:], strict=True):
        for first, second in zip(before, after, strict=True):
            assert not first.requires_grad
            assert torch.equal(first, second)
    again = [tuple(value.detach() for value in pair) for pair in outputs[:count]]
    outputs.clear()
    gradients(module, batch, chunk)  # dropout is on: a second pass is another
    assert any(
        not torch.equal(before[1], after[1])
        for before, after in zip(again, outputs[:count], strict=True)
    )


@pytest.mark.parametrize("gradient", ["all", "heads"])
@pytest.mark.parametrize("chunk", [1, 5])
def test_gradient_with_dropout(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch, chunk: int, gradient: str
) -> None:
    """Against the same chunks, with the same dropout, whose activations are all kept."""
    module, batch = TrainingModule(parts[0], 2, gradient), make_batch("all")
    labels = batch.inputs.labels
    num_labels = None if labels is None else int((labels != IGNORED_LABEL).sum())
    passage_rows, query_rows = chunk_rows(batch.inputs, chunk)
    torch.manual_seed(11)
    encoded = [
        module(batch.inputs.select(*rows), num_labels)
        for rows in zip(query_rows, passage_rows, strict=True)
    ]
    queries, passages = (
        torch.cat([part[number] for part in encoded])[torch.argsort(torch.cat(rows))]
        for number, rows in enumerate((query_rows, passage_rows))
    )
    module.zero_grad()
    (losses(queries, passages, batch)[0] + 0.1 * sum(part[2] for part in encoded)).backward()
    expected = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    torch.manual_seed(11)
    assert_same(gradients(module, batch, chunk)[0], expected)


def test_buckets_do_not_change_outputs(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch
) -> None:
    without_dropout(parts[0])
    inputs = make_batch("positives").inputs
    num_labels = 7 if inputs.labels is not None else None
    whole = TrainingModule(parts[0])(inputs, num_labels)
    widths: list[int] = []
    parts[0].passage_encoder.register_forward_pre_hook(
        lambda _module, _args, kwargs: widths.append(kwargs["input_ids"].size(1)), with_kwargs=True
    )
    for buckets in (2, 3, 5, PASSAGES, 99):
        widths.clear()
        for own, expected in zip(
            TrainingModule(parts[0], buckets)(inputs, num_labels), whole, strict=True
        ):
            torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-9)
        assert len(widths) == min(buckets, PASSAGES)
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] < widths[0] == inputs.passage_ids.size(1)  # padding is saved


def test_gradients_are_averaged_once(
    parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch
) -> None:
    """DDP averages in the last backward pass alone, for which all parameters must be used."""
    inside: list[bool] = [False]
    held_back: list[bool] = []

    @contextmanager
    def no_sync() -> Iterator[None]:
        inside[0] = True
        yield
        inside[0] = False

    def backward(loss: Tensor) -> None:
        held_back.append(inside[0])
        loss.backward()

    module, batch = TrainingModule(parts[0]), make_batch("nothing")
    Pass(losses, backward, no_sync, 5).run(module, batch)
    assert held_back == [True, True, False]
    assert len(chunk_rows(batch.inputs, 5)[1][-1]) > 0
    held_back.clear()
    Pass(losses, backward, no_sync, None).run(module, batch)
    assert held_back == [False]


def test_chunks(parts: tuple[I3Retriever, I3Tokenizer], make_batch: MakeBatch) -> None:
    inputs = make_batch("nothing").inputs
    for size in range(1, PASSAGES + 1):
        passages, queries = chunk_rows(inputs, size)
        assert len(passages) == len(queries) == math.ceil(PASSAGES / size)
        assert max(map(len, passages)) <= size
        assert sorted(torch.cat(passages).tolist()) == list(range(PASSAGES))
        assert sorted(torch.cat(queries).tolist()) == list(range(QUERIES))
        assert len(queries[-1]) > 0


def test_by_length() -> None:
    lengths = [3, 1, 4, 1, 5]
    mask = torch.tensor([[1] * length + [0] * (5 - length) for length in lengths])
    assert [rows.tolist() for rows in by_length(mask, 2)] == [[4, 2, 0], [1, 3]]
    assert [rows.tolist() for rows in by_length(mask, 1)] == [[0, 1, 2, 3, 4]]
    assert [rows.tolist() for rows in by_length(mask, 9)] == [[4], [2], [0], [1], [3]]

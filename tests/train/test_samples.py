import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, DistributedSampler

from i3_pyserini import I3Config, I3Tokenizer
from i3_pyserini.data.candidates import Candidates, TeacherFile
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import open_query_store, open_store
from i3_pyserini.train.recipe import ReconstructionRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Collator, EpochSampler, Inputs, Sample, TrainingSet
from i3_pyserini.train.sampling import Group, GroupSampler
from tests.train.task import LETTERS, SIZE, query

MakeSet = Callable[..., TrainingSet]


@pytest.fixture
def make_set(task: Path) -> MakeSet:
    def make(
        reconstruction: ReconstructionRecipe | None = None,
        seed: int = 0,
        passages: int = 3,
        generated: bool = True,
    ) -> TrainingSet:
        store = open_store(task / "collection.tsv")
        queries = open_query_store(task / "generated.tsv") if generated else None
        source = TeacherFile(task / "teacher.jsonl")
        sampler = GroupSampler(NegativesRecipe(), passages, store)
        return TrainingSet(source, sampler, store, queries, reconstruction, seed)

    return make


@pytest.fixture
def collator(tiny_model: tuple[Any, I3Tokenizer]) -> Collator:
    config = I3Config.from_dict(
        {**tiny_model[1].config.to_dict(), "training_pseudo_query_length": 4}
    )
    return Collator(I3Tokenizer(tiny_model[1].tokenizer, config), labels=True)


def sample(pids: list[str], targets: list[str | None], **changes: Any) -> Sample:
    fields = {"query": "hot egg", "scores": None, "known": pids[:1], "place": "here", **changes}
    texts = [
        Passage("", None if number else "a title", "a " * number) for number in range(len(pids))
    ]
    return Sample(Group(pids=pids, **fields), texts, targets)


@given(
    size=st.integers(1, 40),
    world=st.integers(1, 5),
    epoch=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_order_is_pytorchs_and_covers_everything(
    size: int, world: int, epoch: int, seed: int
) -> None:
    seen: list[int] = []
    for rank in range(world):
        sampler = EpochSampler(size, rank, world, seed)
        sampler.start(epoch)
        theirs: Any = DistributedSampler(range(size), world, rank, shuffle=True, seed=seed)  # type: ignore[arg-type]
        theirs.set_epoch(epoch)
        assert list(sampler) == [(epoch, number) for number in theirs]
        assert len(sampler) == len(list(sampler)) == -(-size // world)
        seen += [number for _, number in sampler]
    assert set(seen) == set(range(size))
    assert len(seen) - size < world


def test_order_changes_with_epoch_and_seed() -> None:
    def order(epoch: int, seed: int, skipped: int = 0) -> list[tuple[int, int]]:
        sampler = EpochSampler(50, 0, 1, seed)
        sampler.start(epoch, skipped)
        return list(sampler)

    numbers = {
        tuple(number for _, number in order(*key)) for key in ((1, 0), (2, 0), (1, 1), (2, 1))
    }
    assert len(numbers) >= 3  # PyTorch seeds with the sum of seed and epoch
    assert order(2, 0, skipped=8) == order(2, 0)[8:]
    assert order(2, 0, skipped=50) == []


def test_a_sample_depends_on_epoch_and_number_alone(make_set: MakeSet) -> None:
    keys = [(epoch, number) for epoch in (1, 2, 3) for number in range(SIZE)]
    samples = make_set(passages=6)
    first = {key: samples[key].group for key in keys}
    random.seed(5)
    torch.manual_seed(5)
    other = make_set(passages=6)
    for key in reversed(keys):
        assert other[key].group == first[key]
    different = make_set(passages=6, seed=1)
    assert any(different[key].group != first[key] for key in keys)
    assert any(first[1, number].pids != first[2, number].pids for number in range(SIZE))
    assert len(samples) == SIZE


def test_a_sample_is_the_same_from_a_worker(make_set: MakeSet, collator: Collator) -> None:
    samples = make_set(ReconstructionRecipe(), passages=6)
    sampler = EpochSampler(SIZE, 0, 1, 7)
    sampler.start(2)
    own, theirs = (
        list(
            DataLoader(
                samples, batch_size=5, sampler=sampler, collate_fn=collator, num_workers=workers
            )
        )
        for workers in (0, 2)
    )
    assert len(own) == len(theirs) == 5
    for one, other in zip(own, theirs, strict=True):
        for name, value in vars(one.inputs).items():
            assert torch.equal(value, getattr(other.inputs, name)), name
        assert torch.equal(one.passage_keys, other.passage_keys)


def test_texts_of_a_sample(make_set: MakeSet) -> None:
    found = make_set()[1, 4]
    assert found.group.query == query(4)
    assert found.group.pids[0] == "p4"
    numbers = [int(pid.removeprefix("p")) for pid in found.group.pids]
    assert found.passages == [Passage(f"p{number}", "na", LETTERS[number]) for number in numbers]
    assert found.group.scores is not None
    assert found.group.scores[0] == 9.0


@pytest.mark.parametrize("targets", ["generated", "query"])
@pytest.mark.parametrize("passages", ["all", "positives"])
@pytest.mark.parametrize("generated", [True, False])
def test_targets(
    make_set: MakeSet,
    targets: Literal["generated", "query"],
    passages: Literal["all", "positives"],
    generated: bool,
) -> None:
    samples = make_set(
        ReconstructionRecipe(targets=targets, passages=passages), generated=generated
    )
    group = Group("the query", ["p4", "p5", "p6"], None, ["p4"], "here")
    entries = {"p4": query(4), "p5": None, "p6": query(6)}  # odd passages have none
    own = [entries[pid] if generated else None for pid in group.pids]
    expected: list[str | None] = (
        ["the query", *own[1:]] if targets == "query" else [entry or "" for entry in own]
    )
    if passages == "positives":
        expected[1:] = [None, None]
    assert samples.sample(group).targets == expected


def test_no_reconstruction_no_targets(make_set: MakeSet) -> None:
    assert make_set(None)[1, 0].targets == [None, None, None]


def test_unknown_passages_are_named(make_set: MakeSet) -> None:
    group = Group("q", ["p1", "p99"], None, ["p1"], "negatives.tsv, line 3")
    with pytest.raises(I3Error, match=r"negatives.tsv, line 3: passage p99 is not in the coll"):
        make_set().sample(group)


def test_unknown_positives_are_named(make_set: MakeSet, task: Path) -> None:
    samples = make_set()
    missing = Candidates("q", ["p99"], ["p1", "p2"], [1.0], [0.0, 0.0], "teacher.jsonl, line 9")
    samples.source = [missing]  # type: ignore[assignment]
    with pytest.raises(I3Error, match=r"teacher.jsonl, line 9: passage p99 is not in"):
        samples[1, 0]


def test_labels(collator: Collator) -> None:
    targets = ["hot egg", None, "", "cold water hot egg plant light"]
    batch = collator([sample(["p1", "p2"], targets[:2]), sample(["p3", "p4"], targets[2:])])
    vocabulary = collator.tokenizer.tokenizer.get_vocab()
    hot, egg, what, cold, water = (vocabulary[word] for word in "hot egg what cold water".split())
    assert batch.inputs.labels is not None
    assert batch.inputs.labels.tolist() == [
        [hot, egg, -100, -100],
        [-100] * 4,
        [what, -100, -100, -100],
        [cold, water, hot, egg],
    ]
    plain = Collator(collator.tokenizer, labels=False)
    assert plain([sample(["p1"], [None])]).inputs.labels is None


def test_inputs_are_the_tokenizers(collator: Collator) -> None:
    samples = [
        sample(["p1", "p2", "p3"], [None] * 3, query="hot"),
        sample(["p4", "p5", "p6"], [None] * 3, query="a long egg"),
    ]
    inputs = collator(samples).inputs
    queries = collator.tokenizer.queries(["hot", "a long egg"])
    passages = collator.tokenizer.passages(["", "a ", "a a "] * 2, ["a title", None, None] * 2)
    assert torch.equal(inputs.query_ids, queries["input_ids"])
    assert torch.equal(inputs.query_mask, queries["attention_mask"])
    assert torch.equal(inputs.passage_ids, passages["input_ids"])
    assert torch.equal(inputs.passage_mask, passages["attention_mask"])


def test_keys(collator: Collator) -> None:
    batch = collator(
        [
            sample(["p1", "p2"], [None] * 2, known=["p1", "p4"]),
            sample(["p3", "p1"], [None] * 2, known=["p3"]),
        ]
    )
    p1, p2, p3, again = batch.passage_keys.tolist()
    assert p1 == again
    assert len({p1, p2, p3}) == 3
    (first, p4), alone = batch.positive_keys.tolist()
    assert first == p1
    assert p4 not in (p1, p2, p3)
    assert alone == [p3, p3]  # filled up with its own
    assert batch.passage_keys.dtype == batch.positive_keys.dtype == torch.int64


def test_teacher_scores(collator: Collator) -> None:
    scored = [
        sample(["p1", "p2"], [None] * 2, scores=[2.5, -1e-9]),
        sample(["p3", "p4"], [None] * 2, scores=[3.0, 1.0]),
    ]
    scores = collator(scored).teacher_scores
    assert scores is not None
    assert scores.dtype == torch.float64
    assert scores.tolist() == [[2.5, -1e-9], [3.0, 1.0]]
    assert collator([sample(["p1", "p2"], [None] * 2)]).teacher_scores is None


def test_selecting_rows_trims_padding() -> None:
    ids = torch.tensor([[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0]])
    inputs = Inputs(ids, (ids > 0).long(), ids, (ids > 0).long(), ids)
    part = inputs.select(torch.tensor([], dtype=torch.long), torch.tensor([2, 1]))
    assert part.query_ids.shape == part.query_mask.shape == (0, 0)
    assert part.passage_ids.tolist() == [[6, 7], [5, 0]]
    assert part.passage_mask.tolist() == [[1, 1], [1, 0]]
    assert part.labels is not None
    assert part.labels.tolist() == [[6, 7, 0, 0], [5, 0, 0, 0]]


def test_a_batch_moves_as_a_whole(collator: Collator) -> None:
    one = replace(
        sample(["p1", "p2"], ["hot", None], scores=[1.0, 0.0]), positives=[Passage("", None, "a")]
    )
    moved = collator([one]).to(torch.device("meta"))
    assert moved.texts is not None
    tensors = [
        *vars(moved.inputs).values(),
        *(value for value in vars(moved).values() if isinstance(value, torch.Tensor)),
        *vars(moved.texts).values(),
    ]
    assert len(tensors) == 10
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert isinstance(moved, Batch)


def test_texts_are_compared_by_their_words(make_set: MakeSet, collator: Collator) -> None:
    """Title and text together, without regard to case and white space."""
    twin = replace(
        sample(["p1", "p2"], [None] * 2, known=["p1", "p9"]),
        passages=[Passage("", "Hot", "Egg"), Passage("", None, " hot  EGG\n")],
        positives=[Passage("", "Hot", "Egg"), Passage("", None, "water")],
    )
    other = replace(
        sample(["p3", "p4"], [None] * 2),
        passages=[Passage("", None, "water"), Passage("", "", "hot eggs")],
        positives=[Passage("", None, "water")],
    )
    texts = collator([twin, other]).texts
    assert texts is not None
    hot, same, water, eggs = texts.passages.tolist()
    assert hot == same
    assert len({hot, water, eggs}) == 3
    assert texts.positives.tolist() == [[hot, water], [water, water]]
    assert collator([sample(["p1", "p2"], [None] * 2)]).texts is None  # nobody asked


def test_texts_of_all_positives_are_looked_up(make_set: MakeSet) -> None:
    samples = make_set()
    group = Group("q", ["p1", "p2"], None, ["p5", "p1"], "here")
    assert samples.sample(group).positives == [
        Passage("p5", "na", LETTERS[5]),
        Passage("p1", "na", LETTERS[1]),
    ]
    samples.sampler.recipe = NegativesRecipe(exclude_duplicates=False)
    assert samples.sample(group).positives == []

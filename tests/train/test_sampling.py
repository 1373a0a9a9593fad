import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.data.candidates import Candidates
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.sampling import ORIGINAL_LAST_PID, GroupSampler, strided

SIZE = 12
PIDS = [f"p{number}" for number in range(SIZE)]
MakeSampler = Callable[..., GroupSampler]
SUBSETS = st.lists(st.sampled_from(PIDS), unique=True, max_size=8)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TextStore:
    path = tmp_path_factory.mktemp("collection") / "c.tsv"
    path.write_text("".join(f"{pid}\ttext of {pid}\n" for pid in PIDS), encoding="utf-8")
    return open_store(path)


@pytest.fixture(scope="module")
def make_sampler(store: TextStore) -> MakeSampler:
    def make(passages: int, **settings: Any) -> GroupSampler:
        return GroupSampler(NegativesRecipe(**settings), passages, store)

    return make


def judged(positives: list[str], negatives: list[str]) -> Candidates:
    return Candidates("query", positives, negatives, None, None, "file, line 7")


def scored(positives: dict[str, float], negatives: dict[str, float]) -> Candidates:
    lists = (list(positives), list(negatives), list(positives.values()), list(negatives.values()))
    return Candidates("query", *lists, "file, line 7")


def chance(seed: int = 0) -> random.Random:
    return random.Random(seed)


@given(
    size=st.integers(0, 60),
    count=st.integers(0, 60),
    epoch=st.integers(1, 100),
)
def test_strides(size: int, count: int, epoch: int) -> None:
    count = min(count, size)
    ranked = list(range(size))
    sample = strided(ranked, count, epoch)
    assert len(sample) == count
    assert sample == sorted(set(sample))
    steps = {after - before for before, after in pairwise(sample)}
    if count:
        interval = size // count
        assert steps <= {interval}  # it spans the list
        assert sample[0] == epoch % interval
        used = [rank for turn in range(interval) for rank in strided(ranked, count, epoch + turn)]
        assert sorted(used) == ranked[: interval * count]  # all ranks in turn, each once


@given(
    positives=SUBSETS.filter(bool),
    negatives=SUBSETS,
    passages=st.integers(1, 6),
    epoch=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_positives_and_repetitions_are_never_drawn(
    make_sampler: MakeSampler,
    positives: list[str],
    negatives: list[str],
    passages: int,
    epoch: int,
    seed: int,
) -> None:
    candidates = judged(positives, negatives)
    usable = set(negatives) - set(positives)
    sampler = make_sampler(passages)
    if SIZE - len(positives) < passages - 1:
        with pytest.raises(I3Error, match=r"file, line 7: the collection has only 12 passages"):
            sampler.draw(candidates, epoch, chance(seed))
        return
    group = sampler.draw(candidates, epoch, chance(seed))
    assert group.pids[0] in positives
    own = set(group.pids[1:])
    assert len(own) == passages - 1
    assert not own & set(positives)
    assert own <= usable or usable <= own  # random passages only where its own do not suffice
    assert group == sampler.draw(candidates, epoch, chance(seed))
    assert (group.known, group.scores, group.place) == (positives, None, "file, line 7")


def test_negatives_in_strides(make_sampler: MakeSampler) -> None:
    sampler = make_sampler(3)
    candidates = judged(["p0"], ["p1", "p0", "p2", "p3", "p4", "p5"])
    drawn = [sampler.draw(candidates, epoch, chance()).pids for epoch in (1, 2, 3)]
    assert drawn == [["p0", "p2", "p4"], ["p0", "p1", "p3"], ["p0", "p2", "p4"]]


def test_positives_may_be_kept(make_sampler: MakeSampler) -> None:
    """As the original: what the file names as a negative is one."""
    candidates = judged(["p0"], ["p0", "p1"])
    kept = make_sampler(3, exclude_positives=False).draw(candidates, 1, chance())
    assert kept.pids == ["p0", "p0", "p1"]


def test_every_positive_has_its_turn(make_sampler: MakeSampler) -> None:
    sampler = make_sampler(2)
    candidates = judged(["p0", "p1", "p2"], ["p5"])
    firsts = {sampler.draw(candidates, 1, chance(seed)).pids[0] for seed in range(30)}
    assert firsts == {"p0", "p1", "p2"}


def test_padding_covers_the_collection(make_sampler: MakeSampler) -> None:
    sampler, drawn = make_sampler(2), set()
    for seed in range(300):
        drawn.update(sampler.draw(judged(["p3"], []), 1, chance(seed)).pids[1:])
    assert drawn == {*PIDS} - {"p3"}


def test_padding_as_the_original(make_sampler: MakeSampler) -> None:
    sampler = make_sampler(6, padding="original", exclude_positives=False)
    group = sampler.draw(judged(["p0"], ["p1"]), 1, chance())
    assert group.pids[:2] == ["p0", "p1"]
    assert all(0 <= int(pid) <= ORIGINAL_LAST_PID for pid in group.pids[2:])
    assert group == sampler.draw(judged(["p0"], ["p1"]), 1, chance())


def test_refusing_to_pad(make_sampler: MakeSampler) -> None:
    sampler = make_sampler(4, padding="refuse")
    sampler.draw(judged(["p0"], ["p1", "p2", "p3"]), 1, chance())
    short = judged(["p0"], ["p1", "p0", "p3"])
    said = r"file, line 7: 2 usable negatives, but 3 are required; .*negatives\.padding: random"
    with pytest.raises(I3Error, match=said):
        sampler.draw(short, 1, chance())
    assert len(make_sampler(4).draw(short, 1, chance()).pids) == 4


def test_scores_go_with_their_passages(make_sampler: MakeSampler) -> None:
    negatives = {"p2": 4.0, "p1": 9.0, "p3": 3.0, "p4": 2.0, "p5": 1.0}
    candidates = scored({"p0": 7.0, "p1": 8.0}, negatives)
    own = {**negatives, "p0": 7.0, "p1": 8.0}  # p1 as a negative is left out
    for seed in range(8):
        for epoch, expected in ((1, ["p3", "p5"]), (2, ["p2", "p4"])):
            group = make_sampler(3).draw(candidates, epoch, chance(seed))
            assert group.pids[1:] == expected
            assert group.scores == [own[pid] for pid in group.pids]


def test_padding_has_a_score_of_its_own(make_sampler: MakeSampler) -> None:
    candidates = scored({"p0": 7.0}, {"p2": 4.0, "p3": 3.0})
    group = make_sampler(6, padding_score=-9.5).draw(candidates, 3, chance())
    assert group.scores == [7.0, 4.0, 3.0, -9.5, -9.5, -9.5]
    assert group.pids[:3] == ["p0", "p2", "p3"]


def test_false_negative_margin(make_sampler: MakeSampler) -> None:
    candidates = scored({"p0": 7.0, "p1": 3.0}, {"p2": 8.0, "p3": 6.5, "p4": 5.5, "p5": 1.5})
    sampler = make_sampler(3, false_negative_margin=1.0)
    for seed in range(8):
        group = sampler.draw(candidates, 1, chance(seed))
        if group.pids[0] == "p0":
            assert (group.pids[1:], group.scores) == (["p4", "p5"], [7.0, 5.5, 1.5])
        else:
            assert group.pids[1] == "p5"
            assert group.scores == [3.0, 1.5, -15.0]
    assert sampler.eligible(candidates, None).negatives == candidates.negatives
    harmless = make_sampler(3, false_negative_margin=0.0)
    assert harmless.eligible(candidates, 7.0).negatives == ["p3", "p4", "p5"]


def test_false_negative_ratio(make_sampler: MakeSampler) -> None:
    candidates = scored({"p0": 0.8}, {"p1": 0.79, "p2": 0.77, "p3": 0.75, "p4": -0.1})
    sampler = make_sampler(1, false_negative_ratio=0.95)  # below 0.76
    assert sampler.eligible(candidates, 0.8).negatives == ["p3", "p4"]
    both = make_sampler(1, false_negative_ratio=0.95, false_negative_margin=0.1)
    assert both.eligible(candidates, 0.8).negatives == ["p4"]
    with pytest.raises(
        I3Error, match=r"scores the positive -1, but negatives.false_negative_ratio"
    ):
        sampler.eligible(candidates, -1.0)


def test_what_the_margin_left_out_may_not_come_back(make_sampler: MakeSampler) -> None:
    """Random padding must not bring back the passages that were ruled out."""
    candidates = scored({"p0": 7.0}, dict.fromkeys(PIDS[1:10], 8.0))
    sampler = make_sampler(3, false_negative_margin=1.0)
    drawn = {pid for seed in range(30) for pid in sampler.draw(candidates, 1, chance(seed)).pids}
    assert drawn == {"p0", "p10", "p11"}

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.train.mixture import MixedSampler, Mixture, read_sources
from i3_pyserini.train.trainer import train
from tests.train.conftest import MakeRecipe
from tests.train.task import SIZE, log_lines
from tests.train.test_resume import assert_same_models, interrupt_after

SOURCES = ["web"] * 10 + ["clicks"] * 3 + ["faq"] * 7


def test_an_epoch_has_the_shares_of_the_weights() -> None:
    mixture = Mixture(SOURCES, {"web": 1, "clicks": 2, "faq": 0}, 42)
    assert mixture.shares == {"clicks": 9, "web": 4}
    rows, passes, sources = mixture.epoch(1)
    assert Counter(SOURCES[row] for row in rows) == {"clicks": 9, "web": 4}
    assert [mixture.names[one] for one in sources] == [SOURCES[row] for row in rows]
    clicks = [(one, row) for one, row in zip(passes, rows, strict=True) if row in (10, 11, 12)]
    assert sorted(clicks) == [(number, row) for number in (1, 2, 3) for row in (10, 11, 12)]


def test_all_queries_come_before_one_comes_again() -> None:
    mixture = Mixture(SOURCES, {"web": 1, "clicks": 2, "faq": 0}, 42)
    seen = [row for epoch in (1, 2, 3) for row in mixture.epoch(epoch)[0] if row < 10]
    assert len(seen) == 12
    assert max(Counter(seen).values()) == 2
    assert min(Counter(seen)[row] for row in range(10)) == 1


def test_without_weights_every_query_comes_once_an_epoch() -> None:
    mixture = Mixture(SOURCES, None, 42)
    orders = [mixture.epoch(epoch)[0].tolist() for epoch in (1, 2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]
    assert set(mixture.epoch(2)[1].tolist()) == {2}
    assert Mixture(SOURCES, None, 42).epoch(1)[0].tolist() == orders[0]
    assert Mixture(SOURCES, None, 43).epoch(1)[0].tolist() != orders[0]


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.lists(st.integers(1, 9), min_size=4, max_size=4),
    st.integers(1, 4),
    st.integers(0, 50),
)
def test_devices_share_an_epoch(
    sizes: list[int], weights: list[int], world: int, done: int
) -> None:
    names = [f"s{number}" for number in range(len(sizes))]
    sources = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    try:
        mixture = Mixture(sources, dict(zip(names, map(float, weights), strict=False)), 1)
    except I3Error as error:
        assert "too little" in str(error)
        return
    assert len(mixture) == len(sources)
    samplers = [MixedSampler(mixture, rank, world) for rank in range(world)]
    dealt = [list(sampler) for sampler in samplers]
    assert {len(one) for one in dealt} == {len(samplers[0])}
    done = min(done, len(samplers[0]))
    counted = Counter(f"samples/{sources[row]}" for one in dealt for _, row in one[:done])
    assert samplers[0].counts(1, done) == {
        f"samples/{name}": counted[f"samples/{name}"] for name in mixture.names
    }
    for sampler, whole in zip(samplers, dealt, strict=True):
        sampler.start(1, done)
        assert list(sampler) == whole[done:]


def test_mistakes(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    for weights, said in (
        ({"web": 1.0, "clicks": 1.0}, "'faq' is missing"),
        ({"web": 1.0, "clicks": 1.0, "faq": 1.0, "x": 1.0}, "no training query is of 'x'"),
        ({"web": 1.0, "clicks": 1e-9, "faq": 1.0}, "'clicks' is 1e-09, too little"),
    ):
        with pytest.raises(I3Error, match=said):
            Mixture(SOURCES, weights, 1)
    path = tmp_path / "sources.tsv"
    for text, said in (
        ("q1\ta\nq1\tb\n", "line 2: query q1 has another source above, 'a'"),
        ("q1 a\n", "line 1: expected a query id, a tab"),
        ("q1\t \n", "line 1: expected a query id, a tab"),
        ("q2\ta\n", "query q1 has no source"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(I3Error, match=said):
            read_sources(path, ["q1"])
    with pytest.raises(I3Error, match=r"data.weights needs data.sources"):
        make_recipe("data.weights={a: 1}")
    with pytest.raises(I3Error, match=r"data.weights are all zero"):
        make_recipe("data.weights={a: 0}", f"data.sources={path}")
    numbered = make_recipe("data.weights={2024: 1}", f"data.sources={path}")
    assert numbered.data.weights == {"2024": 1.0}  # YAML reads the name as a number


def write_sources(task: Path) -> str:
    lines = [f"q{n}\t{'web' if n < 15 else 'faq'}\n" for n in range(SIZE)]
    (task / "sources.tsv").write_text("".join(lines), encoding="utf-8")
    return f"data.sources={task}/sources.tsv"


def test_samples_are_counted_in_the_log(task: Path, make_recipe: MakeRecipe) -> None:
    flags = (write_sources(task), "data.weights.web=1", "data.weights.faq=2", "validation=null")
    recipe = make_recipe(*flags, "training.max_steps=5")  # 21 queries: three steps an epoch
    lines = [line for line in log_lines(train(recipe).output) if "samples/web" in line]
    assert lines[0] == {"step": 3, "epoch": 1, "samples/faq": 14, "samples/web": 7}
    assert (lines[1]["step"], lines[1]["epoch"]) == (5, 2)
    assert lines[1]["samples/faq"] + lines[1]["samples/web"] == 16
    assert len(lines) == 2


def test_a_teacher_may_be_mixed_too(task: Path, make_recipe: MakeRecipe) -> None:
    lines = (task / "teacher.jsonl").read_text(encoding="utf-8").splitlines()
    source = write_sources(task)
    flags = (
        source,
        f"data.teacher={task}/teacher.jsonl",
        "data.negatives=null",
        "data.queries=null",
        "data.qrels=null",
        "loss.distillation=1",
        "validation=null",
    )
    with pytest.raises(I3Error, match=r"teacher.jsonl, line 1: no field 'qid'"):
        train(make_recipe(*flags))
    (task / "teacher.jsonl").write_text(
        "".join(f'{{"qid": "q{n}", {line[1:]}\n' for n, line in enumerate(lines)), encoding="utf-8"
    )
    logged = log_lines(train(make_recipe(*flags)).output)
    assert {
        line["samples/web"] for line in logged if line["step"] == 3 and "samples/web" in line
    } == {15}


@pytest.mark.slow
def test_a_mixture_is_resumed(
    task: Path, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = (
        write_sources(task),
        "data.weights={web: 1, faq: 3}",
        "training.batch_size=4",
        "training.max_steps=11",
        "training.checkpoint_steps=4",
    )
    undisturbed = train(make_recipe(*flags, f"output={task}/undisturbed")).output
    recipe = make_recipe(*flags)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 10)
        train(recipe)
    output = train(recipe).output
    assert log_lines(output) == log_lines(undisturbed)
    assert_same_models(output, undisturbed)
    with pytest.raises(I3Error, match=r"data.weights.faq: 3.0 -> 2.0"):
        train(make_recipe(*flags, "data.weights={web: 1, faq: 2}"))

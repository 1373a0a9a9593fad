from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.train.prepare import load_model, training_mode
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.validation import Validator
from tests.train.conftest import MakeRecipe
from tests.train.task import LETTERS, SIZE, pid, query

Ranking = dict[str, list[tuple[str, float]]]
Parts = tuple[I3Retriever, I3Tokenizer]


@pytest.fixture
def parts(make_recipe: MakeRecipe) -> Parts:
    return load_model(make_recipe())


def validator(recipe: Recipe, tokenizer: I3Tokenizer) -> Validator:
    made = Validator.of(recipe.validation, recipe.data, tokenizer)
    assert made is not None
    return made


def ranked(own: Validator, model: I3Retriever) -> Ranking:
    run = own.search(model, Accelerator(cpu=True))
    assert run is not None
    frame = run.table.to_pandas()
    return {
        str(qid): list(zip(rows["doc_id"], rows["score"], strict=True))
        for qid, rows in frame.groupby("query_id")
    }


@torch.no_grad()
def expected_scores(parts: Parts) -> torch.Tensor:
    """Of every query for every passage, each encoded by itself."""
    model, tokenizer = parts
    model.eval()
    queries = [model.encode_queries(**tokenizer.queries([query(n)])) for n in range(SIZE)]
    passages = [
        model.encode_passages(**tokenizer.passages([letters], ["na"]))["vectors"]
        for letters in LETTERS
    ]
    return torch.cat(queries) @ torch.cat(passages).T


@pytest.mark.parametrize("window", [1, 4, 21, 4096])
@pytest.mark.parametrize("batch", [1, 64])
def test_search_is_exact(
    make_recipe: MakeRecipe,
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
    window: int,
    batch: int,
) -> None:
    monkeypatch.setattr("i3_pyserini.train.validation.WINDOW", window)
    flags = ("validation.hits=5", "validation.measure=RR@5", f"validation.batch_size={batch}")
    recipe = make_recipe(*flags)
    training_mode(parts[0])  # with dropout, until it searches
    found = ranked(validator(recipe, parts[1]), parts[0])
    values, rows = expected_scores(parts).topk(5)
    assert found.keys() == {f"q{number}" for number in range(SIZE)}
    for number in range(SIZE):
        pids, scores = zip(*found[f"q{number}"], strict=True)
        assert list(pids) == [pid(row) for row in rows[number].tolist()]
        assert scores == pytest.approx(values[number].tolist(), abs=1e-5)


def test_measure_by_hand(make_recipe: MakeRecipe, parts: Parts) -> None:
    order = expected_scores(parts).argsort(dim=1, descending=True)
    ranks = [row.index(number) + 1 for number, row in enumerate(order.tolist())]
    for name, gains in (
        ("RR@10", [1 / rank if rank <= 10 else 0.0 for rank in ranks]),
        ("R@3", [float(rank <= 3) for rank in ranks]),
    ):
        own = validator(make_recipe(f"validation.measure={name}"), parts[1])
        measured = own.measure(parts[0], Accelerator(cpu=True))
        assert measured == pytest.approx(sum(gains) / SIZE)
    assert 0 < measured < 1


def test_a_pool_of_everything_is_a_search(
    make_recipe: MakeRecipe, parts: Parts, task: Path
) -> None:
    lines = [f"q{n}\tp{row}\t{row + 1}\n" for n in range(SIZE) for row in range(SIZE)]
    (task / "pool.tsv").write_text("".join(lines), encoding="utf-8")
    search = validator(make_recipe(), parts[1])
    pool = validator(make_recipe(f"validation.pool={task}/pool.tsv"), parts[1])
    accelerator = Accelerator(cpu=True)
    assert pool.measure(parts[0], accelerator) == search.measure(parts[0], accelerator)
    own, other = ranked(pool, parts[0]), ranked(search, parts[0])
    for qid, hits in own.items():
        assert [pid for pid, _ in hits] == [pid for pid, _ in other[qid]]


def test_a_pool_is_reranked(make_recipe: MakeRecipe, parts: Parts, task: Path) -> None:
    (task / "pool.txt").write_text(
        "q0 Q0 p3 1 9.0 bm25\nq0 Q0 p0 2 8.0 bm25\nq5 Q0 p5 1 1.0 bm25\nother Q0 p99 1 1.0 bm25\n",
        encoding="utf-8",
    )
    own = validator(make_recipe(f"validation.pool={task}/pool.txt"), parts[1])
    found = ranked(own, parts[0])
    scores = expected_scores(parts)
    best = sorted([0, 3], key=lambda row: -scores[0, row].item())
    assert {qid: [pid for pid, _ in hits] for qid, hits in found.items()} == {
        "q0": [f"p{row}" for row in best],
        "q5": ["p5"],
    }
    expected = (1 / (best.index(0) + 1) + 1) / SIZE  # queries without a pool count as zero
    assert own.measure(parts[0], Accelerator(cpu=True)) == pytest.approx(expected)


def test_only_judged_queries_are_encoded(make_recipe: MakeRecipe, parts: Parts, task: Path) -> None:
    (task / "some.txt").write_text("q3 0 p3 1\nq9 0 p1 0\nq99 0 p3 1\n", encoding="utf-8")
    own = validator(make_recipe(f"validation.qrels={task}/some.txt"), parts[1])
    assert own.queries == {"q3": query(3), "q9": query(9)}
    assert ranked(own, parts[0]).keys() == {"q3", "q9"}


def test_judgements_are_read_as_in_evaluation(
    make_recipe: MakeRecipe, parts: Parts, task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A header, floats, levels below zero, and queries without a topic."""
    qrels = task / "qrels.tsv"
    qrels.write_text(
        "query-id\tcorpus-id\tscore\nq0\tp0\t1.0\nq1\tp1\t-1\nnobody\tp2\t1\n", encoding="utf-8"
    )
    recipe = make_recipe(f"validation.qrels={qrels}", "validation.measure=R@1")
    made = validator(recipe, parts[1])
    said = capsys.readouterr().err
    assert "1 judgement has a level below zero" in said
    assert "1 of 3 judged queries is not in" in said and "(nobody)" in said
    assert made.qrels.rows() == [("q0", "p0", 1), ("q1", "p1", -1)]
    assert set(made.queries) == {"q0", "q1"}


def test_another_corpus(make_recipe: MakeRecipe, parts: Parts, task: Path) -> None:
    (task / "small.tsv").write_text("p3\tna\td\np4\tna\te\n", encoding="utf-8")
    own = validator(make_recipe(f"validation.corpus={task}/small.tsv"), parts[1])
    assert own.store.get("p4") == Passage("p4", "na", "e")
    assert {pid for hits in ranked(own, parts[0]).values() for pid, _ in hits} == {"p3", "p4"}


def test_blank_lines_in_the_corpus(make_recipe: MakeRecipe, parts: Parts, task: Path) -> None:
    before = ranked(validator(make_recipe(), parts[1]), parts[0])
    lines = (task / "collection.tsv").read_text(encoding="utf-8").splitlines()
    (task / "blanks.tsv").write_text("\n" + "\n\n".join(lines), encoding="utf-8")
    recipe = make_recipe(f"validation.corpus={task}/blanks.tsv")
    assert ranked(validator(recipe, parts[1]), parts[0]) == before


def test_validation_does_not_touch_chance(make_recipe: MakeRecipe, parts: Parts) -> None:
    own, accelerator = validator(make_recipe(), parts[1]), Accelerator(cpu=True)
    training_mode(parts[0])
    state = torch.get_rng_state()
    first = own.measure(parts[0], accelerator)
    assert torch.equal(torch.get_rng_state(), state)
    assert own.measure(parts[0], accelerator) == first


def test_no_validation(make_recipe: MakeRecipe, parts: Parts) -> None:
    assert Validator.of(None, make_recipe("validation=null").data, parts[1]) is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("topics=nowhere.tsv", "nowhere.tsv: no such file of queries"),
        ("qrels=nowhere.txt", "nowhere.txt: no such file for validation"),
        ("pool=nowhere.txt", "nowhere.txt: no such file for validation"),
        ("corpus=nowhere.tsv", "nowhere.tsv: no such file or folder"),
        ("measure=R@1000", "validation.hits is 100"),
        ("measure=MRR10", "'MRR10' is neither a preset"),
        ("qrels=TASK/other.txt", "other.txt: judges none of the queries of .*queries.tsv"),
        ("pool=TASK/other.run", "other.run: ranks none of the validation queries"),
        ("pool=TASK/bad.run", "bad.run, line 2: score 'high' is not a finite number"),
    ],
)
def test_what_is_refused(
    make_recipe: MakeRecipe, parts: Parts, task: Path, override: str, said: str
) -> None:
    (task / "other.txt").write_text("q99 0 p1 1\n", encoding="utf-8")
    (task / "other.run").write_text("q99 p1 1\n", encoding="utf-8")
    (task / "bad.run").write_text("q1 Q0 p1 1 1.0 x\nq1 Q0 p2 1 high x\n", encoding="utf-8")
    recipe = make_recipe(f"validation.{override.replace('TASK', str(task))}")
    with pytest.raises(I3Error, match=said):
        Validator.of(recipe.validation, recipe.data, parts[1])


def test_unknown_passages_of_a_pool(make_recipe: MakeRecipe, parts: Parts, task: Path) -> None:
    (task / "pool.tsv").write_text("q1\tp99\t1\n", encoding="utf-8")
    own = validator(make_recipe(f"validation.pool={task}/pool.tsv"), parts[1])
    with pytest.raises(I3Error, match=r"pool.tsv: passage p99 is not in the collection"):
        own.measure(parts[0], Accelerator(cpu=True))

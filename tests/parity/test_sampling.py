"""What each query trains with: parsed files, draws, orders and batches, as the original's."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from i3_pyserini import I3Tokenizer
from i3_pyserini.data.candidates import Candidates, NegativesFile
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.formats.textstore import TextStore, open_query_store, open_store
from i3_pyserini.train.prepare import candidate_source
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.samples import Batch, Collator, EpochSampler, TrainingSet
from i3_pyserini.train.sampling import GroupSampler

from .conftest import Golden
from .training import DISTILL_RECIPE, RECIPE, original_recipe

EMPTY = "what"  # the original's generated query of a passage that has none
TRAIN, DISTILL = "DualEncoderTrainDataset", "DualEncoderDistillWithScoresDataset"


class FirstPositive(random.Random):
    """`sample()` alone: the choice of a positive, which comes before it, costs no chance."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


@pytest.fixture(scope="module")
def stores(golden: Golden, tmp_path_factory: pytest.TempPathFactory) -> tuple[TextStore, TextStore]:
    data, cache = golden.path / "data", tmp_path_factory.mktemp("stores")
    collection = open_store(data / "collection.tsv", cache)
    return collection, open_query_store(data / "generated.tsv", cache)


def recipe_of(golden: Golden, dataset: str) -> Recipe:
    data = golden.path / "data"
    if dataset == DISTILL:
        recipe, files = DISTILL_RECIPE, [f"teacher={data / 'kd_train.jsonl'}"]
    else:
        recipe = RECIPE
        files = [
            f"queries={data / 'train.query.txt'}",
            f"qrels={data / 'qrels.tsv'}",
            f"negatives={data / 'train_negs.tsv'}",
        ]
    size = f"--training.passages_per_query={golden.args.sample_num}"
    return original_recipe(*(f"--data.{file}" for file in files), size, recipe=recipe)


def training_set(golden: Golden, dataset: str, stores: tuple[TextStore, TextStore]) -> TrainingSet:
    recipe = recipe_of(golden, dataset)
    sampler = GroupSampler(recipe.negatives, recipe.training.passages_per_query, stores[0])
    source = candidate_source(recipe.data)
    return TrainingSet(source, sampler, *stores, recipe.reconstruction, seed=0)


@pytest.mark.parametrize("dataset", [TRAIN, DISTILL])
def test_sample(golden: Golden, dataset: str, stores: tuple[TextStore, TextStore]) -> None:
    cases = golden.json("sampling/sampling.json")[f"{dataset}.sample"]
    assert any(case["random_seed"] is not None for case in cases)
    recipe = original_recipe().negatives
    for case in cases:
        pids = [str(pid) for pid in case.get("neg_pids", case.get("doc_id"))]
        scores = case.get("score")
        candidates = Candidates("query", ["positive"], pids, scores and [0.0], scores, "here")
        sampler = GroupSampler(recipe, case["sample_num"] + 1, stores[0])
        group = sampler.draw(candidates, case["epoch"], FirstPositive(case["random_seed"]))
        assert group.pids[1:] == [str(pid) for pid in case.get("result", case.get("pids"))]
        if scores:
            assert group.scores
            assert group.scores[1:] == case["scores"]


@pytest.mark.parametrize("dataset", [TRAIN, DISTILL])
def test_items(golden: Golden, dataset: str, stores: tuple[TextStore, TextStore]) -> None:
    samples = training_set(golden, dataset, stores)
    cases = golden.json("sampling/sampling.json")[f"{dataset}.__getitem__"]
    assert {case["index"] for case in cases} == set(range(len(samples)))
    for case in cases:
        rng = random.Random(case["random_seed"])
        group = samples.sampler.draw(samples.source[case["index"]], case["epoch"], rng)
        sample = samples.sample(group)
        assert group.query == case["query"]
        assert group.pids == [str(pid) for pid in case["pids"]]
        assert group.scores == case.get("scores")
        if "generated_queries" in case:
            assert [target or EMPTY for target in sample.targets] == case["generated_queries"]


def test_generated_queries(golden: Golden, stores: tuple[TextStore, TextStore]) -> None:
    expected = golden.json("sampling/sampling.json")["parsed"]["generated_query"]
    collection, generated = stores
    for pid in {*collection.pids(), *expected}:
        entry = generated.get(pid)
        assert (entry and (entry.text or EMPTY)) == expected.get(pid), pid


def test_judgements(golden: Golden) -> None:
    expected = golden.json("sampling/sampling.json")["parsed"]["qrels"]
    assert read_positives(golden.path / "data" / "qrels.tsv") == {
        qid: [str(pid) for pid in pids] for qid, pids in expected.items()
    }


def test_quoted_queries(golden: Golden) -> None:
    expected = golden.json("sampling/sampling.json")["parsed"][
        "train_query_text_as_pandas_reads_it"
    ]
    path = golden.path / "data" / "train.query.txt"
    assert read_queries(path, quoted=True) == expected
    lines = golden.rows("train.query.txt")
    assert read_queries(path) == {qid: query.strip() for qid, query in lines}


def test_negatives_file(golden: Golden) -> None:
    parsed = golden.json("sampling/sampling.json")["parsed"]
    positives = read_positives(golden.path / "data" / "qrels.tsv")
    queries = parsed["train_query_text_as_pandas_reads_it"]
    source = NegativesFile(golden.path / "data" / "train_negs.tsv", queries, positives)
    assert len(source) == len(parsed["top1000"])
    for candidates, (qid, pids) in zip(source, parsed["top1000"], strict=True):
        assert candidates.query == queries[str(qid)]
        assert candidates.positives == positives[str(qid)]
        assert candidates.negatives == [str(pid) for pid in pids]


def orders(golden: Golden) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = golden.json("sampling/sampling.json")["DistributedSampler"]
    for run in golden.json("e2e/runs.json")["runs"]:
        for epoch, numbers in run.get("sampler_indices", {}).items():
            size = len({number for rank in numbers for number in rank})
            case = {"dataset_len": size, "epoch": int(epoch), "indices_by_rank": numbers}
            cases.append({**case, "world": run["world"]})
    return cases


def test_orders(golden: Golden) -> None:
    seed = original_recipe().training.data_seed
    assert seed is not None
    for case in orders(golden):
        assert len(case["indices_by_rank"]) == case["world"]
        for rank, expected in enumerate(case["indices_by_rank"]):
            sampler = EpochSampler(case["dataset_len"], rank, case["world"], seed)
            sampler.start(case["epoch"])
            assert list(sampler) == [(case["epoch"], number) for number in expected]


@pytest.mark.parametrize("dataset", [TRAIN, DISTILL])
def test_batches(
    golden: Golden,
    tokenizer: I3Tokenizer,
    dataset: str,
    stores: tuple[TextStore, TextStore],
) -> None:
    samples, collate = training_set(golden, dataset, stores), Collator(tokenizer, labels=True)
    if dataset == TRAIN:
        prefix, file = "train", "batches"
        made = golden.json("tokenization/tokens.json")["train_batches"]
        chosen = [(one["epoch"], one["dataset_indices"], one["items"]) for one in made]
    else:
        prefix, file = "kd", "distill_batches"
        made = golden.json("training/distill.json")
        pairs = zip(made["dataset_indices"], made["items"], strict=True)
        chosen = [(made["epoch"], numbers, items) for numbers, items in pairs]
    arrays = golden.arrays(f"tokenization/{file}.npz")
    for number, (epoch, numbers, items) in enumerate(chosen):
        candidates = [
            with_positive(samples, one, tokenizer, item["passages"][0])
            for one, item in zip(numbers, items, strict=True)
        ]
        groups = [samples.sampler.draw(one, epoch, FirstPositive()) for one in candidates]
        batch = collate([samples.sample(group) for group in groups])
        for name, ours in tensors(batch).items():
            assert torch.equal(ours, arrays[f"{prefix}{number}_{name}"]), (number, name)
        scored = f"{prefix}{number}_reranker_scores" in arrays
        assert scored is (batch.teacher_scores is not None)


def with_positive(
    samples: TrainingSet, number: int, tokenizer: I3Tokenizer, passage: str
) -> Candidates:
    """A training query with that positive alone which the original drew (see `test_items`)."""
    candidates = samples.source[number]
    texts = [samples.store.get(pid) for pid in candidates.positives]
    joined = [tokenizer.passage_texts([one.text], [one.title])[0] for one in texts if one]
    row = joined.index(passage)
    scores = candidates.positive_scores
    return replace(
        candidates,
        positives=[candidates.positives[row]],
        positive_scores=scores and [scores[row]],
    )


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """A batch by the names of the golden arrays."""
    assert batch.inputs.labels is not None
    named = {
        "query_input_ids": batch.inputs.query_ids,
        "query_attention_mask": batch.inputs.query_mask,
        "passage_input_ids": batch.inputs.passage_ids,
        "passage_attention_mask": batch.inputs.passage_mask,
        "decoder_mlm_labels": batch.inputs.labels,
    }
    if batch.teacher_scores is not None:
        named["reranker_scores"] = batch.teacher_scores.flatten()
    return named


def test_the_right_passage_for_each_id(golden: Golden, stores: tuple[TextStore, TextStore]) -> None:
    for pid, title, text in golden.rows("collection.tsv"):
        entry = stores[0].get(pid)
        assert entry is not None
        assert (entry.title or "", entry.text) == (title, text)

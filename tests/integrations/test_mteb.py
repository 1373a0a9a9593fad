"""MTEB gives our vectors, our hits and our numbers."""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer

import i3_pyserini as i3
from i3_pyserini.data import import_collection
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import write_object, write_record
from i3_pyserini.model.exported import RECORD, ExportRecord
from i3_pyserini.model.settings import EncoderSettings
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import PASSAGES, passages, queries
from tests.pages import block, run_code
from tests.skips import SHARED

pytestmark = pytest.mark.slow  # mteb's import takes seconds
mteb = pytest.importorskip("mteb", reason="needs mteb: pip install 'i3-pyserini[mteb]'")

from i3_pyserini.integrations.mteb import load_model, make_task, open_index  # noqa: E402  (only if it is installed)
from i3_pyserini.integrations.mteb_meta import meta_of  # noqa: E402  (only if it is installed)

NFCORPUS = SHARED / "collections" / "nfcorpus"
MEASURES = {
    "nDCG@10": "ndcg_at_10",
    "RR@10": "mrr_at_10",
    "R@100": "recall_at_100",
    "AP@1000": "map_at_1000",
}


@dataclass(frozen=True)
class Judged:
    """The collection of `trained` with topics and qrels, and our run."""

    folder: Path
    run: Path
    means: dict[str, float]


@pytest.fixture(scope="module")
def judged(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Queries with graded and negative levels, only zeros, and none; one has a passage's id."""
    folder = tmp_path_factory.mktemp("judged")
    topics = {f"q{row}": " ".join(query.split()) or "x" for row, query in enumerate(queries())}
    topics["d50"] = passages()[50]["text"][:80]
    random, lines = Random(2), []
    for qid in list(topics)[3:]:
        levels = (0, -1) if qid == "q5" else (-1,) if qid == "q6" else (3, 2, 1, 1, 0, -1)
        judged_ids = random.sample(range(PASSAGES), len(levels))
        lines += [f"{qid} 0 d{docid} {one}" for docid, one in zip(judged_ids, levels, strict=True)]
    (folder / "topics.tsv").write_text(
        "".join(f"{qid}\t{text}\n" for qid, text in topics.items()), encoding="utf-8"
    )
    (folder / "qrels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"topics": {"test": folder / "topics.tsv"}, "qrels": {"test": folder / "qrels.txt"}}
    import_collection(trained.corpus, output=folder / "own", name="odd", **given)  # type: ignore[arg-type]
    run = folder / "run.txt"
    i3.search_topics(trained.index, folder / "own" / "topics.test.tsv", output=run)
    qrels = folder / "own" / "qrels.test.txt"
    means = i3.evaluate(qrels, [run], measures=list(MEASURES)).means["run.txt"]
    return Judged(folder / "own", run, means)


def evaluated(model: Any, task: Any) -> dict[str, float]:
    """What mteb says of a model."""
    result = mteb.evaluate(model, [task], cache=None, show_progress_bar=False)
    (split,) = result.task_results[0].scores.values()
    return {ours: split[0][theirs] for ours, theirs in MEASURES.items()}


def assert_ours(found: dict[str, float], means: dict[str, float]) -> None:
    assert found == pytest.approx(means, abs=1e-5)  # mteb rounds to five digits


def test_the_model_gives_our_numbers(trained: Trained, judged: Judged) -> None:
    assert judged.means["R@100"] > 0
    assert_ours(evaluated(load_model(trained.model), make_task(judged.folder)), judged.means)


def test_the_index_gives_our_numbers(trained: Trained, judged: Judged) -> None:
    assert_ours(evaluated(open_index(trained.index), make_task(judged.folder)), judged.means)


def test_identical_ids_are_removed_on_request(
    trained: Trained, judged: Judged, tmp_path: Path
) -> None:
    run = tmp_path / "run.txt"
    topics = judged.folder / "topics.test.tsv"
    i3.search_topics(trained.index, topics, output=run, remove_query=True, hits=PASSAGES)
    qrels = judged.folder / "qrels.test.txt"
    means = i3.evaluate(qrels, [run], measures=list(MEASURES)).means["run.txt"]
    task = make_task(judged.folder, remove_query=True)
    assert means != judged.means
    assert_ours(evaluated(open_index(trained.index), task), means)


def test_vectors_of_the_model_are_ours(trained: Trained) -> None:
    from datasets import Dataset
    from mteb._create_dataloaders import create_dataloader

    corpus = Dataset.from_list(passages())
    asked = Dataset.from_dict({"id": [str(row) for row in range(64)], "text": queries()})
    metadata = make_metadata()
    model, ours = load_model(trained.model), i3.load(trained.model)
    how = {"task_metadata": metadata, "hf_split": "test", "hf_subset": "default"}
    for side, data, expected in (
        ("document", corpus, ours.encode_passages(passages())),
        ("query", asked, ours.encode_queries(queries())),
    ):
        kind = mteb.types.PromptType(side)
        loader = create_dataloader(data, task_metadata=metadata, prompt_type=kind, batch_size=50)
        found = model.encode(loader, prompt_type=kind, **how)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    similar = np.asarray(model.similarity(found, found))
    np.testing.assert_allclose(similar, found @ found.T, atol=1e-5)


def make_metadata() -> Any:
    return mteb.get_task("NFCorpus").metadata


def test_hits_of_the_index_are_those_of_search(trained: Trained, judged: Judged) -> None:
    task = make_task(judged.folder)
    task.load_data()
    data = task.dataset["default"]["test"]
    searched = open_index(trained.index)
    searched.index(data["corpus"], task_metadata=task.metadata)
    found = searched.search(data["queries"], task_metadata=task.metadata, top_k=1000)
    lines = [line.split() for line in judged.run.read_text(encoding="utf-8").splitlines()]
    ranked: dict[str, list[str]] = {}
    for qid, _, docid, *_ in lines:
        ranked.setdefault(qid, []).append(docid)
    assert {qid: list(hits) for qid, hits in found.items()} == ranked
    some = {"q9": ["d3", "d190", "d77"], "q10": []}
    again = searched.search(data["queries"], task_metadata=task.metadata, top_k=2, top_ranked=some)
    best = sorted(some["q9"], key=ranked["q9"].index)[:2]
    assert list(again["q9"]) == best and again["q10"] == {}
    for docid in best:
        assert again["q9"][docid] == pytest.approx(found["q9"][docid], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-1], str(PASSAGES - 1)),
        (lambda rows: [{**rows[0], "id": "e0"}, *rows[1:]], "'d0'"),
        (lambda rows: [*rows[:-1], {**rows[-1], "text": "other"}], f"'d{PASSAGES - 1}'"),
        (lambda rows: [*rows[:-1], {**rows[-1], "title": "other"}], f"'d{PASSAGES - 1}'"),
    ],
)
def test_another_collection_is_refused(trained: Trained, change: Any, said: str) -> None:
    from datasets import Dataset

    corpus = Dataset.from_list(change(passages()))
    with pytest.raises(I3Error, match=said) as raised:
        open_index(trained.index).index(corpus, task_metadata=make_metadata())
    assert "\n" not in str(raised.value)


def test_what_mteb_knows_of_a_model(trained: Trained, tmp_path: Path) -> None:
    meta: Any = load_model(trained.model).mteb_model_meta
    assert (meta.embed_dim, meta.max_tokens, meta.use_instructions) == (384, 40, True)
    assert meta.n_parameters > 10_000_000 and meta.similarity_fn_name == "dot"
    prompts = {"query": "query: ", "document": "passage: "}
    assert load_model(trained.model).model_prompts == prompts
    half: Any = load_model(trained.model, dtype="bf16").mteb_model_meta
    index = open_index(trained.index).mteb_model_meta
    names = {one.model_name_with_experiment for one in (meta, half, index)}
    assert len(names) == 3 and meta.revision == half.revision == index.revision
    assert len({meta.name, index.name}) == 1


def test_revisions_of_exported_folders_differ_by_weights(tmp_path: Path) -> None:
    revisions = set()
    for dtype in ("fp32", "int8"):
        record = ExportRecord(fingerprint="same", tokenizer="same", dimension=3, dtype=dtype)
        write_object(tmp_path / RECORD, write_record(record))
        meta: Any = meta_of(str(tmp_path), EncoderSettings(), 3, {})
        revisions.add(meta.revision)
    assert len(revisions) == 2


def test_a_judged_query_without_topic_is_refused(judged: Judged, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    (folder / "corpus").mkdir(parents=True)
    (folder / "corpus" / "corpus.jsonl").write_text('{"id": "d1", "text": "a"}\n', encoding="utf-8")
    (folder / "topics.test.tsv").write_text("q1\ta\n", encoding="utf-8")
    (folder / "qrels.test.txt").write_text("q1 0 d1 1\nq2 0 d1 1\n", encoding="utf-8")
    with pytest.raises(I3Error, match="'q2'"):
        make_task(folder).load_data()
    with pytest.raises(I3Error, match="test"):
        make_task(folder, split="dev")


@pytest.mark.skipif(not NFCORPUS.is_dir(), reason="needs NFCorpus")
def test_nfcorpus(minilm: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    AutoModel.from_pretrained(minilm, num_hidden_layers=1).save_pretrained(plain)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(plain)
    model = i3.create(plain, output=tmp_path / "MODEL", passage_length=16)
    i3.encode_corpus(NFCORPUS / "corpus", model=model, output=tmp_path / "INDEX")
    run = tmp_path / "run.txt"
    i3.search_topics(tmp_path / "INDEX", NFCORPUS / "topics.test.tsv", output=run)
    results = i3.evaluate(NFCORPUS / "qrels.test.txt", [run], measures=list(MEASURES))
    task, means = make_task(NFCORPUS), results.means["run.txt"]
    assert_ours(evaluated(open_index(tmp_path / "INDEX"), task), means)
    assert_ours(evaluated(load_model(model), task), means)


def test_the_page(trained: Trained, judged: Judged, tmp_path: Path) -> None:
    code = block("In ten lines", "python", "docs/how-to/mteb.md")
    for name, place in (("MODEL", trained.model), ("INDEX", trained.index)):
        code = code.replace(f'"{name}"', json.dumps(str(place)))
    code = code.replace('"nfcorpus"', json.dumps(str(judged.folder)))
    printed = [float(line) for line in run_code(code, tmp_path).splitlines()[-2:]]
    assert printed == pytest.approx([judged.means["nDCG@10"]] * 2, abs=1e-5)

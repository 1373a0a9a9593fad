"""PyTerrier gives our hits, vectors and numbers, and FlexIndex keeps ids and vectors."""

import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pandas as pd
import pytest

import i3_pyserini as i3
from i3_pyserini.encode import export_index, import_vectors
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.flex import read_flex
from i3_pyserini.formats.vector_files import read_files
from tests.integrations.conftest import Trained
from tests.integrations.odd_texts import PASSAGES, passages, queries
from tests.pages import ROOT, block, run_code

pytestmark = pytest.mark.slow  # the import of pyterrier_dr takes seconds
dr: Any = pytest.importorskip(
    "pyterrier_dr", reason="needs pyterrier_dr: pip install 'i3-pyserini[pyterrier]'"
)

import pyterrier  # noqa: E402  (only if it is installed)

from i3_pyserini.integrations import pyterrier as own  # noqa: E402  (only if it is installed)
from i3_pyserini.integrations.pyterrier_encoders import vectors_of  # noqa: E402  (only if it is installed)

pt: Any = pyterrier  # whose types say that frames may come out as lists
Encoder: Any = own.Encoder
Index: Any = own.Index
Indexer: Any = own.Indexer
Retriever: Any = own.Retriever

MEASURES = ["nDCG@10", "RR@10", "R@100"]
THEIRS = [ir_measures.parse_measure(measure) for measure in MEASURES]


def topics() -> pd.DataFrame:
    texts = [" ".join(text.split()) or "x" for text in queries()]
    return pd.DataFrame({"qid": [f"q{row}" for row in range(len(texts))], "query": texts})


def write_topics(path: Path) -> Path:
    rows = topics().itertuples(index=False)
    path.write_text("".join(f"{row.qid}\t{row.query}\n" for row in rows), encoding="utf-8")
    return path


def ranked(frame: pd.DataFrame) -> dict[str, list[str]]:
    by_rank = frame.sort_values(["qid", "rank"], kind="stable")
    return {qid: own["docno"].tolist() for qid, own in by_rank.groupby("qid")}


def test_hits_are_those_of_search_topics(trained: Trained, tmp_path: Path) -> None:
    file, run = write_topics(tmp_path / "topics.tsv"), tmp_path / "run.txt"
    retriever = Retriever(trained.index)
    found = retriever(topics().assign(more="kept"))
    i3.search_topics(trained.index, file, output=run)
    lines = [line.split() for line in run.read_text(encoding="utf-8").splitlines()]
    expected: dict[str, list[str]] = {}
    for qid, _, docid, *_ in lines:
        expected.setdefault(qid, []).append(docid)
    assert ranked(found) == expected
    scores = np.array([line[4] for line in lines], dtype=np.float32)
    np.testing.assert_array_equal(found["score"].to_numpy(dtype=np.float32), scores)
    hits = i3.open_index(trained.index, texts=False).search(topics()["query"].tolist(), 1000)
    raw = [hit.score for own in hits for hit in own]
    np.testing.assert_allclose(found["score"], raw, atol=1e-5)
    assert found.columns.tolist() == ["qid", "query", "more", "docno", "score", "rank"]
    assert found["rank"].min() == 0 and (found["more"] == "kept").all()


def test_a_cutoff_is_the_search_for_fewer(trained: Trained, tmp_path: Path) -> None:
    retriever = Retriever(trained.index)
    cut = retriever % 7
    assert ranked(cut(topics())) == {
        qid: docnos[:7] for qid, docnos in ranked(retriever(topics())).items()
    }
    assert cut.compile().num_results == 7
    i3_index = tmp_path / "HNSW"
    from i3_pyserini.search import build_index

    build_index(trained.index, output=i3_index, type="hnsw")
    approximate = Retriever(i3_index)
    assert approximate.fuse_rank_cutoff(7) is None
    assert len((approximate % 7)(topics())) == 7 * len(topics())


def test_metadata_and_vectors(trained: Trained) -> None:
    found = Retriever(trained.index, num_results=3, metadata=["title", "text"])(topics())
    texts = {
        one["id"]: (one["title"], one["text"] if one["text"].strip() else "") for one in passages()
    }
    for row in found.itertuples():
        assert (row.title, row.text) == texts[row.docno]
    with pytest.raises(I3Error, match="'price'"):
        Retriever(trained.index, num_results=3, metadata=["price"])(topics())
    encoder = Encoder(trained.model)
    two = encoder.query_encoder() >> Retriever(trained.index, num_results=20)
    assert ranked(two(topics())) == ranked(Retriever(trained.index, num_results=20)(topics()))


def test_frames_without_rows_have_the_columns(trained: Trained) -> None:
    encoder, retriever = Encoder(trained.model), Retriever(trained.index, metadata=["text"])
    columns = ["qid", "query", "docno", "score", "rank", "text"]
    pipeline = retriever >> encoder.text_scorer() >> encoder.doc_encoder()
    assert pt.inspect.transformer_outputs(pipeline, ["qid", "query"]) == [*columns, "doc_vec"]
    assert pt.inspect.transformer_outputs(encoder.query_encoder(), ["qid", "query"])[-1] == (
        "query_vec"
    )
    with pytest.raises(pt.validate.InputValidationError):
        retriever(pd.DataFrame({"qid": ["1"]}))
    with pytest.raises(I3Error, match="row 1"):
        retriever(pd.DataFrame({"qid": ["1", "2"], "query": ["a", None]}))


def test_vectors_are_ours(trained: Trained) -> None:
    encoder, ours = Encoder(trained.model), i3.load(trained.model)
    documents = pd.DataFrame(passages()).rename(columns={"id": "docno"})
    found = np.stack(encoder.doc_encoder()(documents)["doc_vec"].tolist())
    np.testing.assert_allclose(found, ours.encode_passages(passages()), atol=1e-5)
    found = np.stack(encoder(topics())["query_vec"].tolist())
    expected = ours.encode_queries(topics()["query"].tolist())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    untitled = encoder.doc_encoder()(documents[["docno", "text"]].head(3))["doc_vec"].tolist()
    expected = ours.encode_passages([one["text"] for one in passages()[:3]])
    np.testing.assert_allclose(np.stack(untitled), expected, atol=1e-5)


def test_vectors_of_different_lengths_are_one_line() -> None:
    column = pd.Series([np.zeros(2), np.zeros(3)], name="query_vec")
    with pytest.raises(I3Error, match=r"query_vec: expected vectors of one length, got \[\(2,"):
        vectors_of(column)


def test_reranking_is_ours(trained: Trained, tmp_path: Path) -> None:
    file, runs = write_topics(tmp_path / "topics.tsv"), (tmp_path / "a.txt", tmp_path / "b.txt")
    i3.search_topics(trained.index, file, output=runs[0], hits=10)
    i3.rerank_run(
        runs[0], file, trained.corpus, model=trained.model, exact=True, output=runs[1], depth=10
    )
    lines = [line.split() for line in runs[1].read_text(encoding="utf-8").splitlines()]
    expected = {(qid, docid): float(score) for qid, _, docid, _, score, _ in lines}
    first = Retriever(trained.index, num_results=10, metadata=["title", "text"])
    found = (first >> Encoder(trained.model).text_scorer())(topics())
    assert len(found) == len(expected)
    for row in found.itertuples():
        assert row.score == pytest.approx(expected[row.qid, row.docno], abs=1e-5)
    assert found.groupby("qid")["score"].is_monotonic_decreasing.all()
    assert (found["rank"] == found.groupby("qid").cumcount()).all()


def test_an_experiment_gives_our_numbers(trained: Trained, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    qrels = pd.DataFrame(
        {
            "qid": np.repeat(topics()["qid"], 5).tolist(),
            "docno": [
                f"d{row}" for _ in topics()["qid"] for row in random.permutation(PASSAGES)[:5]
            ],
            "label": np.tile([3, 2, 1, 1, 0], len(topics())),
        }
    )
    (tmp_path / "qrels.txt").write_text(
        "".join(f"{row.qid} 0 {row.docno} {row.label}\n" for row in qrels.itertuples()),
        encoding="utf-8",
    )
    file, run = write_topics(tmp_path / "topics.tsv"), tmp_path / "run.txt"
    i3.search_topics(trained.index, file, output=run)
    means = i3.evaluate(tmp_path / "qrels.txt", [run], measures=MEASURES).means["run.txt"]
    table = pt.Experiment(
        [Retriever(trained.index), Retriever(trained.index) % 10], topics(), qrels, THEIRS
    )
    assert table.loc[0, MEASURES].to_dict() == pytest.approx(means, abs=1e-9)
    assert table.loc[1, "nDCG@10"] == pytest.approx(means["nDCG@10"], abs=1e-9)
    assert means["R@100"] > 0


def test_an_index_is_an_artifact(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    usual = pt.utils.entry_points

    def entry_points(group: str) -> tuple[EntryPoint, ...]:  # an older installation has none
        points = declared["entry-points"].get(group, {}).items()
        return (*(EntryPoint(name, value, group) for name, value in points), *usual(group))

    monkeypatch.setattr(pt.utils, "entry_points", entry_points)
    loaded = pt.Artifact.load(str(trained.index))
    assert isinstance(loaded, Index)
    assert ranked(loaded.retriever(num_results=3)(topics())) == ranked(
        Retriever(trained.index, num_results=3)(topics())
    )
    assert len(list(loaded.get_corpus_iter())) == PASSAGES
    with pytest.raises(ValueError, match="No implementation"):
        pt.Artifact.load(str(trained.index.parent))


def test_an_index_becomes_a_flex_index_and_comes_back(trained: Trained, tmp_path: Path) -> None:
    export_index(trained.index, to="flex", output=tmp_path / "FLEX")
    flex = dr.FlexIndex(str(tmp_path / "FLEX"), verbose=False)
    docnos, vectors, _ = flex.payload()
    _, blocks = read_files(trained.index)
    written = list(blocks)
    assert list(docnos) == [docid for one in written for docid in one.ids]
    np.testing.assert_array_equal(vectors, np.concatenate([one.vectors for one in written]))
    found = (Encoder(trained.model).query_encoder() >> flex.np_retriever(num_results=5))(topics())
    ours = Retriever(trained.index, num_results=5)(topics())
    np.testing.assert_allclose(found["score"], ours["score"], atol=1e-5)
    import_vectors(tmp_path / "FLEX", output=tmp_path / "BACK")
    for name in ("index", "docid"):
        assert (tmp_path / "BACK" / name).read_bytes() == (trained.index / name).read_bytes()
    back = Retriever(tmp_path / "BACK", model=trained.model, num_results=5)(topics())
    pd.testing.assert_frame_equal(back, ours)


def test_a_flex_index_of_pyterrier_is_imported(trained: Trained, tmp_path: Path) -> None:
    documents = [{"docno": f"n-{row}", **one} for row, one in enumerate(passages()[:60])]
    flex = dr.FlexIndex(str(tmp_path / "FLEX"), verbose=False)
    (Encoder(trained.model).doc_encoder() >> flex).index(documents)
    import_vectors(tmp_path / "FLEX", output=tmp_path / "OWN")
    (block_,) = read_files(tmp_path / "OWN")[1]
    assert block_.ids == [f"n-{row}" for row in range(60)]
    np.testing.assert_array_equal(block_.vectors, flex.np_vecs())


def test_documents_of_a_frame_may_lack_titles(trained: Trained, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [{"docno": "1", "text": "eggs", "title": "T"}, {"docno": "2", "text": "a"}]
    )
    index = Indexer(tmp_path / "INDEX", model=trained.model).index(frame)
    expected = i3.load(trained.model).encode_passages([{"title": "T", "text": "eggs"}, "a"])
    found = [document["doc_vec"] for document in index.get_corpus_iter()]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for wrong in ({"text": float("nan")}, {"text": "a", "title": 3}):
        with pytest.raises(I3Error, match="'9'"):
            Indexer(tmp_path / "B", model=trained.model).index([{"docno": "9", **wrong}])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("B")]


def test_documents_are_indexed(trained: Trained, tmp_path: Path) -> None:
    documents = [
        {"docno": one["id"], "title": one["title"], "text": one["text"]} for one in passages()
    ]
    index = Indexer(tmp_path / "INDEX", model=trained.model).index(iter(documents))
    found = index.retriever(num_results=50)(topics())
    expected = Retriever(trained.index, num_results=50)(topics())
    assert ranked(found) == ranked(expected)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)
    with pytest.raises(I3Error, match="exists"):
        Indexer(tmp_path / "INDEX", model=trained.model).index(documents)
    pipeline = Encoder(trained.model).doc_encoder() >> Indexer(tmp_path / "B", model=trained.model)
    with pytest.raises(I3Error, match="'d0'"):
        pipeline.index(documents[:3])
    assert not (tmp_path / "B").exists() and not (tmp_path / "B.jsonl").exists()


def test_read_flex_is_what_flex_index_reads(trained: Trained, tmp_path: Path) -> None:
    export_index(trained.index, to="flex", output=tmp_path / "FLEX")
    assert [docid for one in read_flex(tmp_path / "FLEX") for docid in one.ids] == list(
        dr.FlexIndex(str(tmp_path / "FLEX")).docnos()
    )


def test_the_page(trained: Trained, tmp_path: Path) -> None:
    code = block("In ten lines", "python", "docs/how-to/pyterrier.md")
    for name, place in (("MODEL", trained.model), ("INDEX", trained.index)):
        code = code.replace(f'"{name}"', json.dumps(str(place)))
    write_topics(tmp_path / "topics.tsv")
    (tmp_path / "qrels.txt").write_text("q0 0 d1 1\nq1 0 d2 1\n", encoding="utf-8")
    said = run_code(code, tmp_path)
    assert "nDCG@10" in said and "reranked" in said

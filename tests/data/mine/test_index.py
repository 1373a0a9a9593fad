"""Negatives from an index, searched with its model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.data.mining import Index, Sources, mine
from i3_pyserini.data.negatives import Selection
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.encode.runner import Encoding, run_encoding
from i3_pyserini.encode.spec import EncoderSpec
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index_output import IndexOutput
from i3_pyserini.formats.passages import Corpus
from i3_pyserini.formats.tables import Table
from tests.conftest import Run
from tests.data.mine.conftest import COLLECTION, command, left, mined, outputs, trec, with_run


def test_an_index_is_searched_with_the_models_queries(
    index: Index, sources: Sources, tmp_path: Path
) -> None:
    rows = [line.split("\t") for line in COLLECTION.splitlines()]
    model = str(tmp_path / "model")
    passages = I3DocumentEncoder(model, "cpu").encode(
        [row[2] for row in rows], titles=[row[1] for row in rows]
    )
    queries = {"q1": "boil eggs", "q2": "hot water", "q3": "plant light"}
    ranked = {}
    for qid, query in queries.items():
        scores = passages @ I3QueryEncoder(model, "cpu").encode(query)
        ranked[qid] = [rows[row][0] for row in np.argsort(-scores)]
    as_run = mined(with_run(sources, trec({qid: pids[:7] for qid, pids in ranked.items()})))
    where = outputs(sources, overwrite=True)
    summary = mine(replace(sources, hits=index), Selection(last=7), where)
    lines = [line.split("\t") for line in where.negatives.read_text(encoding="utf-8").splitlines()]
    assert {qid: pids.split(",") for qid, pids in lines} == as_run
    assert [qid for qid, _ in lines] == ["q2", "q1", "q3"]
    assert (summary.without_hits, summary.without_positive, summary.unknown) == (0, 1, 0)
    more = mine(replace(sources, hits=index), Selection(last=500), where)  # than there are
    assert more.negatives + sum(more.left_out.values()) == 3 * 9


def test_the_corpus_is_read_as_it_was_encoded(
    index: Index, sources: Sources, tmp_path: Path
) -> None:
    expected = mined(replace(sources, hits=index))
    rows = [line.replace("\t", ";") for line in COLLECTION.splitlines()]
    (tmp_path / "c.csv").write_text("\n".join(["sku;name;words", *rows]), encoding="utf-8")
    corpus = Corpus(
        tmp_path / "c.csv",
        docid_field="sku",
        title_field="name",
        text_field="words",
        table=Table(";"),
    )
    spec, output = EncoderSpec(str(tmp_path / "model")), IndexOutput(tmp_path / "of csv")
    run_encoding(corpus, spec, output, Encoding())
    of_csv = replace(sources, hits=replace(index, path=output.target), collection=corpus.path)
    assert mined(of_csv) == expected


def test_hits_of_an_index_are_searched_in_parts(
    index: Index, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = mined(replace(sources, hits=index))
    monkeypatch.setattr("i3_pyserini.data.index_hits.SEARCHED", 2)
    assert mined(replace(sources, hits=index)) == at_once


def test_ties_in_an_index_are_as_in_a_run(index: Index, sources: Sources) -> None:
    from i3_pyserini.faiss_library import faiss

    vectors = faiss.IndexFlatIP(32)
    vectors.add(np.zeros((9, 32), dtype=np.float32))
    faiss.write_index(vectors, str(index.path / "index"))
    assert mined(replace(sources, hits=index))["q2"] == "p9 p8 p7 p6 p2".split()


def test_an_index_that_finds_fewer_hits(index: Index, sources: Sources) -> None:
    from i3_pyserini.faiss_library import faiss

    vectors = np.ones((9, 32), dtype=np.float32)
    vectors[4:] *= -1  # two clusters, of which one is searched
    cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(32), 32, 2, faiss.METRIC_INNER_PRODUCT)
    cells.train(vectors)
    cells.add(vectors)
    faiss.write_index(cells, str(index.path / "index"))
    found = mined(replace(sources, hits=index), min_relevance=1)
    # All scores tie: p4 p3 p2 p1 or p9 p8 p7 p6 p5, without positives and copies.
    assert found["q2"] in (["p2"], ["p9", "p8", "p7", "p6"])


def test_an_index_that_does_not_fit_is_refused(
    index: Index, sources: Sources, tiny_bert: str, tmp_path: Path
) -> None:
    import torch

    from i3_pyserini.faiss_library import faiss

    def refused(said: str, hits: Index = index) -> None:
        with pytest.raises(I3Error, match=said):
            mine(replace(sources, hits=hits), Selection(), outputs(sources))
        assert left(sources) == []

    other = I3Retriever.from_backbone(tiny_bert)
    torch.nn.init.ones_(next(other.parameters()))
    save_model_directory(
        other, I3Tokenizer.from_pretrained(tiny_bert, other.config), tmp_path / "other"
    )
    refused("index: encoded by another model", replace(index, encoder=str(tmp_path / "other")))
    refused("nowhere: not an index", replace(index, path=tmp_path / "nowhere"))
    refused("nowhere", replace(index, encoder=str(tmp_path / "nowhere")))
    docids = index.path / "docid"
    names = docids.read_text(encoding="utf-8")
    docids.write_text(names.replace("p4", "px"), encoding="utf-8")
    refused("docid, line 4: passage 'px' is not in the collection")
    docids.write_text(names + "p10\n", encoding="utf-8")
    refused("index: 10 ids but 9 vectors")
    docids.write_text(names, encoding="utf-8")
    distances = faiss.IndexFlatL2(32)
    distances.add(np.zeros((9, 32), dtype=np.float32))
    faiss.write_index(distances, str(index.path / "index"))
    refused("index: not an inner-product index")


def test_the_command_takes_the_model_from_the_index(
    index: Index, sources: Sources, run_module: Run
) -> None:
    expected = mined(replace(sources, hits=index))
    argv = [str(part) for part in command(sources, "--overwrite", "--device", "cpu")]
    argv[argv.index("--run") : argv.index("--topics")] = ["--index", str(index.path)]
    assert run_module(*argv).returncode == 0
    lines = [
        line.split("\t")
        for line in outputs(sources).negatives.read_text(encoding="utf-8").splitlines()
    ]
    assert {qid: pids.split(",") for qid, pids in lines} == expected

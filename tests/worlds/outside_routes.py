"""Routes by way of other libraries: ONNX, sentence-transformers, PyTerrier, peft, Lucene."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from i3_pyserini.stock.java import find_java
from tests.worlds.commands import command
from tests.worlds.compare import check_hits, check_queries, check_vectors, read_hits, read_index
from tests.worlds.place import Place
from tests.worlds.reference import reference_of
from tests.worlds.run_routes import check_bm25, lucene_length, lucene_words

LORA_RANK, LORA_ALPHA = 3, 6


def onnx(place: Place) -> None:
    """The model exported to ONNX files: encoding with them, and searching either's index."""
    model, index = place.folder / "onnx-model", place.folder / "onnx-index"
    command(
        "i3_pyserini", "model", "export", place.model, "--output", model, *place.encoder_words()
    )
    place.encode_own(index, place.readable_corpus, "--model", model, told=False)
    check_vectors(*read_index(index), place.reference, "encode with ONNX", 10)
    place.check_run(place.search_own("onnx.txt", index), "search with ONNX")
    run = place.search_own("onnx-own.txt", place.own_index, "--model", model)
    place.check_run(run, "search with ONNX of the model's own index")


def sentence_transformers(place: Place) -> None:
    """The model in sentence-transformers: an I³ model's module, and modules that are declared."""
    from sentence_transformers import SentenceTransformer

    from i3_pyserini.integrations.sentence_transformers import load

    world = place.world
    if place.is_told:  # it has no files for sentence-transformers
        return
    titled = [one.title if world.titles else None for one in world.records]
    pairs = list(zip(titled, (one.text for one in world.records), strict=True))
    documents: list[Any]
    if world.model.kind == "i3":
        model = load(place.model, device="cpu")
        documents = [(title or "", text) for title, text in pairs]
    else:
        model = SentenceTransformer(str(place.model), device="cpu")
        documents = [f"{title} {text}" if title else text for title, text in pairs]
    queries = model.encode_query(list(world.topics.values()))
    check_queries(queries, place.reference, "sentence-transformers, queries")
    vectors = model.encode_document(documents)
    docids = place.reference.docids
    check_vectors(docids, vectors, place.reference, "sentence-transformers, documents")


def pyterrier(place: Place) -> None:
    """PyTerrier: retriever, encoders and indexer."""
    import pandas as pd

    from i3_pyserini.integrations import pyterrier as own

    world, reference = place.world, place.reference
    topics = pd.DataFrame({"qid": list(world.topics), "query": list(world.topics.values())})
    found: Any = own.Retriever(place.own_index, num_results=world.k)(topics)
    hits: dict[str, list[tuple[str, float]]] = {}
    for row in found.itertuples():
        before = hits.setdefault(row.qid, [])
        assert row.rank == len(before), f"PyTerrier, query {row.qid!r}: rank {row.rank}"
        before.append((row.docno, row.score))
    check_hits(hits, list(world.topics), reference, world.k, "PyTerrier's Retriever")
    if place.is_told:
        return
    encoder = own.Encoder(place.model, device="cpu")
    queried: Any = encoder.query_encoder()(topics)
    queries = np.stack(queried["query_vec"].tolist())
    check_queries(queries, reference, "PyTerrier's QueryEncoder")
    documents = pd.DataFrame(
        {
            "docno": reference.docids,
            "title": [(one.title or "") if world.titles else "" for one in world.records],
            "text": [one.text for one in world.records],
        }
    )
    encoded: Any = encoder.doc_encoder()(documents)
    vectors = np.stack(encoded["doc_vec"].tolist())
    check_vectors(reference.docids, vectors, reference, "PyTerrier's DocEncoder")
    index = own.Indexer(place.folder / "pyterrier", model=place.model).index(documents)
    check_vectors(*read_index(index.index), reference, "PyTerrier's Indexer")


def lora(place: Place) -> None:
    """Adapters added to the weights of an I³ model, which is saved, encodes and searches."""
    from i3_pyserini.model.export import load_model_directory, save_model_directory
    from i3_pyserini.train.lora import add_adapters, merged
    from i3_pyserini.train.recipe import LoraRecipe

    world = place.world
    if world.model.kind != "i3":
        return
    torch.manual_seed(world.seed)
    model, tokenizer = load_model_directory(str(place.model))
    sides: Any = Random(world.seed).choice(("both", "query", "passage"))
    recipe = LoraRecipe(rank=LORA_RANK, alpha=LORA_ALPHA, encoders=sides)
    add_adapters(model, recipe, "fp32")
    state = model.state_dict()
    for name, value in state.items():
        if ".lora_" in name:
            value.copy_(torch.randn_like(value) * 0.3)
    target = place.folder / "lora-model"
    save_model_directory(merged(model).eval(), tokenizer, target)
    saved = load_model_directory(str(target))[0].state_dict()
    changed = [name for name in state if name.endswith(".lora_A.default.weight")]
    assert changed, "no adapters"
    for name in changed:
        place_of = name.removesuffix(".lora_A.default.weight")
        product = state[f"{place_of}.lora_B.default.weight"] @ state[name]
        right = state[f"{place_of}.base_layer.weight"] + LORA_ALPHA / LORA_RANK * product
        off = float((saved[f"{place_of}.weight"] - right).abs().max())
        assert off < 1e-5, f"LoRA: {place_of} is off by {off:.2e}"
    _check_model(place, target)


def _check_model(place: Place, model: Path) -> None:
    """Sees that another model of the world has the vectors and hits that are right for it."""
    reference = reference_of(place.world, model)
    index = place.folder / f"{model.name}-index"
    place.encode_own(index, place.readable_corpus, "--model", model)
    check_vectors(*read_index(index), reference, f"encode with {model.name}")
    run = read_hits(place.search_own(f"{model.name}.txt", index))
    qids = list(place.world.topics)
    check_hits(run, qids, reference, place.world.k, f"search with {model.name}")


def lucene(place: Place) -> None:
    """BM25 of Lucene, whose lengths of passages have four significant bits, rounded by Anserini."""
    if find_java()[0] is None:
        return
    check_bm25(place, "lucene", lucene_length, lucene_words, digits=4)

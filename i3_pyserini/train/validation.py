"""Validation in training: encode as `encode` does, rank, and measure with ir-measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from tqdm import tqdm

from i3_pyserini.data.queries import read_queries
from i3_pyserini.encode.ahead import passage_ids
from i3_pyserini.encode.batches import Batching, encode_ids
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.qrels import note_without_topic, read_qrels
from i3_pyserini.formats.runs import SCHEMA, Run, read_run
from i3_pyserini.formats.textstore import TextStore, open_store
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.model.word_recall import BATCH, WordRecall, word_recall
from i3_pyserini.train.recipe import ValidationRecipe
from i3_pyserini.train.recipe_inputs import DataRecipe

WINDOW = 4096
WORDS = 256  # queries whose words are compared with predicted ones
DTYPES = {"no": "fp32", "bf16": "bf16", "fp16": "fp16"}  # by the name of accelerate
Hit = tuple[str, str, float]  # query id, passage id, score


@dataclass(frozen=True)
class Validator:
    """Retrieval with dev queries.

    Attributes:
        recipe: what to measure and how.
        queries: texts by query id.
        qrels: the queries' judgements.
        store: the passages.
        pool: passages to re-rank, by query id; None to search the whole store.
        tokenizer: the model's.
    """

    recipe: ValidationRecipe
    queries: dict[str, str]
    qrels: pl.DataFrame
    store: TextStore
    pool: dict[str, list[str]] | None
    tokenizer: I3Tokenizer

    @classmethod
    def of(
        cls, own: ValidationRecipe | None, data: DataRecipe, tokenizer: I3Tokenizer
    ) -> "Validator | None":
        """The recipe's validation; None if it has none.

        Args:
            own: what it says of it.
            data: the training data; its collection is searched if `own` names none.
            tokenizer: the model's.

        Raises:
            I3Error: a file is missing or not as it should be, or they do not fit together.
        """
        if own is None:
            return None
        (measure, *_), _ = choose_measures([own.measure])
        if (cutoff := measure.params.get("cutoff", 0)) > own.hits:
            raise I3Error(f"validation.hits is {own.hits}, too few for {own.measure}: set {cutoff}")
        for path in (own.qrels, own.pool):
            if path is not None and not path.is_file():
                raise I3Error(f"{path}: no such file for validation")
        queries = read_queries(own.topics)
        qrels = read_qrels(own.qrels)
        note_without_topic(qrels, queries, str(own.qrels), str(own.topics))
        qrels = qrels.filter(pl.col("query_id").is_in(list(queries)))
        if qrels.is_empty():
            raise I3Error(f"{own.qrels}: judges none of the queries of {own.topics}")
        judged = set(qrels["query_id"])
        queries = {qid: query for qid, query in queries.items() if qid in judged}
        store = open_store(own.corpus or data.collection, data.cache)
        pool = None if own.pool is None else _read_pool(own.pool, queries)
        return cls(own, queries, qrels, store, pool, tokenizer)

    def measure(self, model: I3Retriever, accelerator: Accelerator) -> float:
        """The recipe's measure of a model: the mean over judged queries, the same everywhere."""
        run = self.search(model, accelerator)
        values = [0.0]
        if run is not None:
            measures, _ = choose_measures([self.recipe.measure])
            values = [evaluate_run(self.qrels, run, measures).means[str(measures[0])]]
        value = accelerator.reduce(torch.tensor(values, dtype=torch.float64).to(accelerator.device))
        return float(value[0])

    def words(self, model: I3Retriever) -> WordRecall | None:
        """How many words of the dev queries the reconstructor predicts for relevant passages."""
        judged = self.qrels.filter(pl.col("relevance") > 0).sort(
            "relevance", descending=True, maintain_order=True
        )
        best = judged.unique("query_id", keep="first", maintain_order=True)
        relevant = dict(best.select("query_id", "doc_id").iter_rows())
        pairs = [
            (query, passage)
            for qid, query in islice(self.queries.items(), WORDS)
            if qid in relevant and (passage := self.store.get(relevant[qid])) is not None
        ]
        passages = [passage for _, passage in pairs]
        return word_recall(
            model.eval(),
            self.tokenizer,
            [query for query, _ in pairs],
            [passage.text for passage in passages],
            [passage.title for passage in passages],
            min(self.recipe.batch_size, BATCH),
        )

    def search(self, model: I3Retriever, accelerator: Accelerator) -> Run | None:
        """Ranks passages for all queries; each device encodes its share of them.

        Returns:
            The run, on the first device; None on the others.
        """
        model.eval()
        qids = list(self.queries)
        queries = self._query_vectors(model, [self.queries[qid] for qid in qids])
        precision = DTYPES[accelerator.mixed_precision]
        encoder = I3DocumentEncoder.of(model, self.tokenizer, precision)
        rank = self._rank if self.pool is None else self._rerank
        hits = rank(encoder, accelerator, qids, queries)
        if not accelerator.is_main_process:
            return None
        rows = pl.DataFrame(hits, schema=SCHEMA, orient="row")
        rows = rows.sort("query_id", "score", descending=[False, True], maintain_order=True)
        best = rows.group_by("query_id", maintain_order=True).head(self.recipe.hits)
        return Run.of("validation", best)

    def _rank(
        self, encoder: I3DocumentEncoder, accelerator: Accelerator, qids: list[str], queries: Tensor
    ) -> list[Hit]:
        """The best of all passages; each device encodes a part of them."""
        size, rank = len(self.store), accelerator.process_index
        bounds = np.linspace(0, size, accelerator.num_processes + 1, dtype=int)
        best = queries.new_full((len(qids), self.recipe.hits), -torch.inf)
        rows = torch.zeros_like(best, dtype=torch.long)
        starts = range(int(bounds[rank]), int(bounds[rank + 1]), WINDOW)
        for start in tqdm(starts, desc="validate", unit=" windows", delay=10, leave=False):
            stop = min(start + WINDOW, int(bounds[rank + 1]))
            vectors = self._passage_vectors(encoder, self.store.slice(start, stop))
            own = torch.arange(start, stop, device=rows.device).expand(len(qids), -1)
            best, rows = _best(
                torch.cat([best, queries @ vectors.T], dim=1),
                torch.cat([rows, own], dim=1),
                self.recipe.hits,
            )
        best, rows = (
            accelerator.gather(one[None]).transpose(0, 1).flatten(1) for one in (best, rows)
        )
        best, rows = _best(best, rows, self.recipe.hits)
        if not accelerator.is_main_process:
            return []
        pids = {row: self.store.pid(row) for row in rows[best > -torch.inf].unique().tolist()}
        return [
            (qid, pids[row], score)
            for qid, scores, own_rows in zip(qids, best.tolist(), rows.tolist(), strict=True)
            for score, row in zip(scores, own_rows, strict=True)
            if score > -np.inf
        ]

    def _rerank(
        self, encoder: I3DocumentEncoder, accelerator: Accelerator, qids: list[str], queries: Tensor
    ) -> list[Hit]:
        """The pool's passages with their scores; each device encodes a part of them."""
        assert self.pool is not None  # noqa: S101  (`search` looked)
        pids = sorted({pid for pool in self.pool.values() for pid in pool})
        pids = pids[accelerator.process_index :: accelerator.num_processes]
        vectors = self._passage_vectors(encoder, [self._text(pid) for pid in pids])
        row = {pid: number for number, pid in enumerate(pids)}
        hits: list[Hit] = []
        for qid, query in zip(qids, queries, strict=True):
            own = [pid for pid in self.pool.get(qid, []) if pid in row]
            scores = vectors[[row[pid] for pid in own]] @ query
            hits += [(qid, pid, score) for pid, score in zip(own, scores.tolist(), strict=True)]
        return [hit for part in gather_object([hits]) for hit in part]

    def _text(self, pid: str) -> Passage:
        text = self.store.get(pid)
        if text is None:
            raise I3Error(f"{self.recipe.pool}: passage {pid} is not in the collection")
        return text

    def _passage_vectors(self, encoder: I3DocumentEncoder, passages: Sequence[Passage]) -> Tensor:
        """Vectors [N, H] on the model's device, as `encode` computes them."""
        ids, _ = passage_ids(encoder.ids, passages, with_titles=True)
        vectors = encode_ids(encoder, ids, Batching(passages=self.recipe.batch_size))
        return torch.from_numpy(vectors).to(encoder.device)

    @torch.inference_mode()
    def _query_vectors(self, model: I3Retriever, texts: Sequence[str]) -> Tensor:
        """Vectors [Q, H] of queries, in single precision as in a search, in the order of length."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        parts = []
        for start in range(0, len(order), self.recipe.batch_size):
            chosen = [texts[row] for row in order[start : start + self.recipe.batch_size]]
            batch = self.tokenizer.queries(chosen).to(model.device)
            parts.append(model.encode_queries(**batch).float())
        return torch.cat(parts)[torch.argsort(torch.tensor(order, device=model.device))]


def _best(scores: Tensor, rows: Tensor, hits: int) -> tuple[Tensor, Tensor]:
    """The highest scores [Q, hits] and their rows."""
    best, order = scores.topk(hits, dim=1)
    return best, rows.gather(1, order)


def _read_pool(path: Path, queries: dict[str, str]) -> dict[str, list[str]]:
    run = read_run(path)
    found = [qid for qid in run.queries if qid in queries]
    if not found:
        raise I3Error(f"{path}: ranks none of the validation queries")
    return dict(run.hits(found))

"""Measures of a run against trec_eval's code and ir-measures' own providers."""

from pathlib import Path
from random import Random

import ir_measures
import pytrec_eval
from ir_measures.measures import Measure

from i3_pyserini.eval.evaluation import Evaluation, evaluate_run
from i3_pyserini.eval.judged import evaluate_judged
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run
from tests.worlds.compare import read_hits, same_values
from tests.worlds.world import World

Judgements = dict[str, dict[str, int]]
Scores = dict[str, dict[str, float]]
# What ir-measures computes without ranks that tie being read differently by its providers.
MEASURES = [
    *("nDCG@10", "nDCG@3", "nDCG", "AP", "AP@5", "P@1", "P@5", "R@3", "R@100", "RR", "RR@3"),
    *("Success@1", "Success@5", "Judged@5", "Rprec", "Bpref", "NumRet", "NumRel", "NumQ"),
    *("AP(rel=2)", "P(rel=2)@3", "R(rel=2)@5", "RR(rel=2)", "RR(rel=2)@2", "Rprec(rel=2)"),
    *("infAP", "SetP", "SetR", "SetF", "IPrec@0.5", "RR(judged_only=True)"),
    *("P(judged_only=True)@3", "nDCG(gains={1:3,2:1})@5"),
]
CONDENSED = ["nDCG@10", "AP", "P@5", "R@3", "RR", "Success@1", "NumRet"]
# trec_eval's names, and ours.
TREC_EVAL = {
    "map": "AP",
    "recip_rank": "RR",
    "Rprec": "Rprec",
    "ndcg": "nDCG",
    "ndcg_cut_5": "nDCG@5",
    "P_5": "P@5",
    "recall_5": "R@5",
    "success_1": "Success@1",
    "bpref": "Bpref",
    "map_cut_5": "AP@5",
    "num_ret": "NumRet",
}


def check_evaluation(world: World, qrels: Path, run: Path) -> None:
    """Compares measures of the run, and of one with ties, query by query."""
    judged = _judged(world)
    ranked = {qid: dict(hits) for qid, hits in read_hits(run).items()}
    if not judged.keys() & ranked.keys():
        return
    _check_ir_measures(judged, ranked, qrels, run)
    _check_trec_eval(judged, ranked, qrels, run)
    tied = _tied(world, ranked)
    path = run.with_name("tied.txt")
    lines = [f"{q} Q0 {d} 1 {s} x\n" for q, hits in tied.items() for d, s in hits.items()]
    path.write_text("".join(lines), encoding="utf-8")
    _check_trec_eval(judged, tied, qrels, path)
    _check_condensed(judged, ranked, qrels, run)


def _judged(world: World) -> Judgements:
    """Levels by query; 0 where all are below 0, because pytrec_eval corrupts memory on these."""
    judged: Judgements = {}
    for qid, docid, level in world.judgements:
        judged.setdefault(qid, {})[docid] = level
    return {
        qid: levels if max(levels.values()) >= 0 else dict.fromkeys(levels, 0)
        for qid, levels in judged.items()
    }


def _check_ir_measures(judged: Judgements, ranked: Scores, qrels: Path, run: Path) -> None:
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    right = dict.fromkeys(((str(m), q) for m in measures for q in judged), 0.0)
    for measure in measures:  # one by one: together, its providers mix some of them up
        for metric in ir_measures.iter_calc([measure], judged, ranked):
            right[str(measure), metric.query_id] = metric.value
    same_values(_ours(measures, qrels, run), right, "eval against ir-measures")


def _check_trec_eval(judged: Judgements, ranked: Scores, qrels: Path, run: Path) -> None:
    evaluator = pytrec_eval.RelevanceEvaluator(judged, set(TREC_EVAL))
    measures = [ir_measures.parse_measure(name) for name in TREC_EVAL.values()]
    names = {name: str(measure) for name, measure in zip(TREC_EVAL, measures, strict=True)}
    right = dict.fromkeys(((name, qid) for name in names.values() for qid in judged), 0.0)
    for qid, values in evaluator.evaluate(ranked).items():
        right |= {(names[name], qid): values[name] for name in names}
    same_values(_ours(measures, qrels, run), right, f"eval of {run.name} against trec_eval")


def _check_condensed(judged: Judgements, ranked: Scores, qrels: Path, run: Path) -> None:
    """Measures of judged passages only, against those of a run that has no others."""
    short = {
        qid: {docid: score for docid, score in hits.items() if docid in judged.get(qid, {})}
        for qid, hits in ranked.items()
    }
    short = {qid: hits for qid, hits in short.items() if hits}
    if not short:  # which is refused
        return
    measures = [ir_measures.parse_measure(name) for name in CONDENSED]
    right = dict.fromkeys(((str(m), q) for m in measures for q in judged), 0.0)
    for measure in measures:
        for metric in ir_measures.iter_calc([measure], judged, short):
            right[str(measure), metric.query_id] = metric.value
    found = evaluate_judged(read_qrels(str(qrels)), read_run(run), measures, judged_only=True)
    same_values(_by_query(found), right, "eval --judged-only")


def _ours(measures: list[Measure], qrels: Path, run: Path) -> dict[tuple[str, str], float]:
    return _by_query(evaluate_run(read_qrels(str(qrels)), read_run(run), measures))


def _by_query(found: Evaluation) -> dict[tuple[str, str], float]:
    return {
        (measure, qid): value
        for measure, values in found.values.items()
        for qid, value in zip(found.queries, values.tolist(), strict=True)
    }


def _tied(world: World, ranked: Scores) -> Scores:
    """The run with few different scores, and its lines in another order."""
    random = Random(world.seed)
    tied: Scores = {}
    for qid, hits in ranked.items():
        docids = random.sample(list(hits), len(hits))
        tied[qid] = {docid: float(random.randint(0, 3)) / 2 for docid in docids}
    return tied

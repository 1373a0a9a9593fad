"""Published scores of real runs, to the printed digits. Needs the shared test collections.

REP_LLAMA's are no published ones: they were measured with trec_eval.
"""

from pathlib import Path

import pytest

from i3_pyserini.eval.evaluation import evaluate_run
from i3_pyserini.formats.measures import choose_measures
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.runs import read_run

SHARED = Path(__file__).parents[3] / "shared"
DL = {
    "BM25": (0.5058, 0.4796),
    "BM25_RM3": (0.5216, 0.4896),
    "D_BERT_KD_TASB": (0.7210, 0.6854),
    "OPEN_AI_ADA2": (0.7035, 0.6759),
    "SPLADE_P_P_ENSEMBLE_DISTIL": (0.7308, 0.7197),
    "REP_LLAMA": (0.7384, 0.7195),
}
DEV = {
    "run.dev.small": {"RR@10": 0.15906651549508694},
    "run.monobert.ans_small.dev": {"RR@10": 0.4026795162509449, "P@1": 0.27619, "RR": 0.41090},
    "run.monot5.ans_small.dev": {"RR@10": 0.39044217687074834, "P@1": 0.26667, "RR": 0.39734},
}

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared test collections")


@pytest.mark.parametrize("run", DL)
@pytest.mark.parametrize("year", [19, 20])
def test_trec_dl(run: str, year: int) -> None:
    qrels = SHARED / f"collections/msmarco-passage-official/qrels.dl{year}-passage.txt"
    measures, _ = choose_measures([f"trec-dl-20{year}"])
    path = SHARED / f"runs/rank_llm-first-stage/{run}.dl{year}.trec"
    means = evaluate_run(read_qrels(str(qrels)), read_run(path), measures).means
    assert round(means["nDCG@10"], 4) == DL[run][year - 19]


@pytest.mark.parametrize("run", DEV)
def test_ms_marco_dev_subset(run: str) -> None:
    folder = SHARED / "runs/pygaggle-msmarco-ans-small"
    measures, _ = choose_measures(list(DEV[run]))
    qrels = read_qrels(str(folder / "qrels.dev.small.tsv"))
    means = evaluate_run(qrels, read_run(folder / f"{run}.tsv"), measures).means
    for measure, published in DEV[run].items():
        assert means[measure] == pytest.approx(published, abs=5e-6)

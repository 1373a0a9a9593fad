"""What our versions of two of Pyserini's command lines refuse, and why.

`python -m i3_pyserini.encode` has all other options of `pyserini.encode`, and
`python -m i3_pyserini.search` all others of `pyserini.search.faiss`, those of Pyserini 1.6 and 2.4.
"""

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn

from i3_pyserini.errors import I3Error

CLASSES = "Pyserini's other classes run in the stock command; auto runs any Hugging Face encoder"
IMAGES = "images are not supported"
EOS = "stock Pyserini's class auto takes eos for cls; the last token is --pooling last"
TRUNCATION = "Pyserini's class qwen3 only; here the length limits all ids, special tokens too"
OPENAI = "OpenAI's service is not supported; use stock pyserini.encode"
BPR = "indexes of binary codes (BPR) are not supported"
ANCE_PRF = "ANCE-PRF is not supported; --prf-method avg and rocchio are"

# Options that are not there at all, and options without some of Pyserini's values.
ENCODE = {
    "--encoder-class": CLASSES,
    "--explicit-truncate": TRUNCATION,
    "--multimodal": IMAGES,
    "--pooling": EOS,
    "--rate-limit": OPENAI,
    "--use-openai": OPENAI,
}
SEARCH = {
    "--ance-prf-encoder": ANCE_PRF,
    "--binary-hits": BPR,
    "--encoder-class": CLASSES,
    "--explicit-truncate": TRUNCATION,
    "--faiss-device": "FAISS runs on the CPU here",
    "--fp16": "queries are encoded in 32 bits; Pyserini's class auto, too, ignores the option",
    "--instruction-config": "Pyserini's class uniir only",
    "--max-length": "queries are truncated at the model's own length; Pyserini's class auto, too, "
    "ignores the option",
    "--multimodal": IMAGES,
    "--normalize-distances": "runs have inner products; (1 + product) / 2 ranks alike",
    "--output-format": "only trec and msmarco are supported",
    "--pca-model": "transformations of queries are not supported",
    "--pooling": EOS,
    "--prf-method": ANCE_PRF,
    "--rerank": f"{BPR}; i3-pyserini rerank reranks a run",
    "--searcher": BPR,
    "--sparse-index": ANCE_PRF,
    "--tokenizer": "the model's own tokenizer is used",
    "--topics-format": "topics are queries with ids, as TSV, CSV or JSONL; use the stock command",
}


class DropInParser(argparse.ArgumentParser):
    """A parser that says why it lacks an option of Pyserini's, or a value of one.

    Args:
        refused: the reasons, by option.
        options: those of `argparse.ArgumentParser`.
    """

    def __init__(self, refused: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self._refused = refused

    def error(self, message: str) -> NoReturn:
        """Raises an `I3Error` for what is refused; otherwise exits as argparse does."""
        for word in message.replace(":", " ").split():
            option = word.split("=", maxsplit=1)[0]
            if option in self._refused:
                raise I3Error(f"{message}: {self._refused[option]}")
        super().error(message)

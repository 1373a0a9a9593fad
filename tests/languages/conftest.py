"""Small collections in five languages, and a random multilingual model with its own tokenizer."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

from i3_pyserini.data.importing import import_collection
from i3_pyserini.encode.encoder import create
from tests.model.odd_tokenizers import XLMR_NAMES

TEXTS = Path(__file__).parent / "texts"
CODES = ("ar", "de", "ja", "th", "zh")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Imports the collection of a language; once. Never changed."""
    folder = tmp_path_factory.mktemp("languages")

    def collection(code: str) -> Path:
        if not (folder / code).exists():
            files = {name: TEXTS / f"{code}.{name}" for name in ("topics.tsv", "qrels.txt")}
            import_collection(
                TEXTS / f"{code}.jsonl",
                output=folder / code,
                language=code,
                topics={"test": files["topics.tsv"]},
                qrels={"test": files["qrels.txt"]},
            )
        return folder / code

    return collection


@pytest.fixture(scope="session")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An I³ model on a random XLM-R whose Unigram vocabulary is of the five languages' texts."""
    folder = tmp_path_factory.mktemp("multilingual")
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=3000, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    lines = [line for code in CODES for line in (TEXTS / f"{code}.jsonl").open(encoding="utf-8")]
    core.train_from_iterator(lines, trainer)
    ids = [(token, core.token_to_id(token)) for token in ("<s>", "</s>")]
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    PreTrainedTokenizerFast(tokenizer_object=core, **XLMR_NAMES).save_pretrained(folder / "plain")
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=core.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=162,
        pad_token_id=1,
        initializer_range=0.5,
    )
    XLMRobertaModel(config).save_pretrained(folder / "plain")
    create(folder / "plain", output=folder / "i3")
    return str(folder / "i3")

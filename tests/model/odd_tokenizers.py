"""Tiny models whose tokenizer files are odd in one way each, as those of published models are."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, BertConfig, PreTrainedConfig, XLMRobertaConfig

TEXTS = (
    "how long to boil an egg",
    "Café ÉGGS über Straße",
    "日本語 egg 中文",
    "don't boil U.S. eggs, 3.14",
    "an [SEP] egg [MASK] </s> <mask> [unused0]",
    "tab\teggs\n  two  blanks ",
    "",
    "egg" * 60,
    "é e\u0301 \u200b 😀",
    "boil " * 40,
)
BERT_SPECIAL = ("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéÉüÜß0123456789.,'日本語中文"
WORDS = ("how", "long", "to", "boil", "an", "egg", "eggs", "cafe", "café", "strasse", "don")
BERT_NAMES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
XLMR_NAMES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
Fields = dict[str, Any]
LENGTH = 24


def _nothing(fields: Fields) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """One way in which a tokenizer's files can be odd.

    Attributes:
        file: changes the fields of `tokenizer.json`.
        config: fields of `tokenizer_config.json` besides the special tokens' names.
        core: "wordpiece" or "unigram".
        model: the backbone's type.
        changed: part of `tokenizer.json` that transformers reads otherwise; "" if none.
        declared: whether `config` states more than the file, so that the file alone is not right.
    """

    file: Callable[[Fields], None] = _nothing
    config: Fields = field(default_factory=dict)
    core: str = "wordpiece"
    model: str = "bert"
    changed: str = ""
    declared: bool = False


def _normaliser(**switches: bool) -> Callable[[Fields], None]:
    return lambda file: file["normalizer"].update(switches)


def _whitespace(file: Fields) -> None:
    file["pre_tokenizer"] = {"type": "WhitespaceSplit"}


def _lower_only(file: Fields) -> None:
    file["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}],
    }


def _no_sep(file: Fields) -> None:
    del file["post_processor"]["single"][2]


def _special_unused(file: Fields) -> None:
    unused = {**file["added_tokens"][0], "id": 1, "content": "[unused0]"}
    file["added_tokens"].insert(1, unused)


def _cut(file: Fields) -> None:
    file["truncation"] = {
        "direction": "Left",
        "max_length": 7,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    file["padding"] = {
        "strategy": {"Fixed": 30},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }


UNUSED = {"content": "[unused0]", "lstrip": False, "normalized": False, "rstrip": False}
BERT = {"tokenizer_class": "BertTokenizer"}
KINDS = {
    "plain": Kind(config=BERT),
    "no class": Kind(),
    "class of the file": Kind(
        _normaliser(strip_accents=False), {"tokenizer_class": "PreTrainedTokenizerFast"}
    ),
    "accents": Kind(_normaliser(strip_accents=False), BERT, changed="strip_accents"),
    "accents, no class": Kind(_normaliser(strip_accents=False), changed="strip_accents"),
    "accents, declared null": Kind(
        _normaliser(strip_accents=False), {**BERT, "strip_accents": None}, changed="strip_accents"
    ),
    "accents, declared": Kind(_normaliser(strip_accents=False), {**BERT, "strip_accents": False}),
    "accents, only declared": Kind(config={**BERT, "strip_accents": False}, declared=True),
    "cased": Kind(_normaliser(lowercase=False), BERT, changed="lowercase"),
    "cased, only declared": Kind(config={**BERT, "do_lower_case": False}, declared=True),
    "CJK words": Kind(
        _normaliser(handle_chinese_chars=False), BERT, changed="handle_chinese_chars"
    ),
    "CJK words, only declared": Kind(
        config={**BERT, "tokenize_chinese_chars": False}, declared=True
    ),
    "normaliser": Kind(_lower_only, BERT, changed="normalizer"),
    "pre-tokenizer": Kind(_whitespace, BERT, changed="pre_tokenizer"),
    "template": Kind(_no_sep, BERT, changed="post_processor"),
    "special token of the file": Kind(_special_unused, BERT),
    "special token, only declared": Kind(
        config={**BERT, "added_tokens_decoder": {"1": {**UNUSED, "single_word": False}}},
        declared=True,
    ),
    "left padding": Kind(config={**BERT, "padding_side": "left"}),
    "left truncation": Kind(config={**BERT, "truncation_side": "left"}, declared=True),
    "cut and padded by the file": Kind(_cut, BERT, declared=True),
    "special tokens split": Kind(config={**BERT, "split_special_tokens": True}, declared=True),
    "Unigram, no class": Kind(core="unigram", changed="model"),
    "Unigram of XLM-R": Kind(
        config={"tokenizer_class": "XLMRobertaTokenizer"}, core="unigram", changed="pre_tokenizer"
    ),
    "Unigram, file's class": Kind(
        config={"tokenizer_class": "PreTrainedTokenizerFast"}, core="unigram"
    ),
    "XLM-R that declares RoBERTa": Kind(
        config={"tokenizer_class": "RobertaTokenizer"},
        core="unigram",
        model="xlm-roberta",
        changed="model",
    ),
}


def make_odd_model(kind: Kind, folder: Path) -> str:
    """Writes a random model of one layer with a tokenizer of this kind; returns its directory."""
    folder.mkdir()
    core = _wordpiece() if kind.core == "wordpiece" else _unigram()
    fields = json.loads(core.to_str())
    kind.file(fields)
    names = BERT_NAMES if kind.core == "wordpiece" else XLMR_NAMES
    config = {**names, "model_max_length": LENGTH, **kind.config}
    (folder / "tokenizer.json").write_text(json.dumps(fields), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.manual_seed(3)
    AutoModel.from_config(_model_config(kind, core.get_vocab_size())).save_pretrained(folder)
    return str(folder)


def _model_config(kind: Kind, vocabulary: int) -> PreTrainedConfig:
    sizes: Fields = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "initializer_range": 0.3,
    }
    if kind.model == "xlm-roberta":
        return XLMRobertaConfig(**sizes, max_position_embeddings=162, pad_token_id=1)
    return BertConfig(**sizes, max_position_embeddings=160)


def _wordpiece() -> Tokenizer:
    pieces = [*BERT_SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
    ids = {piece: row for row, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    core.add_special_tokens(list(BERT_NAMES.values()))
    return core


def _unigram() -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.Sequence([normalizers.NFKC()])
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    core.train_from_iterator([*TEXTS, " ".join(WORDS), " ".join(LETTERS)] * 3, trainer)
    ids = [(token, core.token_to_id(token)) for token in ("<s>", "</s>")]
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    return core

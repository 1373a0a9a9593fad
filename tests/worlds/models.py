"""Tiny random encoders with tokenizers of their own, written as Hugging Face directories."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import RobertaProcessing, TemplateProcessing
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from tests.worlds.texts import WORDS
from tests.worlds.world import Model, World

HIDDEN, LAYERS, HEADS, POSITIONS = 32, 2, 4, 64
BERT_SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROBERTA_SPECIAL = {
    **{"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"},
    **{"cls": "<s>", "sep": "</s>"},
}
DENSE, SECOND_DENSE = 12, 8  # dimensions behind dense layers
# As sentence-transformers' files name them.
POOLING_MODES = {
    "cls": "cls_token",
    "mean": "mean_tokens",
    "max": "max_tokens",
    "last": "lasttoken",
    "weighted_mean": "weightedmean_tokens",
    "mean_sqrt_len": "mean_sqrt_len_tokens",
}
LOWER = {"lower": (True, None), "cased": (False, False), "accents": (True, False)}


def write_model(world: World, folder: Path) -> Path:
    """Writes the world's model; its weights are the seed's."""
    logging.disable_progress_bar()
    model = world.model
    backbone = folder / "backbone"
    torch.manual_seed(world.seed)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(model.tokenizer, model.case),
        model_max_length=model.lengths[0] if model.kind == "auto" else POSITIONS,
        **{f"{name}_token": token for name, token in _special(model.tokenizer).items()},
    )
    encoder = AutoModel.from_config(_config(model, tokenizer))
    _shake(encoder)
    encoder.save_pretrained(backbone)
    tokenizer.save_pretrained(backbone)
    if model.declared:
        _declare(model, backbone)
    if model.kind == "auto":
        return backbone
    settings = {
        "pooling": model.pooling,
        "normalize": model.normalize,
        "query_prefix": model.prefixes[0],
        "query_length": model.lengths[0],
        "passage_length": model.lengths[1],
        **model.config,
    }
    settings["passage_template"] = f"{model.prefixes[1]} {settings['passage_template']}".strip()
    retriever = I3Retriever.from_backbone(str(backbone), **settings)
    _shake(retriever)
    target = folder / "model"
    save_model_directory(
        retriever.eval(), I3Tokenizer.from_pretrained(backbone, retriever.config), target
    )
    return target


def _declare(model: Model, folder: Path) -> None:
    """Puts sentence-transformers' files beside an encoder."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [("2_Dense", "Dense")] if model.dense else []
    modules += [("3_Dense", "Dense")] if model.second_dense else []
    modules += [(f"{len(modules)}_Normalize", "Normalize")] if model.normalize else []
    types = [f"sentence_transformers.models.{kind}" for _, kind in modules]
    named = [
        {"idx": n, "name": str(n), "path": path, "type": kind}
        for n, ((path, _), kind) in enumerate(zip(modules, types, strict=True))
    ]
    mode = POOLING_MODES[model.pooling]
    files: dict[str, Any] = {
        "modules.json": named,
        "1_Pooling/config.json": {
            "word_embedding_dimension": HIDDEN,
            **{f"pooling_mode_{name}": name == mode for name in POOLING_MODES.values()},
            "include_prompt": model.include_prompt,
        },
        "sentence_bert_config.json": {
            "max_seq_length": model.lengths[1],
            "do_lower_case": model.lowercase,
        },
        "config_sentence_transformers.json": {
            "__version__": {"sentence_transformers": "3.0.0"},
            "prompts": dict(zip(("query", "document"), map(prompt, model.prefixes), strict=True)),
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    if model.dense:
        weights = {"linear.weight": torch.randn(DENSE, HIDDEN), "linear.bias": torch.randn(DENSE)}
        _write_dense(folder / "2_Dense", weights, "Tanh", "activation")
    if model.second_dense:
        weights = {"linear.weight": torch.randn(SECOND_DENSE, DENSE)}
        _write_dense(folder / "3_Dense", weights, "Identity", "linear")


def _write_dense(folder: Path, weights: dict[str, torch.Tensor], kind: str, module: str) -> None:
    folder.mkdir()
    outer, inner = weights["linear.weight"].shape
    config: dict[str, Any] = {"in_features": inner, "out_features": outer}
    config["bias"] = "linear.bias" in weights
    config["activation_function"] = f"torch.nn.modules.{module}.{kind}"
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights, folder / "model.safetensors")


def prompt(prefix: str) -> str:
    """A prompt, which stands directly before a text, of a prefix."""
    return f"{prefix} " if prefix else ""


def _shake(module: torch.nn.Module) -> None:
    """Moves all weights, so that no two parts are alike, and no bias or scale is trivial."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)


def _config(model: Model, tokenizer: PreTrainedTokenizerFast) -> Any:
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.3,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if model.architecture == "distilbert":
        sizes |= {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 2 * HIDDEN}
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads"):
            sizes.pop(name)
        sizes.pop("intermediate_size")
    if model.architecture in ("electra", "albert"):
        sizes["embedding_size"] = HIDDEN if model.kind == "i3" else HIDDEN // 2
    if model.architecture in ("roberta", "xlm-roberta"):
        sizes |= {"type_vocab_size": 1, "bos_token_id": 0, "eos_token_id": 2}
    return CONFIG_MAPPING[model.architecture](**sizes)


def _special(kind: str) -> dict[str, str]:
    return BERT_SPECIAL if kind == "wordpiece" else ROBERTA_SPECIAL


def _tokenizer(kind: str, case: str) -> Tokenizer:
    return Tokenizer.from_str(json.dumps(_fields(kind, case)))


@cache
def _fields(kind: str, case: str) -> Any:
    make = {"wordpiece": _wordpiece, "bytes": _byte_level, "unigram": _unigram}[kind]
    return json.loads(make(case).to_str())


def _wordpiece(case: str) -> Tokenizer:
    lower, strip = LOWER[case]
    tokens = [*BERT_SPECIAL.values()]
    letters = sorted({letter for word in WORDS for letter in word + word.lower()} | set("aeiouc"))
    tokens += [*letters, *(f"##{letter}" for letter in letters)]
    tokens += [word for word in WORDS if word.isalpha() and word not in tokens]
    tokens += ["##ing", "##ed", "egg", "pho", "##to", "##syn", "##thesis", "query", "passage", ":"]
    tokens = list(dict.fromkeys(tokens))
    core = Tokenizer(models.WordPiece({t: n for n, t in enumerate(tokens)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=lower, strip_accents=strip)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return core


def _byte_level(_: str) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=list(dict.fromkeys(ROBERTA_SPECIAL.values())),
    )
    core.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    core.decoder = decoders.ByteLevel()
    core.post_processor = RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return core


def _unigram(_: str) -> Tokenizer:
    special = list(dict.fromkeys(ROBERTA_SPECIAL.values()))
    letters = sorted({letter for word in WORDS for letter in word} - {"▁"})
    pieces = [*(f"▁{word}" for word in WORDS), "▁", *letters, "▁pho", "to", "syn", "thesis"]
    scored = [(token, 0.0) for token in special]
    scored += [(p, -2.0 - 0.01 * n) for n, p in enumerate(dict.fromkeys(pieces))]
    core = Tokenizer(models.Unigram(scored, unk_id=3))
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return core

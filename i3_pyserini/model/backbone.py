"""Reading a backbone: any Hugging Face encoder and its tokenizer, checked as they come in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig, PreTrainedModel
from transformers import logging as transformers_logging
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from i3_pyserini.errors import I3Error

# A directory without any of these makes AutoTokenizer invent an empty vocabulary.
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
SPECIAL_TOKENS = ("cls_token_id", "sep_token_id", "mask_token_id", "pad_token_id")


def check_name(name_or_dir: str, what: str) -> None:
    """Tells a mistyped path from a hub name, so that the hub is not asked for a path.

    Raises:
        I3Error: it is a file, or has the look of a path but is not there.
    """
    path = Path(name_or_dir)
    if path.is_dir():
        return
    if path.exists():
        hint = (
            "; turn a .p file into one with i3_pyserini.model.convert"
            if path.suffix == ".p"
            else ""
        )
        raise I3Error(f"{what} {name_or_dir}: is a file; name the directory it is in{hint}")
    looks_like_path = path.is_absolute() or name_or_dir.startswith((".", "~"))
    inside_a_folder = len(path.parts) > 1 and path.parent.exists()
    hub_parts = (1, 2) if what == "backbone" else (2,)  # only old backbones have no owner
    if looks_like_path or inside_a_folder or len(path.parts) not in hub_parts:
        raise I3Error(f"{what} {name_or_dir}: no such directory")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers' load reports and bars where our own checks say more."""
    level, hub_level = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()


def load_config(name_or_dir: str) -> PreTrainedConfig:
    """The backbone's configuration, from a directory or the Hugging Face hub.

    Raises:
        I3Error: there is none, or transformers does not know its type.
    """
    check_name(name_or_dir, "backbone")
    try:
        with quiet_transformers():
            config: PreTrainedConfig = AutoConfig.from_pretrained(name_or_dir)
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name_or_dir, "backbone", "config.json", error) from error
    return config


def load_encoder(name_or_dir: str) -> PreTrainedModel:
    """The backbone with its weights, without its pooler; every weight must be in the file.

    Raises:
        I3Error: there are no weights, or some of the encoder's are missing.
    """
    try:
        with quiet_transformers():
            encoder, report = AutoModel.from_pretrained(
                name_or_dir, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name_or_dir, "backbone", "weights", error) from error
    if report["mismatched_keys"]:
        wrong = ", ".join(
            f"{name} {list(found)} instead of {list(expected)}"
            for name, found, expected in sorted(report["mismatched_keys"])
        )
        raise I3Error(f"backbone {name_or_dir}: weights do not have config.json's sizes: {wrong}")
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise I3Error(f"backbone {name_or_dir}: weights are missing: {', '.join(missing)}")
    return prepare_encoder(encoder)


def read_backbone(name_or_dir: str) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The backbone with its weights, and the settings of `I3Config` that it suggests.

    Raises:
        I3Error: it cannot be used.
    """
    config = load_config(name_or_dir)
    tokenizer = load_tokenizer(name_or_dir, config)
    encoder = load_encoder(name_or_dir)
    settings = {"encoder_config": config, **sentence_transformers_settings(name_or_dir)}
    if not has_absolute_positions(encoder):
        settings["pseudo_query_positions"] = "learned"
    for name in ("cls_token_id", "sep_token_id", "mask_token_id"):
        settings[name] = getattr(tokenizer, name)
    return encoder, settings


def new_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """An encoder of this configuration with random weights, without its pooler.

    Its dtype is PyTorch's default, as for all other parts of a model, not the one in which the
    backbone happened to be stored.
    """
    return prepare_encoder(AutoModel.from_config(config, dtype=torch.get_default_dtype()))


def prepare_encoder(encoder: PreTrainedModel) -> PreTrainedModel:
    """Drops the pooler and checks that the encoder has an embedding module.

    Raises:
        I3Error: the encoder is of a kind that the model cannot use.
    """
    if not isinstance(getattr(encoder, "embeddings", None), nn.Module):
        raise I3Error(
            f"backbone type {encoder.config.model_type!r} has no module named 'embeddings', into "
            "which the reconstructor's masks go; use an encoder such as BERT, MiniLM, DistilBERT, "
            "RoBERTa or ModernBERT"
        )
    words: Any = encoder.get_input_embeddings()
    width = words.weight.size(1)
    if width != encoder.config.hidden_size:
        raise I3Error(
            f"backbone type {encoder.config.model_type!r}: embeds words in {width} dimensions but "
            f"its layers have {encoder.config.hidden_size}; the reconstructor needs them equal"
        )
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # type: ignore[assignment]
    return encoder


def position_limit(encoder: PreTrainedModel) -> int | None:
    """Longest input in ids that the encoder has position embeddings for; None if unknown.

    RoBERTa and its kin number positions from `padding_idx + 1` on.
    """
    limit: int | None = getattr(encoder.config, "max_position_embeddings", None)
    table = getattr(encoder.embeddings, "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return limit - padding - 1 if limit and padding is not None else limit


def has_absolute_positions(encoder: PreTrainedModel) -> bool:
    """Whether two [MASK]s at different positions are embedded differently."""
    return getattr(encoder.embeddings, "position_embeddings", None) is not None


def load_tokenizer(name_or_dir: str, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """The backbone's tokenizer.

    Args:
        name_or_dir: a directory or hub name.
        config: the backbone's configuration, which names the tokenizer's kind.

    Raises:
        I3Error: there is none, it lacks a special token, or its vocabulary is larger than
            the backbone's embedding table.
    """
    directory = Path(name_or_dir)
    if directory.is_dir() and not any((directory / name).is_file() for name in VOCABULARY_FILES):
        raise I3Error(
            f"{name_or_dir}: no tokenizer here (none of {', '.join(VOCABULARY_FILES)}); "
            "copy the files of the backbone's tokenizer into it"
        )
    try:
        with quiet_transformers():
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                name_or_dir, config=config
            )
    except Exception as error:  # the tokenizers library raises bare Exception for broken files
        raise unreadable(name_or_dir, "tokenizer", "tokenizer files", error) from error
    for name in SPECIAL_TOKENS:
        if getattr(tokenizer, name) is None:
            raise I3Error(f"{name_or_dir}: the tokenizer has no {name.removesuffix('_id')}")
    if len(tokenizer) > config.vocab_size:
        raise I3Error(
            f"{name_or_dir}: the tokenizer has {len(tokenizer)} tokens but the backbone embeds "
            f"only {config.vocab_size}; they do not belong together"
        )
    return tokenizer


def sentence_transformers_settings(name_or_dir: str) -> dict[str, Any]:
    """`pooling` and `normalize` as a sentence-transformers directory declares them.

    Returns:
        {} where there is no `modules.json`; the model's configuration takes these as defaults,
        so that such a backbone is not silently pooled the wrong way.

    Raises:
        I3Error: it declares a pooling other than the first token or the mean.
    """
    modules = _read_json(name_or_dir, "modules.json")
    if modules is None:
        return {}
    settings: dict[str, Any] = {"normalize": False}
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        if kind == "Normalize":
            settings["normalize"] = True
        elif kind == "Pooling":
            settings["pooling"] = _pooling(name_or_dir, f"{module['path']}/config.json")
        elif kind != "Transformer":
            raise I3Error(f"backbone {name_or_dir}: its {kind} module is not supported")
    return settings


def _pooling(name_or_dir: str, file: str) -> str:
    declared = _read_json(name_or_dir, file) or {}
    modes = {key for key, value in declared.items() if key.startswith("pooling_mode") and value}
    for mode, pooling in (("cls_token", "cls"), ("mean_tokens", "mean")):
        if modes == {f"pooling_mode_{mode}"} or declared.get("pooling_mode") == pooling:
            return pooling
    raise I3Error(
        f"backbone {name_or_dir}: {file} asks for {', '.join(sorted(modes)) or 'no pooling'}; "
        "only the first token or the mean over tokens is supported"
    )


def _read_json(name_or_dir: str, file: str) -> Any:
    path = cached_file(
        name_or_dir,
        file,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise unreadable(name_or_dir, "backbone", file, error) from error


def unreadable(name_or_dir: str, what: str, part: str, error: Exception) -> I3Error:
    """The one-line error for something that transformers could not load.

    Args:
        name_or_dir: what was asked for.
        what: what it should have been ("backbone").
        part: the part that failed ("weights").
        error: what transformers raised.
    """
    detail = next(iter(str(error).splitlines()), type(error).__name__)
    if Path(name_or_dir).exists():
        return I3Error(f"{what} {name_or_dir}: {part} cannot be read: {detail}")
    return I3Error(
        f"{what} {name_or_dir}: no such directory, and the Hugging Face hub did not give it "
        f"({detail}); check the path, or download the model while online"
    )

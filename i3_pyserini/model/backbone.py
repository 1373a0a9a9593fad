"""Loads and checks backbones: Hugging Face encoders and their tokenizers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from i3_pyserini.errors import I3Error, note
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.config import I3Config
from i3_pyserini.model.config_checks import TOKENS
from i3_pyserini.model.declared import declared
from i3_pyserini.model.loading import load_config, quiet_transformers, unreadable
from i3_pyserini.model.pooling import read_dense
from i3_pyserini.model.settings import LENGTHS, prefix_of
from i3_pyserini.model.texts import JOINED
from i3_pyserini.model.tokenizer_loading import check_fits, load_tokenizer


def load_encoder(name_or_dir: str, what: str = "backbone") -> PreTrainedModel:
    """Loads any encoder that returns a vector for each token from ids and a mask.

    Every weight must be in the file, except those of a pooler, which is not used.

    Args:
        name_or_dir: a directory or hub name.
        what: its name in messages: "backbone" or "encoder".

    Raises:
        I3Error: weights are missing, or the model type does not compute vectors from ids and a mask
            alone.
    """
    config = load_config(name_or_dir, what)
    if config.is_encoder_decoder:
        raise I3Error(
            f"{what} {name_or_dir}: type {config.model_type!r} has an encoder and a decoder, and "
            "AutoModel runs both; use an encoder-only model, such as BERT"
        )
    try:
        with quiet_transformers():
            repository, pinned = at_revision(name_or_dir)
            encoder, report = AutoModel.from_pretrained(
                repository,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                **pinned,
            )
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name_or_dir, what, "weights", error) from error
    if report["mismatched_keys"]:
        wrong = ", ".join(
            f"{name} {list(found)} instead of {list(expected)}"
            for name, found, expected in sorted(report["mismatched_keys"])
        )
        raise I3Error(f"{what} {name_or_dir}: sizes of weights differ from config.json: {wrong}")
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key.split("."))
    if missing:
        raise I3Error(f"{what} {name_or_dir}: weights are missing: {', '.join(missing)}")
    _check_output(name_or_dir, what, encoder)
    return encoder  # type: ignore[no-any-return]


@torch.no_grad()
def _check_output(name_or_dir: str, what: str, encoder: PreTrainedModel) -> None:
    """Runs one token with and without padding, to check whether a model type can be used."""
    encoder.eval()
    ids = torch.zeros(1, 2, dtype=torch.int64, device=encoder.device)
    mask = torch.tensor([[1, 0]], device=encoder.device)
    try:
        alone, padded = (
            encoder(input_ids=ids[:, :size], attention_mask=mask[:, :size]).last_hidden_state
            for size in (1, 2)
        )
        same = torch.allclose(alone[0, 0].float(), padded[0, 0].float(), rtol=0.1, atol=0.01)
        reason = "" if same else "the vectors of a text depend on padding"
    except Exception as error:  # whatever the model's own code raises
        reason = " ".join(str(error).split()) or type(error).__name__
    if not reason:
        return
    raise I3Error(
        f"{what} {name_or_dir}: type {encoder.config.model_type!r} gives no vector for each token "
        f"from ids and an attention mask ({reason:.160}); use an encoder such as BERT"
    )


@dataclass(frozen=True)
class Backbone:
    """A backbone with its weights.

    Attributes:
        encoder: the encoder.
        dense: the layers behind its pooling.
        settings: the fields of `I3Config` for what it declares.
        pools_prompts: whether it pools the ids of prompts.
    """

    encoder: PreTrainedModel
    dense: nn.Sequential
    settings: dict[str, Any]
    pools_prompts: bool


def read_backbone(name_or_dir: str, pooling: str | None = None) -> Backbone:
    """Reads a backbone, and what it declares.

    Args:
        name_or_dir: a directory or hub name.
        pooling: the user's; None for what it declares.

    Raises:
        I3Error: it cannot be used, or not with this pooling.
    """
    if Path(name_or_dir).is_dir() and not (Path(name_or_dir) / "config.json").is_file():
        declared(name_or_dir)  # of a router, for example, this says more
    config = load_config(name_or_dir)
    tokenizer = load_tokenizer(name_or_dir, config)
    check_fits(name_or_dir, tokenizer, config)
    encoder = without_pooler(load_encoder(name_or_dir))
    tokens = {name: getattr(tokenizer, name) for name in TOKENS}
    found = declared(name_or_dir)
    settings = {
        "encoder_config": config,
        **(JOINED if tokenizer.sep_token is None else {}),
        **_declared_settings(found, position_limit(encoder)),
        "pseudo_query_positions": _pseudo_query_positions(encoder, tokens),
        **tokens,
    }
    if (pooling or settings.get("pooling", "cls")) == "cls" and _reads_forwards(encoder):
        kind = encoder.config.model_type
        if pooling or "pooling" in settings:
            raise I3Error(
                f"backbone {name_or_dir}: pooling is cls, but type {kind!r} reads from left to "
                "right, so that the first token knows nothing of the text; use pooling last"
            )
        note(f"{name_or_dir}: type {kind!r} reads from left to right; pooling is last")
        settings["pooling"] = "last"
    dense = read_dense(found.get("dense", ()), name_or_dir)
    return Backbone(encoder, dense, settings, found.get("include_prompt", True))


@torch.no_grad()
def _reads_forwards(encoder: PreTrainedModel) -> bool:
    """Whether the vector of a first token is the same whatever follows."""
    mask = torch.ones(1, 2, dtype=torch.int64, device=encoder.device)
    first, other = (
        last_states(encoder, torch.tensor([[0, token]], device=encoder.device), mask)[0, 0]
        for token in (0, 1)
    )
    return torch.equal(first, other)


def new_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """An encoder of this configuration with random weights, without its pooler.

    Its dtype is PyTorch's default, not that of the stored backbone.
    """
    return without_pooler(
        AutoModel.from_config(config, dtype=torch.get_default_dtype(), trust_remote_code=False)
    )


def without_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    """Removes the pooler, which is not used."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # type: ignore[assignment]
    return encoder


def last_states(encoder: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """The encoder's last layer, float [B, T, H], for int64 ids and mask [B, T]."""
    # Decoders keep keys and values of all layers otherwise, for texts that are never continued.
    cache = {"use_cache": False} if hasattr(encoder.config, "use_cache") else {}
    output = encoder(input_ids=input_ids, attention_mask=attention_mask, **cache)
    states: Tensor = output.last_hidden_state
    return states


def embedded_masks(encoder: PreTrainedModel, config: I3Config, length: int, copies: int) -> Tensor:
    """The reconstructor's input, without the positions that it learns itself.

    Args:
        encoder: the passage encoder.
        config: the model's configuration.
        length: ids L of the input.
        copies: B, the number of equal rows, each with its own dropout.

    Returns:
        float [B, L, H]: embedded `[CLS] [MASK] … [SEP]`, or zeros where positions are all there is.
    """
    words: Any = encoder.get_input_embeddings()
    if config.pseudo_query_positions == "vectors":
        zeros: Tensor = words.weight.new_zeros(copies, length, config.hidden_size)
        return zeros
    ids = torch.tensor(config.pseudo_query_ids(length), device=words.weight.device)
    embed: Any = encoder.embeddings
    embeddings: Tensor = embed(input_ids=ids.expand(copies, -1))
    return embeddings


def position_limit(encoder: PreTrainedModel) -> int | None:
    """Longest input in ids that the encoder has position embeddings for; None if unknown.

    RoBERTa-like models number positions from `padding_idx + 1`.
    """
    limit: int | None = getattr(encoder.config, "max_position_embeddings", None)
    if not limit or limit < 0:  # XLNet says -1
        return None
    padding = getattr(_position_table(encoder), "padding_idx", None)
    return limit if padding is None else limit - padding - 1


def check_pseudo_query(encoder: PreTrainedModel, config: I3Config) -> None:
    """Checks that a backbone can embed the reconstructor's input as its configuration says.

    Raises:
        I3Error: it cannot.
    """
    asked = config.pseudo_query_positions
    if config.interaction == "none" or asked == "vectors" or _embeds_masks(encoder):
        return
    raise I3Error(
        f"pseudo_query_positions is {asked!r}, but type {encoder.config.model_type!r} does not "
        f"embed masks in the {config.hidden_size} dimensions of its layers; use 'vectors'"
    )


def _embeds_masks(encoder: PreTrainedModel) -> bool:
    """Whether its embeddings are a module, whose vectors have the dimension of its layers."""
    words: Any = encoder.get_input_embeddings()
    has_module = isinstance(getattr(encoder, "embeddings", None), nn.Module)
    return has_module and words.weight.size(1) == encoder.config.hidden_size


def _pseudo_query_positions(encoder: PreTrainedModel, tokens: Mapping[str, int | None]) -> str:
    """What the reconstructor's input can be: see `I3Config.pseudo_query_positions`."""
    if not _embeds_masks(encoder) or None in tokens.values():
        return "vectors"
    return "learned" if _position_table(encoder) is None else "backbone"


def _position_table(encoder: PreTrainedModel) -> Any:
    embeddings = getattr(encoder, "embeddings", None)
    return getattr(embeddings, "position_embeddings", None)


def _declared_settings(found: Mapping[str, Any], positions: int | None) -> dict[str, Any]:
    """The `I3Config` fields for the declarations of a sentence-transformers model.

    With them, an untrained I³ model with residual initialization has the model's own vectors; title
    and text are joined by a space.
    """
    if not found:
        return {}
    settings = {name: found[name] for name in found.keys() - {"similarity", "include_prompt"}}
    layers = map(asdict, found["dense"])
    settings["dense"] = [{n: layer[n] for n in layer.keys() - {"folder"}} for layer in layers]
    for name in LENGTHS:
        if name in found and positions is not None:
            settings[name] = min(found[name], positions)
    prefix = prefix_of(found.get("query_prompt", ""))
    if prefix is not None:  # stock search supports this prefix for queries too
        settings["query_prefix"] = prefix
        del settings["query_prompt"]
    return {**settings, **JOINED}

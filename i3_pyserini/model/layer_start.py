"""Starts the modules that I³ adds from weights of the backbone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from i3_pyserini.errors import I3Error, note
from i3_pyserini.model.config import I3Config
from i3_pyserini.model.modules import (
    Attention,
    FeedForward,
    QueryPassageInteractor,
    QueryReconstructor,
    ReconstructionHead,
)

# Parts of `Attention` and `FeedForward` by the names of the same parts in layers of post-LayerNorm
# encoders: BERT and its kin (RoBERTa, ELECTRA, XLM-R), MPNet, DistilBERT.
FAMILIES = (
    {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm": "output.LayerNorm",
    },
    {
        "query": "attention.attn.q",
        "key": "attention.attn.k",
        "value": "attention.attn.v",
        "output": "attention.attn.o",
        "attention_norm": "attention.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm": "output.LayerNorm",
    },
    {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "norm": "output_layer_norm",
    },
)


AUTO = "auto"  # of `layer_init`, for a new model


def chosen_layer_init(encoder: PreTrainedModel, fields: dict[str, Any]) -> dict[str, Any]:
    """What `layer_init` is for a backbone if it is "auto": "backbone" where layers can be copied.

    Args:
        encoder: the backbone.
        fields: of `I3Config`, where `layer_init` may be "auto".

    Returns:
        `layer_init`, or nothing if it is not "auto".
    """
    if fields.get("layer_init") != AUTO:
        return {}
    if _last_layer(encoder):
        return {"layer_init": "backbone"}
    if fields.get("interaction") != "none":
        note(
            f"layers of type {encoder.config.model_type!r} cannot be copied: reconstructor and "
            "interactor are initialized at random (layer_init original)"
        )
    return {"layer_init": "original"}


def start_from(
    encoder: PreTrainedModel,
    config: I3Config,
    reconstructor: QueryReconstructor,
    interactor: QueryPassageInteractor,
    head: ReconstructionHead,
    pieces: Sequence[Sequence[int]] | None = None,
) -> None:
    """Copies what `layer_init` and `reconstruction_head_init` ask for.

    Args:
        encoder: the backbone.
        config: the model's configuration.
        reconstructor: changed in place.
        interactor: likewise.
        head: likewise.
        pieces: the encoder's ids of each word that is scored; None if the vocabulary is its own.

    Raises:
        I3Error: see `copy_last_layer`.
    """
    if config.layer_init == "backbone":
        copy_last_layer(encoder, reconstructor, interactor)
    if config.reconstruction_head_init == "embeddings":
        words = _words(encoder)
        if pieces is not None:
            nothing = words.new_zeros(1, words.size(1))
            words = torch.cat([words[ids].mean(0, True) if ids else nothing for ids in pieces])
        head.decoder.weight.data.copy_(words)


@torch.no_grad()
def _words(encoder: PreTrainedModel) -> Tensor:
    """The word embeddings [V, H], projected as the encoder projects narrower ones (ALBERT)."""
    embeddings: Any = encoder.get_input_embeddings()
    words: Tensor = embeddings.weight
    narrow, wide = words.size(1), encoder.config.hidden_size
    if narrow == wide:
        return words
    for module in encoder.modules():
        if isinstance(module, nn.Linear) and module.weight.shape == (wide, narrow):
            projected: Tensor = module(words)
            return projected
    raise I3Error(
        f"reconstruction_head_init is embeddings, but {encoder.config.model_type!r} embeds words "
        f"in {narrow} dimensions, not {wide}; use reconstruction_head_init original"
    )


def copy_last_layer(
    encoder: PreTrainedModel, reconstructor: QueryReconstructor, interactor: QueryPassageInteractor
) -> None:
    """Copies the weights of an encoder's last layer into all layers of both modules.

    The attention to the passage gets those of the self-attention.

    Args:
        encoder: the backbone.
        reconstructor: changed in place.
        interactor: likewise.

    Raises:
        I3Error: the backbone's layers are of another kind.
    """
    last = _last_layer(encoder)
    if not last:
        raise I3Error(
            f"layer_init is backbone, but layers of type {encoder.config.model_type!r} cannot be "
            "copied; use a backbone such as BERT, RoBERTa, MPNet or DistilBERT, or layer_init auto"
        )
    for module in (*reconstructor.modules(), *interactor.modules()):
        if isinstance(module, Attention):
            _copy(last, module, {n: n for n in ("query", "key", "value", "output")})
            _copy(last, module, {"layer_norm": "attention_norm"})
        elif isinstance(module, FeedForward):
            _copy(last, module, {"up": "up", "down": "down", "layer_norm": "norm"})


def _last_layer(encoder: PreTrainedModel) -> dict[str, nn.Module]:
    """The parts of the last layer, by the names of `FAMILIES`; empty for layers of other kinds."""
    lists = [one for one in encoder.modules() if isinstance(one, nn.ModuleList) and len(one)]
    if lists:
        parts = dict(lists[0][-1].named_modules())
        for names in FAMILIES:
            if all(name in parts for name in names.values()):
                return {own: parts[name] for own, name in names.items()}
    return {}


@torch.no_grad()
def _copy(last: dict[str, nn.Module], module: nn.Module, names: dict[str, str]) -> None:
    for own, other in names.items():
        getattr(module, own).load_state_dict(last[other].state_dict())

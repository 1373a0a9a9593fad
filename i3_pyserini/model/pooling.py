"""From token vectors to the vector of a text: pooling, dense layers, normalization."""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from i3_pyserini.errors import I3Error
from i3_pyserini.model.declared import ACTIVATIONS, path_of
from i3_pyserini.model.settings import POOLINGS, DenseLayer, EncoderSettings
from i3_pyserini.model.torch_files import read_torch_file

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
MEANS = ("mean", "weighted_mean", "mean_sqrt_len")


def pool(states: Tensor, attention_mask: Tensor, pooling: str, skip: int = 0) -> Tensor:
    """Pools token vectors, in float32 for half-precision input.

    Args:
        states: float [B, T, H], padded on either side.
        attention_mask: int64 [B, T], 1 at tokens, 0 at padding.
        pooling: one of `i3_pyserini.model.settings.POOLINGS`.
        skip: number of tokens at the beginning of each text that are not pooled, such as a prompt;
            with "weighted_mean" the others keep the weights of their positions.

    Returns:
        float [B, H].

    Source: sentence-transformers 6.2, `modules/pooling.py`.
    """
    if states.dtype in (torch.float16, torch.bfloat16):
        states = states.float()
    places = attention_mask.cumsum(dim=1)  # 1 for the first token
    mask = attention_mask * (places > skip) if skip else attention_mask
    if pooling == "cls":
        return _at(states, mask.argmax(dim=1))
    if pooling == "last":
        last = mask.size(1) - 1 - mask.flip(1).argmax(dim=1)
        return _at(states, last)
    if pooling == "max":
        outside = mask.unsqueeze(-1) == 0
        return states.masked_fill(outside, float("-inf")).max(dim=1).values
    if pooling not in MEANS:
        raise ValueError(f"pooling {pooling!r}: expected one of {', '.join(POOLINGS)}")
    if pooling == "weighted_mean":
        mask = mask * places
    weights = mask.unsqueeze(-1).to(states.dtype)
    total = weights.sum(dim=1).clamp(min=1e-9)
    if pooling == "mean_sqrt_len":
        total = total.sqrt()
    return (states * weights).sum(dim=1) / total


class VectorHead(nn.Module):
    """Everything after an encoder's last layer: pooling, dense layers, normalization.

    Args:
        settings: the encoder settings.
        folder: the model directory or hub name with the weights of dense layers.
        skip: see `pool`.

    Raises:
        I3Error: a dense layer's weights are missing or damaged.
    """

    def __init__(self, settings: EncoderSettings, folder: str, skip: int = 0) -> None:
        super().__init__()
        self.pooling, self.normalize, self.skip = settings.pooling, settings.normalize, skip
        self.dense = read_dense(settings.dense, folder).requires_grad_(False)

    def forward(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Token vectors [B, T, H] to float [B, D]."""
        vectors = self.dense(pool(states, attention_mask, self.pooling, self.skip))
        return F.normalize(vectors, dim=-1) if self.normalize else vectors


class Dense(nn.Module):
    """One dense layer, `Dense` of sentence-transformers, with names of weights as in its files.

    Args:
        layer: its sizes and activation.

    Raises:
        I3Error: its activation is not a class of `torch.nn`.
    """

    def __init__(self, layer: DenseLayer) -> None:
        super().__init__()
        self.linear = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias)
        self.activation = _activation(layer.activation)
        self.is_residual = layer.residual
        self.residual: nn.Module = nn.Identity()
        if layer.residual and layer.in_features != layer.out_features:
            self.residual = nn.Linear(layer.in_features, layer.out_features, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [B, in_features] to float32 [B, out_features]."""
        weight = self.linear.weight
        vectors = vectors.to(weight.dtype)
        out: Tensor = self.activation(self.linear(vectors))
        return (out + self.residual(vectors) if self.is_residual else out).float()


def dense_layers(layers: Iterable[DenseLayer]) -> nn.Sequential:
    """Dense layers with random weights; none of them is the identity.

    Raises:
        I3Error: see `Dense`.
    """
    return nn.Sequential(*map(Dense, layers))


def read_dense(layers: Sequence[DenseLayer], folder: str) -> nn.Sequential:
    """Dense layers with their weights.

    Args:
        layers: what the model declares.
        folder: the model directory or hub name.

    Raises:
        I3Error: weights are missing or damaged, or see `Dense`.
    """
    modules = dense_layers(layers)
    for layer, module in zip(layers, modules, strict=True):
        path = next(
            (p for name in WEIGHTS if (p := path_of(folder, f"{layer.folder}/{name}"))), None
        )
        if path is None:
            raise I3Error(f"{folder}/{layer.folder}: no weights here ({' or '.join(WEIGHTS)})")
        try:
            module.load_state_dict(_tensors(path))
        except (OSError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise I3Error(f"{path}: not the weights of this Dense module ({reason})") from error
    return modules


def _tensors(path: Path) -> dict[str, Tensor]:
    return load_file(path) if path.suffix == ".safetensors" else read_torch_file(path)


def _activation(name: str) -> nn.Module:
    """A class of `torch.nn` by its full name.

    Raises:
        I3Error: it does not exist, or the name is of other code, which is not imported.
    """
    module, _, kind = name.rpartition(".")
    found = None
    if name.startswith(ACTIVATIONS):
        try:
            found = getattr(importlib.import_module(module), kind)
        except (ImportError, AttributeError) as error:
            raise I3Error(f"Dense module: no activation {name} in this torch") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise I3Error(f"Dense module: the activation {name} is not a class of torch.nn")
    return found()


def _at(states: Tensor, places: Tensor) -> Tensor:
    index = places.view(-1, 1, 1).expand(-1, 1, states.size(-1))
    return states.gather(1, index).squeeze(1)

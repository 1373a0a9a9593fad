"""BERT in NumPy, for query encoders. Starts in half a second; torch and transformers need six.

Queries are short and few, so starting takes longer than computing. This is the forward pass of
`BertModel` in `transformers` without dropout; `tests/model/test_numpy_bert.py` compares both. Other
architectures, and weight types that NumPy lacks, use transformers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3_pyserini.formats.records import read_object

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ids = np.ndarray[Any, np.dtype[np.int64]]

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = ("F16", "F32")
CHUNK = 1 << 15  # numbers that an activation is computed of at a time: they stay in the cache
# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: |error| < 1.5e-7.
ERF_P = 0.3275911
ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@dataclass(frozen=True)
class _Layer:
    """One layer's weights, each [inputs, outputs]; `qkv` makes query, key and value together."""

    qkv: tuple[Floats, Floats]
    attention: tuple[Floats, Floats]
    attention_norm: tuple[Floats, Floats]
    up: tuple[Floats, Floats]
    down: tuple[Floats, Floats]
    output_norm: tuple[Floats, Floats]


class NumpyBert:
    """A BERT encoder without its pooler.

    Args:
        config: the fields of its `config.json`.
        weights: its tensors, under BERT's names without a prefix.

    Attributes:
        hidden_size: the vectors' dimension, H.
        positions: longest input in ids.
        vocabulary: number of ids with embeddings.
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Floats]) -> None:
        self.hidden_size: int = config["hidden_size"]
        self.positions: int = config["max_position_embeddings"]
        self._heads: int = config["num_attention_heads"]
        self._eps: float = config["layer_norm_eps"]
        self._words = weights["embeddings.word_embeddings.weight"]
        self.vocabulary: int = len(self._words)
        # All tokens are of the first type.
        types = weights["embeddings.token_type_embeddings.weight"][0]
        self._places = weights["embeddings.position_embeddings.weight"] + types
        self._norm = _norm(weights, "embeddings.LayerNorm")
        self._layers = [_layer(weights, n) for n in range(config["num_hidden_layers"])]

    def __call__(self, ids: Ids, mask: Ids) -> Floats:
        """The last layer's vectors.

        Args:
            ids: int64 [B, T].
            mask: int64 [B, T], 1 at tokens, 0 at padding.

        Returns:
            float32 [B, T, H].
        """
        states = self._words[ids] + self._places[: ids.shape[1]]
        states = self._normalise(states, self._norm)
        bias = np.where(mask[:, None, None, :] > 0, np.float32(0), np.finfo(np.float32).min)
        for layer in self._layers:
            mixed = _linear(self._attend(states, layer, bias), layer.attention)
            states = self._normalise(mixed + states, layer.attention_norm)
            inner = _linear(_gelu(_linear(states, layer.up)), layer.down)
            states = self._normalise(inner + states, layer.output_norm)
        return states

    def _attend(self, states: Floats, layer: _Layer, bias: Floats) -> Floats:
        batch, length, hidden = states.shape
        size = hidden // self._heads
        split = _linear(states, layer.qkv).reshape(batch, length, 3, self._heads, size)
        query, key, value = (split[:, :, part].transpose(0, 2, 1, 3) for part in range(3))
        scores: Floats = query @ key.transpose(0, 1, 3, 2)
        scores *= np.float32(1 / math.sqrt(size))
        scores += bias
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        context: Floats = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, hidden)
        return context

    def _normalise(self, states: Floats, norm: tuple[Floats, Floats]) -> Floats:
        mean: Floats = states.mean(axis=-1, keepdims=True)
        states = states - mean
        variance = np.einsum("btk,btk->bt", states, states)[..., None] / self.hidden_size
        states /= np.sqrt(variance + np.float32(self._eps))
        states *= norm[0]
        states += norm[1]
        return states


def load_numpy_bert(directory: Path) -> NumpyBert | None:
    """Reads a BERT encoder.

    Args:
        directory: a folder with `config.json` and safetensors.

    Returns:
        The encoder; None if transformers is required: another architecture or activation, weights
        other than float16 or float32, or invalid files (transformers then reports the error).
    """
    try:
        config = read_object(directory / "config.json")
        if not _is_plain_bert(config):
            return None
        weights = _read_weights(directory)
        return None if weights is None else _checked(NumpyBert(config, weights))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        return None


def _checked(encoder: NumpyBert) -> NumpyBert | None:
    """The encoder, if its weights fit together: a token has a vector, and all positions are there.

    Raises:
        ValueError: they do not; or another of the exceptions that NumPy has for that.
    """
    token = np.zeros((1, 1), dtype=np.int64)
    with np.errstate(all="ignore"):
        fits = encoder(token, token + 1).shape == (1, 1, encoder.hidden_size)
    has_positions = 0 < encoder.positions <= len(encoder._places)
    return encoder if fits and has_positions else None


def _is_plain_bert(config: Mapping[str, Any]) -> bool:
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def _read_weights(directory: Path) -> dict[str, Floats] | None:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  (only to read weights)

    files = [directory / WEIGHTS]
    if (directory / INDEX).is_file():
        index = read_object(directory / INDEX)
        files = [directory / name for name in sorted(set(index["weight_map"].values()))]
    weights: dict[str, Floats] = {}
    for path in files:
        if path.parent != directory:  # an index may name files outside its folder
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118  (it is no dictionary)
                    if file.get_slice(name).get_dtype() in DTYPES:
                        tensor = file.get_tensor(name).astype(np.float32, copy=False)
                        weights[_plain_name(name)] = tensor
        except SafetensorError:
            return None
    return weights


def _plain_name(name: str) -> str:
    """BERT's own names, without a model prefix and without old TensorFlow names."""
    name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
    return name.replace("LayerNorm.beta", "LayerNorm.bias")


def _layer(weights: Mapping[str, Floats], number: int) -> _Layer:
    name = f"encoder.layer.{number}"
    parts = [
        _matrix(weights, f"{name}.attention.self.{part}") for part in ("query", "key", "value")
    ]
    qkv = np.concatenate([part[0] for part in parts], axis=1)
    return _Layer(
        (np.ascontiguousarray(qkv), np.concatenate([part[1] for part in parts])),
        _matrix(weights, f"{name}.attention.output.dense"),
        _norm(weights, f"{name}.attention.output.LayerNorm"),
        _matrix(weights, f"{name}.intermediate.dense"),
        _matrix(weights, f"{name}.output.dense"),
        _norm(weights, f"{name}.output.LayerNorm"),
    )


def _matrix(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"]


def _norm(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _linear(states: Floats, weights: tuple[Floats, Floats]) -> Floats:
    """One product for all tokens of a batch, which is fast with BLAS."""
    flat = states.reshape(-1, states.shape[-1]) @ weights[0]
    flat += weights[1]
    output: Floats = flat.reshape(*states.shape[:-1], -1)
    return output


def _gelu(states: Floats) -> Floats:
    """x/2 · (1 + erf(x/√2)), in place."""
    flat = states.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        size = np.abs(part)
        size *= np.float32(1 / math.sqrt(2))
        step = size * np.float32(ERF_P)
        step += np.float32(1)
        np.reciprocal(step, out=step)
        tail = step * np.float32(ERF[0])
        for factor in ERF[1:]:
            tail += np.float32(factor)
            tail *= step
        size *= size
        np.negative(size, out=size)
        np.exp(size, out=size)
        tail *= size  # 1 - erf(|x|/√2)
        half = part * np.float32(0.5)
        # x/2·(1 + erf) is x - x/2·tail above zero and x/2·tail below.
        tail *= half
        np.subtract(part, tail, out=part, where=part > 0)
        np.copyto(part, tail, where=half <= 0)
    return states

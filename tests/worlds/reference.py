"""What a world's vectors and hits should be, written down a second time with plain transformers.

One text at a time, without padding; ids from `tokenizer.json` itself; every inner product. Nothing
of the package's is used but the files that it writes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, normalizers
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import CONFIG_MAPPING, AutoModel
from transformers.activations import ACT2FN

from tests.worlds.models import POSITIONS, prompt
from tests.worlds.world import Record, World

Vectors = np.ndarray[Any, np.dtype[np.float32]]
# As the original reads a collection with pandas.
MISSING = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"}
MISSING |= {"1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}


@dataclass(frozen=True)
class Ranked:
    """What is right for a ranking.

    Attributes:
        docids: what is ranked.
        scores: float64 [Q, N].
    """

    docids: list[str]
    scores: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Reference:
    """What is right for a world.

    Attributes:
        docids: ids of the passages, in order.
        passages: float32 [N, H].
        queries: float32 [Q, H].
        scores: float64 [Q, N].
    """

    docids: list[str]
    passages: Vectors
    queries: Vectors

    @property
    def scores(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """All inner products, float64 [Q, N]."""
        scores: np.ndarray[Any, np.dtype[np.float64]] = (
            self.queries.astype(np.float64) @ self.passages.astype(np.float64).T
        )
        return scores


@torch.inference_mode()
def reference_of(world: World, model: Path) -> Reference:
    """Encodes a world's texts with the model that is written at `model`."""
    passages: list[Tensor]
    side = model if world.model.kind == "auto" else model / "query_encoder"
    encoder, tokenizer = AutoModel.from_pretrained(side).eval(), _tokenizer(world, side)
    ahead = prompt(world.model.prefixes[0])
    queries = [
        _vector(world, side, encoder, tokenizer, (ahead + text, None), 0)
        for text in world.topics.values()
    ]
    if world.model.kind == "i3":
        passages = _i3_passages(world, model)
    else:
        passages = [
            _vector(world, side, encoder, tokenizer, text, 1) for text in _auto_passages(world)
        ]
    return Reference(
        [record.docid for record in world.records],
        torch.stack(passages).numpy(),
        torch.stack(queries).numpy(),
    )


def lengths_of(world: World, model: Path, passages: Sequence[Record]) -> list[int]:
    """The ids of whole passages, none of them cut."""
    world = replace(world, records=tuple(passages))
    tokenizer = _tokenizer(world, model)
    texts = _i3_texts(world, model) if world.model.kind == "i3" else _auto_passages(world)
    return [len(tokenizer.encode(*text).ids) for text in texts]


def _auto_passages(world: World) -> list[tuple[str, str | None]]:
    """Each passage's text and its pair.

    A prefix is where Pyserini's AutoDocumentEncoder puts it, behind the title; a prompt that the
    model declares is before both. A title that is not there leaves nothing behind.
    """
    ahead, declared = prompt(world.model.prefixes[1]), world.model.declared
    made: list[tuple[str, str | None]] = []
    for record in world.records:
        title = record.title or ""
        if not world.titles:
            made.append((ahead + record.text, None))
        elif world.model.add_sep:
            made.append((title, ahead + record.text))
        elif declared or not title:
            made.append((f"{ahead}{title} {record.text}" if title else ahead + record.text, None))
        else:
            made.append((f"{title} {ahead}{record.text}", None))
    return made


def _vector(
    world: World,
    folder: Path,
    encoder: Any,
    tokenizer: Tokenizer,
    text: tuple[str, str | None],
    side: int,
) -> Tensor:
    """A text's vector; `side` is 0 for queries and 1 for passages."""
    model = world.model
    ids = _ids(tokenizer, text[0], min(model.lengths[side], POSITIONS), text[1])
    states, skipped = _states(encoder, ids), 0
    if not model.include_prompt and model.prefixes[side]:
        skipped = len(tokenizer.encode(prompt(model.prefixes[side])).ids) - 1  # without the end
    vector = _pool(world, states, skipped)
    if model.dense:
        weights = load_file(folder / "2_Dense" / "model.safetensors")
        vector = torch.tanh(weights["linear.weight"] @ vector + weights["linear.bias"])
    if model.second_dense:  # without an activation or a bias
        weights = load_file(folder / "3_Dense" / "model.safetensors")
        vector = weights["linear.weight"] @ vector
    return _finish(world, vector)


def _i3_passages(world: World, model: Path) -> list[Tensor]:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    weights = load_file(model / "model-passages.safetensors")
    own = dict(config["encoder_config"])
    encoder_config = CONFIG_MAPPING[own.pop("model_type")](**own)
    encoder = AutoModel.from_config(encoder_config).eval()
    state = _part(weights, "passage_encoder.")
    missing = encoder.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys
    assert not [key for key in missing.missing_keys if not key.startswith("pooler.")]
    tokenizer = _tokenizer(world, model)
    parts = _Parts(weights, encoder_config)
    vectors = []
    for text, _ in _i3_texts(world, model):
        ids = _ids(tokenizer, text, world.model.lengths[1])
        vectors.append(_finish(world, parts.vector(world, encoder, _states(encoder, ids), config)))
    return vectors


def _i3_texts(world: World, model: Path) -> list[tuple[str, None]]:
    """Each passage in the model's template."""
    sep = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))["sep_token"]
    template = world.model.config["passage_template"]
    template = f"{world.model.prefixes[1]} {template}".strip()
    made: list[tuple[str, None]] = []
    for record in world.records:
        title = (record.title or "") if world.titles else ""
        title, text = ("NA" if part in MISSING else part for part in (title, record.text))
        made.append((template.format(title=title, sep=sep, text=text), None))
    return made


class _Parts:
    """Reconstructor and interactor, layer by layer from the weights' names."""

    def __init__(self, weights: Mapping[str, Tensor], config: Any) -> None:
        self.weights = weights
        self.heads = config.num_attention_heads
        self.eps = getattr(config, "layer_norm_eps", 1e-12)
        self.act = ACT2FN[getattr(config, "hidden_act", None) or config.activation]

    def vector(
        self, world: World, encoder: Any, states: Tensor, config: Mapping[str, Any]
    ) -> Tensor:
        """A passage's vector of its token vectors [T, H]; the paper's figure 2."""
        pooled = _pool(world, states)
        interaction = world.model.config["interaction"]
        if interaction == "none":
            return pooled
        special = [config["cls_token_id"], config["mask_token_id"], config["sep_token_id"]]
        masks = world.model.config["pseudo_query_length"] - 2
        ids = torch.tensor([[special[0], *[special[1]] * masks, special[2]]])
        query = encoder.embeddings(input_ids=ids)[0]
        start = world.model.config["interactor_init"]
        length = pooled.square().mean().sqrt() if start == "scaled" else 1.0
        memory = pooled[None] / length if interaction == "released" else states
        for n in range(world.model.config["num_head_layers"]):
            place = f"reconstructor.layers.{n}"
            query = self._attend(f"{place}.self_attention", query, query)
            query = self._attend(f"{place}.passage_attention", query, memory)
            query = self._feed(f"{place}.feed_forward", query)
        if interaction == "released":
            mixed = torch.stack([pooled / length, query.mean(dim=0)])
        else:
            mixed = torch.cat([states, query])
        for n in range(world.model.config["num_head_layers"]):
            place = f"interactor.layers.{n}"
            mixed = self._attend(f"{place}.self_attention", mixed, mixed)
            mixed = self._feed(f"{place}.feed_forward", mixed)
        result = mixed[0] if interaction == "released" else _pool(world, mixed[: len(states)])
        if start == "original":
            return result
        return pooled + length * self._linear("interactor.residual_projection", result)

    def _linear(self, name: str, vectors: Tensor) -> Tensor:
        return F.linear(vectors, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, vectors: Tensor) -> Tensor:
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.layer_norm(vectors, (vectors.size(-1),), scale, shift, self.eps)

    def _attend(self, name: str, states: Tensor, memory: Tensor) -> Tensor:
        found = []
        size = states.size(1) // self.heads
        query = self._linear(f"{name}.query", states)
        key, value = (self._linear(f"{name}.{part}", memory) for part in ("key", "value"))
        for head in range(self.heads):
            some = slice(head * size, (head + 1) * size)
            weights = (query[:, some] @ key[:, some].T / size**0.5).softmax(dim=-1)
            found.append(weights @ value[:, some])
        mixed = self._linear(f"{name}.output", torch.cat(found, dim=1))
        return self._norm(f"{name}.layer_norm", states + mixed)

    def _feed(self, name: str, states: Tensor) -> Tensor:
        inner = self.act(self._linear(f"{name}.up", states))
        return self._norm(f"{name}.layer_norm", states + self._linear(f"{name}.down", inner))


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _tokenizer(world: World, folder: Path) -> Tokenizer:
    core = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if world.model.lowercase:
        own = [core.normalizer] if core.normalizer else []
        core.normalizer = normalizers.Sequence([normalizers.Lowercase(), *own])
    return core


def _ids(tokenizer: Tokenizer, text: str, length: int, pair: str | None = None) -> list[int]:
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    ids: list[int] = tokenizer.encode(text, pair).ids
    return ids


def _states(encoder: Any, ids: list[int]) -> Tensor:
    """Token vectors [T, H]."""
    row = torch.tensor([ids])
    states: Tensor = encoder(input_ids=row, attention_mask=torch.ones_like(row)).last_hidden_state[
        0
    ]
    return states


def _pool(world: World, states: Tensor, skipped: int = 0) -> Tensor:
    """One vector [H] of token vectors [T, H], without the first ones that are skipped."""
    places = torch.arange(1, len(states) + 1)[:, None].float()
    states, places = states[skipped:], places[skipped:]
    pooled = {
        "cls": lambda: states[0],
        "mean": lambda: states.mean(dim=0),
        "max": lambda: states.max(dim=0).values,
        "last": lambda: states[-1],
        "weighted_mean": lambda: (states * places).sum(dim=0) / places.sum(),
        "mean_sqrt_len": lambda: states.sum(dim=0) / len(states) ** 0.5,
    }
    vector: Tensor = pooled[world.model.pooling]()
    return vector


def _finish(world: World, vector: Tensor) -> Tensor:
    return vector / vector.norm() if world.model.normalize else vector

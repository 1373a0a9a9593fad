"""Encoders with Pyserini's protocol: `encode(texts=…, titles=…)` and `encode(query)`.

They need no pyserini: its searchers take any object with these methods.
"""

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from i3_pyserini.encode.compute import Backend, passage_function
from i3_pyserini.encode.gpu import fitting_tokens
from i3_pyserini.encode.parallel import batches_at_once
from i3_pyserini.model.devices import torch_device
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.settings import QUERY_ENCODER
from i3_pyserini.model.texts import TokenIds, padded_batch
from i3_pyserini.model.tokenizer import I3Tokenizer

CPU_TOKENS = 1024  # tokens per batch; larger batches are not faster on CPUs, see benchmarks

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class DocumentEncoder(Protocol):
    """The interface of a passage encoder.

    Attributes:
        dimension: the vectors' dimension, H.
        batch_tokens: recommended tokens per batch with padding.
        at_once: recommended number of batches that several threads encode at once.
    """

    dimension: int

    @property
    def batch_tokens(self) -> int: ...  # noqa: D102  (above)
    @property
    def at_once(self) -> int: ...  # noqa: D102  (above)

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        """The ids of N passages, with special tokens, truncated to the model's length.

        If they are `TokenIds`, they include the number of truncated passages.
        """
        ...

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes a batch of B passages given as ids to float32 [B, H]."""
        ...

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Vectors:
        """Encodes B passages to float32 [B, H]."""
        ...


def padding_id(tokenizer: Any) -> int:
    """The padding id. Without one, any id can be used, since padding is masked."""
    for name in ("pad_token_id", "eos_token_id", "unk_token_id"):
        value = getattr(tokenizer, name)
        if value is not None:
            return int(value)
    return 0


class PassageEncoder:
    """Base of passage encoders: padding, running the model, and Pyserini's interface.

    Args:
        module: maps ids and mask, int64 [B, T], to float [B, H].
        tokenizer: a Hugging Face tokenizer.
        device: device to run on.
        dtype: "fp32", "bf16" or "fp16".
        backend: see `passage_function`.
        longest: ids of the longest passage.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        device: torch.device,
        dtype: str,
        backend: Backend,
        longest: int,
    ) -> None:
        self._run = passage_function(module, device, dtype, backend)
        self._pad_id = padding_id(tokenizer)
        self._device, self._longest = device, longest

    @cached_property
    def batch_tokens(self) -> int:
        """See `DocumentEncoder`; on a GPU, measured on first use."""
        if self._device.type == "cpu":
            return CPU_TOKENS
        return fitting_tokens(self._run, self._device, self._longest)

    @property
    def at_once(self) -> int:
        """See `DocumentEncoder`."""
        return batches_at_once(self._device)

    @property
    def ids(self) -> Callable[..., TokenIds]:
        """See `DocumentEncoder`; a function without the model, for other processes."""
        raise NotImplementedError

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes a batch of B passages given as ids to float32 [B, H].

        Padding is always on the right, whatever the tokenizer declares. Left padding would shift
        the positions of a text depending on the other texts of the batch.
        """
        return self._run(*padded_batch(ids, self._pad_id))

    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None, **_: Any
    ) -> Vectors:
        """Encodes B passages in one batch, for Pyserini.

        Args:
            texts: their texts.
            titles: their titles; None for a missing title, or for no titles.
            **_: other arguments that Pyserini passes.

        Returns:
            float32 [B, H].
        """
        return self.vectors(self.ids(texts, titles))


class I3DocumentEncoder(PassageEncoder):
    """Encodes passages with the settings of the model's configuration.

    Args:
        model_name: a model directory, or a hub name.
        device: such as "cuda:0"; None for the first GPU, or the CPU if there is none.
        fp16: Pyserini's name for `dtype="fp16"`.
        dtype: "fp32", "bf16" or "fp16".
        backend: see `passage_function`.
        **_: ignored arguments that Pyserini passes to every encoder; lengths, pooling and so on
            are in the model's configuration.
    """

    def __init__(
        self,
        model_name: str,
        device: str | None = None,
        fp16: bool = False,
        dtype: str = "fp32",
        backend: Backend = "torch",
        **_: Any,
    ) -> None:
        model, tokenizer = load_model_directory(model_name)
        self._use(model, tokenizer, torch_device(device), "fp16" if fp16 else dtype, backend)

    @classmethod
    def of(cls, model: I3Retriever, tokenizer: I3Tokenizer, dtype: str = "fp32") -> Self:
        """The encoder of a model in memory, such as one in training; it uses a copy.

        Args:
            model: the model, on the device to use.
            tokenizer: its tokenizer.
            dtype: "fp32", "bf16" or "fp16".
        """
        encoder = cls.__new__(cls)
        encoder._use(copy.deepcopy(model), tokenizer, model.device, dtype, "torch")
        return encoder

    def _use(
        self,
        model: I3Retriever,
        tokenizer: I3Tokenizer,
        device: torch.device,
        dtype: str,
        backend: Backend,
    ) -> None:
        self.device, self.tokenizer = device, tokenizer
        self.dimension: int = model.config.dimension
        longest = model.config.passage_length
        super().__init__(I3Passages(model), tokenizer.tokenizer, device, dtype, backend, longest)

    @property
    def ids(self) -> Callable[..., TokenIds]:
        """The ids of N passages through the model's template; see `PassageEncoder`."""
        return self.tokenizer.passage_ids


class I3Passages(nn.Module):
    """Only the passage encoder; modules for queries and training are not kept in memory."""

    def __init__(self, model: I3Retriever) -> None:
        super().__init__()
        if not model.config.tie_encoders:
            setattr(model, model.query_encoder.base_model_prefix, nn.Identity())
            model.query_dense = nn.Sequential()
        if model.has_reconstructor:
            setattr(model, "reconstruction_head", nn.Identity())  # noqa: B010  (of another type)
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Maps ids and mask, int64 [B, T], to vectors for an index, float [B, D]."""
        vectors: Tensor = self.model.encode_passages(input_ids, attention_mask)["vectors"]
        return vectors


class I3QueryEncoder:
    """Encodes queries, with the whole model or its `query_encoder` folder.

    Args:
        encoder_dir: a model directory, or the `query_encoder` folder in it.
        device: see `I3DocumentEncoder`.
        fp16: see `I3DocumentEncoder`.
        **_: ignored arguments that Pyserini passes to every encoder.
    """

    def __init__(
        self, encoder_dir: str, device: str | None = None, fp16: bool = False, **_: Any
    ) -> None:
        folder = Path(encoder_dir)
        self.name = str(folder.parent) if folder.name == QUERY_ENCODER else encoder_dir
        self.device = torch_device(device)
        self.model, self.tokenizer = load_model_directory(self.name)
        self.half = fp16 and self.device.type != "cpu"
        self.model.to(self.device, torch.float16 if self.half else torch.float32)  # type: ignore[arg-type]
        self.dimension, self.settings = self.model.config.dimension, self.model.config.settings()

    def encode(self, query: str, **_: Any) -> Vectors:
        """Encodes one query to float32 [H]."""
        vector: Vectors = self.encode_batch([query])[0]
        return vector

    def encode_batch(self, queries: Sequence[str], **_: Any) -> Vectors:
        """Encodes Q queries to float32 [Q, H]."""
        return self.vectors(self.ids(queries))

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """The ids of Q queries, with special tokens, truncated to the model's length."""
        return self.tokenizer.query_ids(queries)

    @torch.inference_mode()
    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes a batch of Q queries given as ids to float32 [Q, H]."""
        padded, mask = padded_batch(ids, padding_id(self.tokenizer.tokenizer))
        batch = (torch.from_numpy(array).to(self.device) for array in (padded, mask))
        return _to_numpy(self.model.encode_queries(*batch))


# What the entry point "i3" of the group "pyserini.encoders" provides; see stock/encoders.py.
document_encoder_class = I3DocumentEncoder
query_encoder_class = I3QueryEncoder


def _to_numpy(vectors: Tensor) -> Vectors:
    array: Vectors = vectors.float().cpu().numpy()
    return array

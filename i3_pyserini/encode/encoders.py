"""Encoders with Pyserini's protocol: `encode(texts=…, titles=…)` and `encode(query)`.

They need no pyserini: its searchers take any object with these methods.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from i3_pyserini.encode.compute import passage_function
from i3_pyserini.errors import I3Error
from i3_pyserini.model.backbone import load_encoder, position_limit
from i3_pyserini.model.declared import declared
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.lowercase import lowercase_first
from i3_pyserini.model.pooling import VectorHead
from i3_pyserini.model.query_text import check_texts
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.settings import (
    NO_LIMIT,
    QUERY_ENCODER,
    EncoderSettings,
    check_length,
    resolve,
)
from i3_pyserini.model.token_ids import TokenIds, token_ids
from i3_pyserini.model.tokenizer_loading import load_tokenizer

CPU_TOKENS, GPU_TOKENS = 1024, 16_384  # of a batch; on CPUs more does not help, see benchmarks
UNKNOWN_LENGTH = 512  # ids, where neither tokenizer nor positions have a limit

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Ids = np.ndarray[Any, np.dtype[np.int64]]


class DocumentEncoder(Protocol):
    """What the runner needs of an encoder.

    Attributes:
        dimension: numbers in a vector, H.
        batch_tokens: tokens of a batch, padding counted, that suit it.
    """

    dimension: int
    batch_tokens: int

    def ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[list[int]]:
        """The ids of N passages, with special tokens, cut to the model's length.

        Where they are `TokenIds`, it is known how many passages were cut.
        """
        ...

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes B passages of ids, together, to float32 [B, H]."""
        ...

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Vectors:
        """Encodes B passages to float32 [B, H]."""
        ...


def torch_device(name: str | None) -> torch.device:
    """The device of a name; the first GPU, or else the CPU, of None.

    Raises:
        I3Error: there is no such device here.
    """
    if name is None:
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise I3Error(f"--device {name} is not usable here ({reason}); try --device cpu") from error
    return device


def padding_id(tokenizer: Any) -> int:
    """The id that fills up batches; any will do for a tokenizer without one, since it is masked."""
    for name in ("pad_token_id", "eos_token_id", "unk_token_id"):
        value = getattr(tokenizer, name)
        if value is not None:
            return int(value)
    return 0


class _PassageEncoder:
    """What document encoders have in common: padding, the model, and what Pyserini calls."""

    def __init__(
        self, module: nn.Module, tokenizer: Any, device: torch.device, dtype: str, backend: str
    ) -> None:
        self._run = passage_function(module, device, dtype, backend)
        self._pad_id = padding_id(tokenizer)
        self.batch_tokens = CPU_TOKENS if device.type == "cpu" else GPU_TOKENS

    def ids(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> TokenIds:
        """The ids of N passages, with special tokens, cut to the model's length."""
        raise NotImplementedError

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes B passages of ids, together, to float32 [B, H].

        Padding is on the right, whatever the tokenizer declares. On the left, it would shift the
        positions of a text by the length of its neighbours.
        """
        return self._run(*_padded(ids, self._pad_id))

    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None, **_: Any
    ) -> Vectors:
        """Encodes B passages in one batch, for Pyserini.

        Args:
            texts: their texts.
            titles: their titles; None, or None among them, where there is none.
            **_: what Pyserini passes besides.

        Returns:
            float32 [B, H].
        """
        return self.vectors(self.ids(texts, titles))


class I3DocumentEncoder(_PassageEncoder):
    """Passages to vectors, as the model's configuration says.

    Args:
        model_name: a model directory, or a hub name.
        device: such as "cuda:0"; None for the first GPU or else the CPU.
        fp16: Pyserini's way to say `dtype="fp16"`.
        dtype: "fp32", "bf16" or "fp16".
        backend: "torch" or "openvino".
        **_: what Pyserini passes to every encoder; lengths, pooling and the like are in the
            model's configuration.
    """

    def __init__(
        self,
        model_name: str,
        device: str | None = None,
        fp16: bool = False,
        dtype: str = "fp32",
        backend: str = "torch",
        **_: Any,
    ) -> None:
        self.device = torch_device(device)
        model, self.tokenizer = load_model_directory(model_name)
        self.dimension: int = model.config.hidden_size
        module = _I3Passages(model)
        hf_tokenizer = self.tokenizer.tokenizer
        dtype = "fp16" if fp16 else dtype
        super().__init__(module, hf_tokenizer, self.device, dtype, backend)

    def ids(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> TokenIds:
        """The ids of N passages through the model's template; see `DocumentEncoder`."""
        return self.tokenizer.passage_ids(texts, titles)


class AutoDocumentEncoder(_PassageEncoder):
    """Any Hugging Face encoder.

    With default settings, its vectors are those of Pyserini's class of this name. Source:
    pyserini 1.6.0, `encode/_auto.py`.

    Args:
        model_name: a directory or hub name.
        device: see `I3DocumentEncoder`.
        dtype: see `I3DocumentEncoder`.
        backend: see `I3DocumentEncoder`.
        settings: see `EncoderSettings`; None for what the model declares, and Pyserini's defaults
            for the rest. Texts are cut to fewer ids if the model has not as many positions, where
            stock Pyserini fails.
    """

    of_queries = False  # whose prompt and length apply

    def __init__(
        self,
        model_name: str,
        device: str | None = None,
        *,
        dtype: str = "fp32",
        backend: str = "torch",
        settings: EncoderSettings | None = None,
    ) -> None:
        self.device = torch_device(device)
        if settings is None:
            settings, _ = resolve({}, declared(model_name), EncoderSettings())
        self.settings = settings
        self.tokenizer = load_tokenizer(model_name, load_config(model_name, "encoder"))
        if settings.lowercase:
            lowercase_first(self.tokenizer.backend_tokenizer)
        encoder = load_encoder(model_name, "encoder")
        words: Any = encoder.get_input_embeddings()
        self.name, self._embedded = model_name, len(words.weight)
        self._prompt = settings.query_prompt if self.of_queries else settings.passage_prompt
        length = settings.query_length if self.of_queries else settings.passage_length
        self._max_length = self._longest(length, position_limit(encoder))
        skip = 0 if settings.include_prompt else self._ids_of_prompt()
        self.dimension: int = settings.dimension(encoder.config.hidden_size)
        module = _Pooled(encoder, VectorHead(settings, model_name, skip))
        super().__init__(module, self.tokenizer, self.device, dtype, backend)

    def ids(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> TokenIds:
        """The ids of N passages; see `DocumentEncoder`.

        Raises:
            I3Error: a text is not text.
        """
        check_texts(texts, "query" if self.of_queries else "text of passage")
        return self._tokenise(*self._joined(texts, titles))

    def _joined(
        self, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> tuple[list[str], list[str] | None]:
        """The first segments and, if titles are segments of their own, the second ones."""
        settings, prompt = self.settings, self._prompt
        if titles is None:
            return [prompt + text for text in texts], None
        named = [title or "" for title in titles]
        if settings.add_sep:
            first = named if settings.prompt_behind_title else [prompt + one for one in named]
            behind = prompt if settings.prompt_behind_title else ""
            return first, [behind + text for text in texts]
        pairs = zip(named, texts, strict=True)
        if settings.prompt_behind_title:
            return [
                f"{title} {prompt}{text}" if title else prompt + text for title, text in pairs
            ], None
        return [
            f"{prompt}{title} {text}" if title else prompt + text for title, text in pairs
        ], None

    def _tokenise(self, texts: list[str], pair: list[str] | None = None) -> TokenIds:
        ids = token_ids(self.tokenizer, texts, self._max_length, pair)
        # A tokenizer that puts no special tokens around a text has no id for an empty one.
        return TokenIds((row or [padding_id(self.tokenizer)] for row in ids), ids.cut)

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes B passages of ids; see `DocumentEncoder`.

        Raises:
            I3Error: a token has no embedding, as with a tokenizer of another model.
        """
        highest = max(map(max, ids))
        if highest >= self._embedded:
            token = self.tokenizer.convert_ids_to_tokens(highest)
            raise I3Error(
                f"encoder {self.name}: token {token!r} has id {highest}, but the model embeds only "
                f"{self._embedded} ids; its tokenizer is of another model"
            )
        return super().vectors(ids)

    def _longest(self, length: int | None, positions: int | None) -> int:
        limits = [length or self.tokenizer.model_max_length, positions or NO_LIMIT]
        longest = min(limits)
        pair = self.settings.add_sep and not self.of_queries
        special = self.tokenizer.num_special_tokens_to_add(pair=pair)
        return check_length(longest if longest < NO_LIMIT else UNKNOWN_LENGTH, special, self.name)

    def _ids_of_prompt(self) -> int:
        """How many ids a prompt begins a text with; a special token at its end is not counted."""
        if not self._prompt:
            return 0
        ids = self._tokenise([self._prompt])[0]
        return len(ids) - (ids[-1] in self.tokenizer.all_special_ids)


class AutoQueryEncoder(AutoDocumentEncoder):
    """Any Hugging Face encoder of queries; see `AutoDocumentEncoder`.

    Queries are cut to `query_length` of the settings or, if that is None, to what the tokenizer
    says, as stock Pyserini does.
    """

    of_queries = True


class _I3Passages(nn.Module):
    """The passage side alone: what only queries or training need takes no memory."""

    def __init__(self, model: I3Retriever) -> None:
        super().__init__()
        setattr(model, model.query_encoder.base_model_prefix, nn.Identity())
        if model.has_reconstructor:
            setattr(model, "reconstruction_head", nn.Identity())  # noqa: B010  (of another type)
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        vectors: Tensor = self.model.encode_passages(input_ids, attention_mask)["vectors"]
        return vectors


class _Pooled(nn.Module):
    def __init__(self, encoder: PreTrainedModel, head: VectorHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        vectors: Tensor = self.head(output.last_hidden_state, attention_mask)
        return vectors


class I3QueryEncoder:
    """Queries to vectors, with the whole model or its `query_encoder` folder.

    Args:
        encoder_dir: a model directory, or the `query_encoder` folder in it.
        device: see `I3DocumentEncoder`.
        fp16: see `I3DocumentEncoder`.
        **_: what Pyserini passes to every encoder.
    """

    def __init__(
        self, encoder_dir: str, device: str | None = None, fp16: bool = False, **_: Any
    ) -> None:
        folder = Path(encoder_dir)
        self.name = str(folder.parent) if folder.name == QUERY_ENCODER else encoder_dir
        self.device = torch_device(device)
        self.model, self.tokenizer = load_model_directory(self.name)
        self.half = fp16 and self.device.type == "cuda"
        self.model.to(self.device, torch.float16 if self.half else torch.float32)  # type: ignore[arg-type]
        self.dimension, self.settings = self.model.config.hidden_size, self.model.config.settings()

    def encode(self, query: str, **_: Any) -> Vectors:
        """Encodes one query to float32 [H]."""
        vector: Vectors = self.encode_batch([query])[0]
        return vector

    def encode_batch(self, queries: Sequence[str], **_: Any) -> Vectors:
        """Encodes Q queries to float32 [Q, H]."""
        return self.vectors(self.ids(queries))

    def ids(self, queries: Sequence[str]) -> TokenIds:
        """The ids of Q queries, with special tokens, cut to the model's length."""
        return self.tokenizer.query_ids(queries)

    @torch.inference_mode()
    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes Q queries of ids, together, to float32 [Q, H]."""
        padded, mask = _padded(ids, padding_id(self.tokenizer.tokenizer))
        batch = (torch.from_numpy(array).to(self.device) for array in (padded, mask))
        return _to_numpy(self.model.encode_queries(*batch))


def _padded(ids: Sequence[Sequence[int]], pad_id: int) -> tuple[Ids, Ids]:
    """Ids [B, T], padded on the right, and their mask."""
    padded = np.full((len(ids), max(map(len, ids))), pad_id, dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, one in enumerate(ids):
        padded[row, : len(one)], mask[row, : len(one)] = one, 1
    return padded, mask


def _to_numpy(vectors: Tensor) -> Vectors:
    array: Vectors = vectors.float().cpu().numpy()
    return array

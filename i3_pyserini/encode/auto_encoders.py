"""Runs any Hugging Face encoder for passages or queries, with declared or given settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from i3_pyserini.encode.compute import Backend
from i3_pyserini.encode.encoders import PassageEncoder, Vectors, padding_id
from i3_pyserini.errors import I3Error
from i3_pyserini.model.backbone import load_encoder, position_limit
from i3_pyserini.model.declared import declared
from i3_pyserini.model.devices import torch_device
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.pooling import VectorHead
from i3_pyserini.model.settings import (
    NO_LIMIT,
    EncoderSettings,
    check_length,
    resolve,
)
from i3_pyserini.model.texts import (
    TokenIds,
    check_texts,
    lowercase_first,
    passage_segments,
    prompt_ids,
    token_ids,
)
from i3_pyserini.model.tokenizer_loading import load_tokenizer

UNKNOWN_LENGTH = 512  # ids, if neither tokenizer nor positions set a limit


class AutoDocumentEncoder(PassageEncoder):
    """Any Hugging Face encoder.

    With default settings, its vectors are those of Pyserini's class of this name. Source:
    pyserini 1.6.0, `encode/_auto.py`.

    Args:
        model_name: a directory or hub name.
        device: see `I3DocumentEncoder`.
        dtype: see `I3DocumentEncoder`.
        backend: see `I3DocumentEncoder`.
        settings: see `EncoderSettings`; None for the model's declarations, then Pyserini's
            defaults. Texts are truncated to the model's number of positions if that is smaller;
            stock Pyserini fails in that case.
    """

    of_queries = False  # whose prompt and length to use

    def __init__(
        self,
        model_name: str,
        device: str | None = None,
        *,
        dtype: str = "fp32",
        backend: Backend = "torch",
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
        self.config = encoder.config
        words: Any = encoder.get_input_embeddings()
        self.name, self._embedded = model_name, len(words.weight)
        self._prompt = settings.query_prompt if self.of_queries else settings.passage_prompt
        length = settings.query_length if self.of_queries else settings.passage_length
        self.max_length = self._limit(length, position_limit(encoder))
        prompt = "" if settings.include_prompt else self._prompt
        skip = prompt_ids(self.tokenizer, prompt, self.max_length)
        self.dimension: int = settings.dimension(encoder.config.hidden_size)
        self._texts = _Texts(
            self.tokenizer, settings, self._prompt, self.max_length, self.of_queries
        )
        module = _Pooled(encoder, VectorHead(settings, model_name, skip))
        super().__init__(
            module, self.tokenizer, self.device, dtype, backend, longest=self.max_length
        )

    @property
    def ids(self) -> Callable[..., TokenIds]:
        """The ids of N passages; see `PassageEncoder`.

        The function raises I3Error if a text is not a string.
        """
        return self._texts.ids

    def vectors(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Encodes B passages of ids; see `DocumentEncoder`.

        Raises:
            I3Error: a token has no embedding, for example because the tokenizer belongs to another
                model.
        """
        highest = max(int(np.max(one)) for one in ids)
        if highest >= self._embedded:
            token = self.tokenizer.convert_ids_to_tokens(highest)
            raise I3Error(
                f"encoder {self.name}: token {token!r} has id {highest}, but the model has only "
                f"{self._embedded} embeddings; the tokenizer belongs to another model"
            )
        return super().vectors(ids)

    def _limit(self, length: int | None, positions: int | None) -> int:
        limits = [length or self.tokenizer.model_max_length, positions or NO_LIMIT]
        longest = min(limits)
        pair = self.settings.add_sep and not self.of_queries
        special = self.tokenizer.num_special_tokens_to_add(pair=pair)
        return check_length(longest if longest < NO_LIMIT else UNKNOWN_LENGTH, special, self.name)


class AutoQueryEncoder(AutoDocumentEncoder):
    """Any Hugging Face encoder of queries; see `AutoDocumentEncoder`.

    Queries are truncated to `query_length` of the settings or, if that is None, to the tokenizer's
    maximum length, as in stock Pyserini.
    """

    of_queries = True


@dataclass(frozen=True)
class _Texts:
    """Tokenizes texts as an encoder does, without its model."""

    tokenizer: PreTrainedTokenizerBase
    settings: EncoderSettings
    prompt: str
    max_length: int
    of_queries: bool

    def ids(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> TokenIds:
        check_texts(texts, "query" if self.of_queries else "text of passage")
        whole, pair = passage_segments(self.settings, self.prompt, texts, titles)
        ids = token_ids(self.tokenizer, whole, self.max_length, pair)
        # Without special tokens, an empty text would have no ids.
        return TokenIds((row or [padding_id(self.tokenizer)] for row in ids), ids.cut)


class _Pooled(nn.Module):
    def __init__(self, encoder: PreTrainedModel, head: VectorHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        vectors: Tensor = self.head(output.last_hidden_state, attention_mask)
        return vectors

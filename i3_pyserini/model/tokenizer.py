"""Tokenizes the queries and passages of an I³ model.

The torch-free route of `i3_pyserini.encode.query_encoders` shares the text (`query_text`) and the
tokenizer itself (`tokenizer_file`) with it.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import BatchEncoding
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.errors import I3Error
from i3_pyserini.model.config import IGNORED_LABEL, I3Config, load_i3_config
from i3_pyserini.model.reconstruction_tokenizer import read_own, read_saved, save_own
from i3_pyserini.model.texts import (
    JOINED,
    PassageTemplate,
    TokenIds,
    lowercase_first,
    prompt_ids,
    query_texts,
    token_ids,
)
from i3_pyserini.model.tokenizer_loading import check_fits, load_tokenizer, read_as_written

EMPTY_RECONSTRUCTION = "what"


class I3Tokenizer:
    """A backbone's tokenizer together with the model's template and lengths.

    Texts are single segments, so token types are all zero and are not returned. A literal `[SEP]`,
    `[MASK]` or `[CLS]` inside a text becomes that special token, as in the original. Batches are
    always padded on the right: left padding would shift the positions of a text depending on the
    rest of the batch. Long texts are truncated on the side that the tokenizer declares.

    Args:
        tokenizer: a Hugging Face tokenizer that belongs to the backbone.
        config: the model's configuration.
        reconstruction: the tokenizer whose tokens the reconstructor predicts; None for the first.

    Source: original `dataset_factory.py`; `tests/parity` holds its ids.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        config: I3Config,
        reconstruction: PreTrainedTokenizerBase | None = None,
    ) -> None:
        tokenizer.padding_side = "right"
        if tokenizer.sep_token is None and "{sep}" in config.passage_template:
            raise I3Error(
                "passage_template uses {sep}, but the backbone's tokenizer has no sep_token; use "
                f"another one, such as {JOINED['passage_template']!r}"
            )
        if tokenizer.pad_token is None:  # as in Llama; padding is masked, whatever its id
            tokenizer.pad_token = tokenizer.eos_token
        if config.lowercase:
            lowercase_first(tokenizer.backend_tokenizer)
        self.tokenizer = tokenizer
        self.config = config
        self.reconstruction = tokenizer if reconstruction is None else reconstruction
        size = config.reconstruction_vocabulary
        if size is not None and size != len(self.reconstruction):
            raise I3Error(
                f"the reconstructor's tokenizer has {len(self.reconstruction)} tokens, but its "
                f"word scores have {size}; give the one that the model was created with"
            )
        unpooled = config.unpooled_query_ids, config.unpooled_passage_ids
        if any(unpooled) and unpooled != (found := self.prompt_ids()):
            raise I3Error(
                f"the prompts of queries and passages have {found} ids, but the first {unpooled} "
                "are not pooled; prompts of a model that does not pool them cannot be changed"
            )

    @classmethod
    def from_pretrained(
        cls,
        name_or_dir: str | Path,
        config: I3Config | None = None,
        reconstruction_tokenizer: str | Path | None = None,
    ) -> "I3Tokenizer":
        """Reads the tokenizer of a model directory, or of a backbone if `config` is given.

        Args:
            name_or_dir: a directory or hub name.
            config: the configuration of a model of this backbone.
            reconstruction_tokenizer: what the model was created with; None for the one in the model
                directory if it has one.

        Raises:
            I3Error: there is no tokenizer, or it does not match the model.
        """
        name = str(name_or_dir)
        own = load_i3_config(name) if config is None else config
        tokenizer = load_tokenizer(name, own.encoder)
        check_fits(name, tokenizer, own.encoder)
        if own.reconstruction_vocabulary is None:
            return cls(tokenizer, own)
        if reconstruction_tokenizer is not None:
            return cls(tokenizer, own, read_own(str(reconstruction_tokenizer)))
        return cls(tokenizer, own, read_saved(name, own.encoder))

    def queries(self, queries: Sequence[str]) -> BatchEncoding:
        """Tokenizes queries.

        Returns:
            `input_ids` and `attention_mask`, int64 [Q, T] with T the longest of the batch, at
            most `query_length`. An empty query is just the special tokens.

        Raises:
            I3Error: a query is not text.
        """
        return self._encode(self._query_texts(queries), self.config.query_length)

    def query_ids(self, queries: Sequence[str]) -> TokenIds:
        """The ids of each query, as in `queries` but without padding.

        Raises:
            I3Error: see `queries`.
        """
        return token_ids(self.tokenizer, self._query_texts(queries), self.config.query_length)

    def passages(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> BatchEncoding:
        """Tokenizes passages and titles with the model's template.

        Returns:
            `input_ids` and `attention_mask`, int64 [B, T] with T the longest of the batch, at most
            `passage_length`. The configuration defines the replacement for a missing title or text:
            "NA" in the released models.

        Raises:
            I3Error: a text is not a string, or the numbers of titles and texts differ.
        """
        return self._encode(self.passage_texts(texts, titles), self.config.passage_length)

    def passage_ids(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> TokenIds:
        """The ids of each passage, as in `passages` but without padding.

        Raises:
            I3Error: see `passages`.
        """
        texts = self.passage_texts(texts, titles)
        return token_ids(self.tokenizer, texts, self.config.passage_length)

    def passage_texts(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None
    ) -> list[str]:
        """The strings that `passages` tokenizes."""
        return self.template.texts(texts, titles)

    @property
    def template(self) -> PassageTemplate:
        """How title and text of a passage are joined."""
        config = self.config
        return PassageTemplate(
            prompt=config.passage_prompt,
            titled=config.passage_template,
            untitled=config.untitled_template or config.passage_template,
            sep=self.tokenizer.sep_token or "",
            missing=config.missing_value,
        )

    def prompt_ids(self) -> tuple[int, int]:
        """Numbers of ids before a query and before a passage that are not of their text."""
        config = self.config
        return (
            prompt_ids(self.tokenizer, config.settings().query_prompt, config.query_length),
            prompt_ids(self.tokenizer, config.passage_prompt, config.passage_length),
        )

    def reconstruction_labels(self, queries: Sequence[str | None]) -> Tensor:
        """Labels for the reconstructor: the queries' ids, one for each pseudo-query position.

        Label i belongs to position i (no shift, no special tokens), so the first word piece
        is predicted where the first special token stands. A missing or blank query is the
        word "what".

        Returns:
            int64 [B, training_pseudo_query_length], -100 past the query's end.

        Source: original `dataset_factory.py`, `mlm_labels`.
        """
        length = self.config.training_pseudo_query_length
        texts = [query if query and query.strip() else EMPTY_RECONSTRUCTION for query in queries]
        ids = self.reconstruction(texts, add_special_tokens=False, verbose=False)["input_ids"]
        labels = torch.full((len(texts), length), IGNORED_LABEL)
        for row, query_ids in enumerate(ids):
            kept = query_ids[:length]
            labels[row, : len(kept)] = torch.tensor(kept)
        return labels

    def save_pretrained(self, directory: str | Path, length: int | None = None) -> None:
        """Saves the tokenizer with truncation, without state of earlier calls.

        `AutoTokenizer`, and so stock Pyserini, returns the same ids with the saved tokenizer.

        Args:
            directory: the folder.
            length: longest input in ids, for a folder of queries only; None for the model's
                `passage_length`, and for the reconstructor's tokenizer besides.
        """
        own = copy.deepcopy(self.tokenizer)
        own.model_max_length = length or self.config.passage_length
        backend = getattr(own, "backend_tokenizer", None)
        if backend is not None:
            backend.no_truncation()
            backend.no_padding()
        own.save_pretrained(directory)
        read_as_written(directory, self.config.encoder)
        if self.reconstruction is not self.tokenizer and length is None:
            save_own(self.reconstruction, Path(directory), self.config.encoder)

    def _query_texts(self, queries: Sequence[str]) -> list[str]:
        return query_texts(queries, self.config.settings().query_prompt)

    def _encode(self, texts: list[str], length: int) -> BatchEncoding:
        batch: BatchEncoding = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=length,
            return_token_type_ids=False,
            return_tensors="pt",
        )
        return batch

"""`DualEncoder`: the two encoders of a model, from ids to pooled and to finished vectors."""

import os
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import PreTrainedModel

from i3_pyserini.errors import I3Error
from i3_pyserini.model import backbone
from i3_pyserini.model.config import I3Config
from i3_pyserini.model.config_checks import check_lengths
from i3_pyserini.model.pooling import dense_layers, pool


class DualEncoder(PreTrainedModel):
    """A query encoder and a passage encoder, each with its dense layers.

    The query encoder's weights are stored under the backbone's own prefix (`bert.…`), so that
    one file serves both as a part of this model's checkpoint and as the plain checkpoint that
    stock tools load (see `export.py`).

    Args:
        config: the model's configuration.

    Raises:
        I3Error: texts may be longer than the backbone reads, or it lacks what the configuration
            asks for.
    """

    config_class = I3Config
    config: I3Config
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: I3Config) -> None:
        super().__init__(config)
        query_encoder, layers = backbone.new_encoder(config.encoder), config.settings().dense
        self._query_encoder_name = query_encoder.base_model_prefix
        self.add_module(self._query_encoder_name, query_encoder)
        self.query_dense = dense_layers(layers)
        if config.tie_encoders:  # not registered a second time: its weights have one name
            self.__dict__["passage_encoder"] = query_encoder
            self.__dict__["passage_dense"] = self.query_dense
        else:
            self.passage_encoder = backbone.new_encoder(config.encoder)
            self.passage_dense = dense_layers(layers)
        check_lengths(config, backbone.position_limit(query_encoder))
        backbone.check_pseudo_query(query_encoder, config)

    @property
    def query_encoder(self) -> PreTrainedModel:
        """The backbone that encodes queries: a plain Hugging Face encoder."""
        encoder: PreTrainedModel = getattr(self, self._query_encoder_name)
        return encoder

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> None:
        """Saves the model, except over a model directory with its own `query_encoder`.

        Raises:
            I3Error: the query encoder of the folder would become outdated.
        """
        if (Path(save_directory) / "query_encoder").exists():
            raise I3Error(
                f"{save_directory} is a model directory: write it with "
                "save_model_directory(…, overwrite=True), which also updates its query_encoder"
            )
        self.config.encoder.dtype = self.dtype
        super().save_pretrained(save_directory, *args, **kwargs)

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoModel") -> None:
        """Does nothing: see `I3Config`."""

    def encode_queries(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encodes Q queries of T ids.

        Args:
            input_ids: int64 [Q, T], as `I3Tokenizer.queries` gives them.
            attention_mask: int64 [Q, T], 1 at tokens, 0 at padding.

        Returns:
            float [Q, D], where D is `I3Config.dimension`.

        Source: original `modeling.py`, `encode_query`.
        """
        states = backbone.last_states(self.query_encoder, input_ids, attention_mask)
        pooled = self._pool(states, attention_mask, self.config.unpooled_query_ids)
        return self._finish(pooled, self.query_dense)

    def read_passages(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The passage encoder alone, before any interaction.

        Args:
            input_ids: int64 [B, T], as `I3Tokenizer.passages` gives them.
            attention_mask: int64 [B, T], 1 at tokens, 0 at padding.

        Returns:
            The pooled vectors, float [B, H], and the token vectors, float [B, T, H].
        """
        states = backbone.last_states(self.passage_encoder, input_ids, attention_mask)
        return self.pool_passages(states, attention_mask), states

    def pool_passages(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Pools token vectors [B, T, H] of passages to [B, H], by their mask, int64 [B, T]."""
        return self._pool(states, attention_mask, self.config.unpooled_passage_ids)

    def finish_passages(self, vectors: Tensor) -> Tensor:
        """Vectors of passages for an index, float [B, D], of pooled or mixed ones [B, H]."""
        return self._finish(vectors, self.passage_dense)

    def _pool(self, states: Tensor, attention_mask: Tensor, skip: int) -> Tensor:
        if self.config.pooling == "cls" and not skip:  # since `I3Tokenizer` pads on the right
            return states[:, 0]
        return pool(states, attention_mask, self.config.pooling, skip).to(states.dtype)

    def _finish(self, vectors: Tensor, dense: nn.Sequential) -> Tensor:
        """Normalizes in float32, whatever the model's precision."""
        vectors = dense(vectors)
        return F.normalize(vectors.float(), dim=-1) if self.config.normalize else vectors

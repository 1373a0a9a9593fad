"""What `I3Retriever` returns."""

from dataclasses import dataclass

from torch import Tensor
from transformers.utils.generic import ModelOutput


@dataclass
class PassageEncoding(ModelOutput):
    """What `I3Retriever.encode_passages` computes for B passages of T ids.

    Attributes:
        vectors: float [B, H], what an index holds.
        pooled: float [B, H], the backbone's own embedding, not normalised.
        token_states: float [B, T, H], the backbone's last layer.
        pseudo_query: float [B, L, H], the reconstructor's vectors; None in a plain dual encoder.
        interactor_input: float [B, M, H], what the interactor ran over; None likewise.
    """

    vectors: Tensor | None = None
    pooled: Tensor | None = None
    token_states: Tensor | None = None
    pseudo_query: Tensor | None = None
    interactor_input: Tensor | None = None


@dataclass
class I3Output(ModelOutput):
    """What `I3Retriever.forward` gives a training loop.

    Attributes:
        query_vectors: float [Q, H]; None without queries.
        passage_vectors: float [P, H]; None without passages.
        reconstruction_loss: float scalar, mean cross entropy in nats over all labelled
            positions; None without labels.
    """

    query_vectors: Tensor | None = None
    passage_vectors: Tensor | None = None
    reconstruction_loss: Tensor | None = None

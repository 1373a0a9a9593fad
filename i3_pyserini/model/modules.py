"""The modules that I³ adds to a dual encoder, in plain PyTorch, and the model's outputs.

They are BERT layers (post-LayerNorm) written out here rather than borrowed from transformers,
for three reasons. Attention must never be causal, while transformers 5 makes any layer with
cross attention causal as soon as its mask is dropped. What does not depend on the passage is
computed once for a whole batch. And attention over a single vector has an exactly zero gradient
for its query and key matrices, where fused kernels leave rounding noise that an optimizer with
trust ratios (LAMB) would blow up to full-size steps.

Shapes: B passages, L pseudo-query positions, M memory vectors, H hidden size. A leading 1 in
place of B means "the same for every passage"; it becomes B where a passage first comes in.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.utils.generic import ModelOutput

from i3_pyserini.model.layer_sizes import LayerSizes


@dataclass
class PassageEncoding(ModelOutput):
    """What `I3Retriever.encode_passages` computes for B passages of T ids.

    Attributes:
        vectors: float [B, D], the vectors for an index; D is `I3Config.dimension`.
        pooled: float [B, H], the backbone's own embedding, not normalized.
        token_states: float [B, T, H], the backbone's last layer.
        pseudo_query: float [B, L, H], the reconstructor's vectors; None in a plain dual encoder.
        interactor_input: float [B, M, H], the input of the interactor; None in a plain dual
            encoder.
    """

    vectors: Tensor | None = None
    pooled: Tensor | None = None
    token_states: Tensor | None = None
    pseudo_query: Tensor | None = None
    interactor_input: Tensor | None = None


@dataclass
class I3Output(ModelOutput):
    """The output of `I3Retriever.forward` for training.

    Attributes:
        query_vectors: float [Q, D]; None without queries.
        passage_vectors: float [P, D]; None without passages.
        reconstruction_loss: float scalar, mean cross entropy in nats over all labelled
            positions; None without labels.
    """

    query_vectors: Tensor | None = None
    passage_vectors: Tensor | None = None
    reconstruction_loss: Tensor | None = None


class Attention(nn.Module):
    """Multi-head attention, residual and LayerNorm: BERT's `BertAttention`."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.num_heads = sizes.num_attention_heads
        self.query = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.key = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.value = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.output = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.attention_dropout = nn.Dropout(sizes.attention_dropout)
        self.dropout = nn.Dropout(sizes.hidden_dropout)

    def forward(self, states: Tensor, memory: Tensor, memory_mask: Tensor | None = None) -> Tensor:
        """Computes attention from every state to the memory.

        Args:
            states: float [B or 1, L, H].
            memory: float [B or 1, M, H]; the same as `states` for self-attention.
            memory_mask: bool [B, M], True where attention is allowed; None for everywhere.

        Returns:
            float [B or 1, L, H].
        """
        if memory.size(1) == 1 and memory_mask is None and not self.training:
            context = self.value(memory)  # the softmax over one vector is 1
        else:
            context = self._attend(states, memory, memory_mask)
        normed: Tensor = self.layer_norm(states + self.dropout(self.output(context)))
        return normed

    def _attend(self, states: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        query, key, value = (
            projected.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projected in (self.query(states), self.key(memory), self.value(memory))
        )
        scores = query @ key.transpose(-1, -2) * query.size(-1) ** -0.5
        if memory_mask is not None:
            scores = scores.masked_fill(
                ~memory_mask[:, None, None, :], torch.finfo(scores.dtype).min
            )
        weights = self.attention_dropout(scores.softmax(dim=-1))
        context: Tensor = weights.to(value.dtype) @ value
        return context.transpose(1, 2).flatten(2)


class FeedForward(nn.Module):
    """Two linear maps, residual and LayerNorm: BERT's `BertIntermediate` and `BertOutput`."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.up = nn.Linear(sizes.hidden_size, sizes.intermediate_size)
        self.activation = ACT2FN[sizes.hidden_act]
        self.down = nn.Linear(sizes.intermediate_size, sizes.hidden_size)
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.dropout = nn.Dropout(sizes.hidden_dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Maps float [B, L, H] to float [B, L, H], each position for itself."""
        change = self.dropout(self.down(self.activation(self.up(states))))
        normed: Tensor = self.layer_norm(states + change)
        return normed


class ReconstructorLayer(nn.Module):
    """Self-attention (bidirectional), attention to the passage, feed-forward."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.self_attention = Attention(sizes)
        self.passage_attention = Attention(sizes)
        self.feed_forward = FeedForward(sizes)

    def forward(self, states: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """Maps pseudo-query states [B or 1, L, H] to [B, L, H]; see `QueryReconstructor`."""
        states = self.self_attention(states, states)
        states = self.passage_attention(states, memory, memory_mask)
        output: Tensor = self.feed_forward(states)
        return output


class QueryReconstructor(nn.Module):
    """Predicts, from a passage, the vectors of a query that it answers.

    Source: paper, figure 2, "query reconstructor"; original `modeling.py`, `c_head`.

    Args:
        sizes: sizes of its layers.
        num_layers: number of layers.
        num_positions: rows of its own position table; 0 for none.
    """

    def __init__(self, sizes: LayerSizes, num_layers: int, num_positions: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ReconstructorLayer(sizes) for _ in range(num_layers))
        self.position_embeddings = (
            nn.Embedding(num_positions, sizes.hidden_size) if num_positions else None
        )

    def forward(
        self, embeddings: Tensor, memory: Tensor, memory_mask: Tensor | None = None
    ) -> Tensor:
        """Computes the pseudo-query vectors for passages.

        With `embeddings` [1, L, H] the first layer's self-attention, which cannot depend on
        the passage, runs once for the whole batch.

        Args:
            embeddings: float [B or 1, L, H], embedded `[CLS] [MASK] … [SEP]`, or zeros where
                there are positions only.
            memory: float [B, M, H], the passage vectors to attend to.
            memory_mask: bool [B, M], True at tokens, False at padding; None for all.

        Returns:
            float [B, L, H], the pseudo-query's vectors.
        """
        states = embeddings
        if self.position_embeddings is not None:
            states = states + self.position_embeddings.weight[: states.size(1)]
        for layer in self.layers:
            states = layer(states, memory, memory_mask)
        return states


class InteractorLayer(nn.Module):
    """Self-attention and feed-forward: BERT's `BertLayer`."""

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.self_attention = Attention(sizes)
        self.feed_forward = FeedForward(sizes)

    def forward(self, states: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """Maps `states` [B, L, H], some or all of the `memory` [B, M, H], to [B, L, H]."""
        output: Tensor = self.feed_forward(self.self_attention(states, memory, memory_mask))
        return output


class QueryPassageInteractor(nn.Module):
    """Mixes passage vectors with pseudo-query vectors.

    Source: paper, figure 2, "query-passage interactor"; original `modeling.py`, `d_head`.

    Args:
        sizes: sizes of its layers.
        num_layers: number of layers.
        start: `interactor_init` of `I3Config`.
    """

    def __init__(self, sizes: LayerSizes, num_layers: int, start: str) -> None:
        super().__init__()
        self.scaled = start == "scaled"
        self.layers = nn.ModuleList(InteractorLayer(sizes) for _ in range(num_layers))
        self.residual_projection = (
            None if start == "original" else nn.Linear(sizes.hidden_size, sizes.hidden_size)
        )

    def forward(
        self, vectors: Tensor, mask: Tensor | None = None, first_only: bool = False
    ) -> Tensor:
        """Runs all layers over the concatenated passage and pseudo-query vectors.

        Args:
            vectors: float [B, M, H].
            mask: bool [B, M], True at valid vectors; None for all.
            first_only: compute only position 0 of the result.

        Returns:
            float [B, M, H], or [B, 1, H] with `first_only`: the layers' output, before the
            residual projection if there is one.
        """
        for layer in self.layers[:-1]:
            vectors = layer(vectors, vectors, mask)
        states = vectors[:, :1] if first_only else vectors
        output: Tensor = self.layers[-1](states, vectors, mask)
        return output

    def read(self, pooled: Tensor) -> Tensor:
        """The backbone's vectors [B, H] as reconstructor and interactor read them, [B, 1, H]."""
        return (pooled / _layers(pooled) if self.scaled else pooled).unsqueeze(1)

    def combine(self, pooled: Tensor, interacted: Tensor) -> Tensor:
        """The passage vector [B, H] of the backbone's [B, H] and the interactor's [B, H]."""
        if self.residual_projection is None:
            return interacted
        change: Tensor = self.residual_projection(interacted)
        return pooled + (_layers(pooled) * change if self.scaled else change)


def _layers(vectors: Tensor) -> Tensor:
    """Lengths of vectors [B, H] as multiples of that of a layer's output, √H: [B, 1].

    At least 1e-6, so that a zero vector can be divided by it.
    """
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True) / vectors.size(-1) ** 0.5
    return lengths.clamp(min=1e-6)


class ReconstructionHead(nn.Module):
    """Scores every vocabulary entry at every pseudo-query position: BERT's MLM head.

    Source: original `modeling.py`, `cls`. Its decoder is not tied to the word embeddings.

    Args:
        sizes: sizes of its layers.
        vocabulary: number of entries; None for those of the backbone.
    """

    def __init__(self, sizes: LayerSizes, vocabulary: int | None = None) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.activation = ACT2FN[sizes.hidden_act]
        self.layer_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.decoder = nn.Linear(sizes.hidden_size, vocabulary or sizes.vocab_size)

    def forward(self, pseudo_query: Tensor) -> Tensor:
        """Maps pseudo-query vectors, float [B, L, H], to logits, float [B, L, vocabulary]."""
        logits: Tensor = self.decoder(self.layer_norm(self.activation(self.dense(pseudo_query))))
        return logits

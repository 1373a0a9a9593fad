"""`I3Retriever`: the dual encoder with its reconstructor and interactor, as one HF model."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import AutoModel

from i3_pyserini.errors import I3Error
from i3_pyserini.model import backbone
from i3_pyserini.model.config import IGNORED_LABEL, I3Config
from i3_pyserini.model.dual_encoder import DualEncoder
from i3_pyserini.model.initial import initialize
from i3_pyserini.model.layer_sizes import LayerSizes
from i3_pyserini.model.layer_start import chosen_layer_init, start_from
from i3_pyserini.model.modules import (
    I3Output,
    PassageEncoding,
    QueryPassageInteractor,
    QueryReconstructor,
    ReconstructionHead,
)
from i3_pyserini.model.reconstruction_tokenizer import FOLDER, pieces_of, read_own
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.model.tokenizer_loading import load_tokenizer


class I3Retriever(DualEncoder):
    """A dual encoder whose passage vectors are combined with a pseudo-query.

    Source: original `modeling.py`, `DualEncoder`; paper, figure 2.
    """

    def __init__(self, config: I3Config) -> None:
        super().__init__(config)
        if config.interaction != "none":
            sizes = LayerSizes.of(config.encoder)
            layers, positions = config.num_head_layers, config.num_learned_positions
            self.reconstructor = QueryReconstructor(sizes, layers, positions)
            self.interactor = QueryPassageInteractor(sizes, layers, config.interactor_init)
            self.reconstruction_head = ReconstructionHead(sizes, config.reconstruction_vocabulary)
        self.post_init()

    @property
    def has_reconstructor(self) -> bool:
        """False for a plain dual encoder (`interaction="none"`)."""
        return self.config.interaction != "none"

    @classmethod
    def from_backbone(cls, name_or_dir: str, **settings: Any) -> "I3Retriever":
        """Creates a model from any Hugging Face encoder; both encoders start from its weights.

        The reconstructor and head start at random; the interactor's output is added to the
        backbone's vector through a projection that starts at zero (`interactor_init="residual"`),
        so that the new model has its backbone's own vectors until it is trained. Token ids come
        from the backbone's tokenizer; pooling, dense layers, normalization, prompts, lengths and
        casing from its sentence-transformers files if it has them; then a space joins title and
        text of a passage.

        Args:
            name_or_dir: a directory or hub name with weights and tokenizer.
            **settings: fields of `I3Config`, which override the backbone's declarations, with
                `layer_init="auto"` for "backbone" where the backbone's layers can be copied;
                `reconstruction_tokenizer`, a directory or hub name of a model in whose tokens the
                reconstructor predicts words; and `attn_implementation`, as in `from_pretrained`.

        Raises:
            I3Error: the backbone cannot be used, or a setting is unknown or invalid for it.
        """
        attention = settings.pop("attn_implementation", None)
        vocabulary = settings.pop(FOLDER, None)
        I3Config.check_names(settings)
        own = backbone.read_backbone(name_or_dir, settings.get("pooling"))
        fields = {"interactor_init": "residual", **I3Config.merged(own.settings, settings)}
        fields |= {"attn_implementation": attention, "reconstructor_steps": 0}
        config = I3Config(**fields | chosen_layer_init(own.encoder, fields))
        if not own.pools_prompts:
            counts = I3Tokenizer.from_pretrained(name_or_dir, config).prompt_ids()
            config.unpooled_query_ids, config.unpooled_passage_ids = counts
        pieces = None
        if vocabulary is not None and config.interaction != "none":
            words = read_own(str(vocabulary))
            pieces = pieces_of(words, load_tokenizer(name_or_dir, config.encoder))
            config.reconstruction_vocabulary = len(pieces)
        model = cls(config)
        for side in ("query", "passage"):
            for part, weights in (("encoder", own.encoder), ("dense", own.dense)):
                getattr(model, f"{side}_{part}").load_state_dict(weights.state_dict())
        if model.has_reconstructor:
            parts = (model.reconstructor, model.interactor, model.reconstruction_head)
            start_from(own.encoder, model.config, *parts, pieces)
        return model

    def encode_passages(
        self, input_ids: Tensor, attention_mask: Tensor, pseudo_query_length: int | None = None
    ) -> PassageEncoding:
        """Encodes B passages of T ids; `.vectors` are the vectors for an index.

        Args:
            input_ids: int64 [B, T], as `I3Tokenizer.passages` gives them.
            attention_mask: int64 [B, T], 1 at tokens, 0 at padding.
            pseudo_query_length: ids of the reconstructor's input; None for the configured length,
                which differs between training and evaluation mode.

        Source: original `modeling.py`, `encode_passage` ("released"); paper, figure 2 ("paper").
        """
        pooled, states = self.read_passages(input_ids, attention_mask)
        if not self.has_reconstructor:
            return PassageEncoding(self.finish_passages(pooled), pooled, states)
        return self.interact(pooled, states, attention_mask, pseudo_query_length)

    def interact(
        self,
        pooled: Tensor,
        states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pseudo_query_length: int | None = None,
    ) -> PassageEncoding:
        """What `encode_passages` does after the passage encoder.

        Args:
            pooled: float [B, H].
            states: float [B, T, H]; needed for "paper" only.
            attention_mask: int64 [B, T]; likewise.
            pseudo_query_length: see `encode_passages`.
        """
        memory, tokens = self._memory(pooled, states, attention_mask)
        pseudo_query = self._reconstruct(memory, tokens, pseudo_query_length)
        if states is None or tokens is None:
            vectors = torch.cat([memory, pseudo_query.mean(dim=1, keepdim=True)], dim=1)
            interacted = self.interactor(vectors, first_only=True)[:, 0]
        else:
            vectors = torch.cat([states, pseudo_query], dim=1)
            mask = torch.cat([tokens, tokens.new_ones(pseudo_query.shape[:2])], dim=1)
            first_only = self.config.pooling == "cls" and not self.config.unpooled_passage_ids
            mixed = self.interactor(vectors, mask, first_only)
            interacted = self.pool_passages(mixed[:, : states.size(1)], tokens.long())
        passage_vectors = self.finish_passages(self.interactor.combine(pooled, interacted))
        return PassageEncoding(passage_vectors, pooled, states, pseudo_query, vectors)

    def decode_passages(
        self, input_ids: Tensor, attention_mask: Tensor, memory: str = "tokens"
    ) -> Tensor:
        """Scores every word of the vocabulary at every pseudo-query position.

        Args:
            input_ids: int64 [B, T].
            attention_mask: int64 [B, T].
            memory: "tokens": the reconstructor attends to all token vectors, as in the original's
                `decode_passage`, whatever the architecture. "vector": it attends to the pooled
                vector only, as for encoding with a "released" model; this returns the words mixed
                into the passage vector.

        Returns:
            float [B, L, vocabulary], logits.

        Source: original `modeling.py`, `decode_passage`.

        Raises:
            I3Error: the model is a plain dual encoder, or `memory` is unknown.
        """
        if not self.has_reconstructor:
            raise I3Error("this model is a plain dual encoder: it has no query reconstructor")
        pooled, states = self.read_passages(input_ids, attention_mask)
        if memory == "tokens":
            pseudo_query = self._reconstruct(states, attention_mask.bool())
        elif memory == "vector":
            pseudo_query = self._reconstruct(self.interactor.read(pooled))
        else:
            raise I3Error(f"memory is {memory!r}, must be tokens or vector")
        logits: Tensor = self.reconstruction_head(pseudo_query)
        return logits

    def reconstruction_loss(
        self, pseudo_query: Tensor, labels: Tensor, num_labels: int | None = None
    ) -> Tensor:
        """Mean cross entropy between the reconstructor's words and a query's.

        Only labelled positions are scored against the vocabulary.

        Args:
            pseudo_query: float [B, L, H].
            labels: int64 [B, L], from `I3Tokenizer.reconstruction_labels`; -100 is ignored.
            num_labels: labelled positions to divide by, where these passages are a part of a
                batch; None for those of `labels`.

        Returns:
            float scalar, in nats, averaged over all labelled positions of all passages.

        Source: original `modeling.py`, `mlm_loss`.
        """
        labelled = labels != IGNORED_LABEL
        logits = self.reconstruction_head(pseudo_query[labelled]).float()
        count = labelled.sum() if num_labels is None else num_labels
        return F.cross_entropy(logits, labels[labelled], reduction="sum") / count

    def forward(
        self,
        query_input_ids: Tensor | None = None,
        query_attention_mask: Tensor | None = None,
        passage_input_ids: Tensor | None = None,
        passage_attention_mask: Tensor | None = None,
        reconstruction_labels: Tensor | None = None,
        num_labels: int | None = None,
        reconstruction_gradient: str = "all",
    ) -> I3Output:
        """Encodes queries, passages or both in one call, as DDP requires.

        Args:
            query_input_ids: int64 [Q, T].
            query_attention_mask: int64 [Q, T].
            passage_input_ids: int64 [P, S].
            passage_attention_mask: int64 [P, S].
            reconstruction_labels: int64 [P, L]; the pseudo-query then has L ids, in evaluation
                mode too. Without labels the head gets no gradient: freeze it under DDP.
            num_labels: see `reconstruction_loss`.
            reconstruction_gradient: "all", or "heads" for a reconstruction loss without gradient
                in the passage encoder. The value of the loss is the same, except for dropout.

        Raises:
            ValueError: ids come without their mask, or labels for a model without reconstructor.
        """
        _check_inputs(query_input_ids, query_attention_mask)
        _check_inputs(passage_input_ids, passage_attention_mask)
        if reconstruction_labels is not None and not self.has_reconstructor:
            raise ValueError("reconstruction_labels are given, but the model has no reconstructor")
        output = I3Output()
        if query_input_ids is not None and query_attention_mask is not None:
            output.query_vectors = self.encode_queries(query_input_ids, query_attention_mask)
        if passage_input_ids is not None and passage_attention_mask is not None:
            length = None if reconstruction_labels is None else reconstruction_labels.size(1)
            passages = self.encode_passages(passage_input_ids, passage_attention_mask, length)
            output.passage_vectors = passages.vectors
            if reconstruction_labels is not None and passages.pseudo_query is not None:
                pseudo_query = passages.pseudo_query
                if reconstruction_gradient == "heads":
                    pseudo_query = self._reconstruct_apart(passages, passage_attention_mask, length)
                output.reconstruction_loss = self.reconstruction_loss(
                    pseudo_query, reconstruction_labels, num_labels
                )
        return output

    def _memory(
        self, pooled: Tensor | None, states: Tensor | None, attention_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """What the reconstructor attends to, and its mask: one vector, or all token vectors."""
        if self.config.interaction == "released":
            return self.interactor.read(cast(Tensor, pooled)), None
        return cast(Tensor, states), cast(Tensor, attention_mask).bool()

    def _reconstruct_apart(
        self, passages: PassageEncoding, attention_mask: Tensor, length: int | None
    ) -> Tensor:
        """The pseudo-query once more, without gradient in the passage encoder."""
        memory, tokens = self._memory(passages.pooled, passages.token_states, attention_mask)
        # GradCache's first phase has no labels and skips this: what follows draws the same dropout.
        with torch.random.fork_rng([memory.device] if memory.is_cuda else []):
            return self._reconstruct(memory.detach(), tokens, length, detached=True)

    def _reconstruct(
        self,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        length: int | None = None,
        detached: bool = False,
    ) -> Tensor:
        config = self.config
        if length is None:
            training = config.training_pseudo_query_length
            length = training if self.training else config.pseudo_query_length
        copies = memory.size(0) if self.training else 1  # each passage has its own dropout
        embeddings = backbone.embedded_masks(self.passage_encoder, config, length, copies)
        embeddings = embeddings.detach() if detached else embeddings
        pseudo_query: Tensor = self.reconstructor(embeddings, memory, memory_mask)
        return pseudo_query

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initializes weights that are missing in a checkpoint; the encoders do so themselves."""
        std = LayerSizes.of(self.config.encoder).initializer_range
        head: Any = getattr(self, "reconstruction_head", None)
        interactor: Any = getattr(self, "interactor", None)
        initialize(module, head, interactor, std)


AutoModel.register(I3Config, I3Retriever, exist_ok=True)


def _check_inputs(input_ids: Tensor | None, attention_mask: Tensor | None) -> None:
    if (input_ids is None) != (attention_mask is None):
        raise ValueError("input ids and attention masks come in pairs")

"""A guide: another encoder says which passages of a batch are no negatives of a query.

Source: Solatorio, 2024, "GISTEmbed: Guided In-sample Selection of Training Negatives for Text
Embedding Fine-tuning", section 3.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (its usual name)

from i3_pyserini.train.samples import Batch, Guidance

if TYPE_CHECKING:
    from i3_pyserini.encode.encoder import Encoder


@dataclass(frozen=True)
class Guide:
    """Encodes the texts of batches with another model.

    Attributes:
        encoder: the model, with the prompts, pooling and lengths that it declares.
        device: where the vectors are needed.
    """

    encoder: "Encoder"
    device: torch.device

    @classmethod
    def of(cls, model: str | None, device: torch.device) -> "Guide | None":
        """Loads the guide of a recipe; None if it names none.

        Args:
            model: a directory or hub name of any encoder.
            device: where it runs, and where the vectors are needed.

        Raises:
            I3Error: it does not exist or cannot be used.
        """
        if model is None:
            return None
        from i3_pyserini.encode.encoder import load  # noqa: PLC0415  (only where there is one)

        return cls(load(model, device=str(device)), device)

    def guided(self, batch: Batch) -> Batch:
        """The batch with the guide's vectors of its texts, of unit length."""
        assert batch.raw is not None  # noqa: S101  (the collator knows of the guide)
        passages = [
            {"title": one.title, "text": one.text} if one.title else one.text
            for one in batch.raw.passages
        ]
        vectors: list[Any] = [
            self.encoder.encode_queries(batch.raw.queries),
            self.encoder.encode_passages(passages),
        ]
        queries, found = (self._unit(one) for one in vectors)
        return replace(batch, guidance=Guidance(queries, found))

    def _unit(self, vectors: Any) -> Tensor:
        return F.normalize(torch.from_numpy(vectors).to(self.device), dim=-1)

"""A temperature that is learned with the model."""

import math

import torch
from torch import Tensor, nn

from i3_pyserini.train.recipe import LOWEST_TEMPERATURE


class LearnedTemperature(nn.Module):
    """Divides query vectors by a learned temperature T, and so the scores of every loss on vectors.

    It is a part of `TrainingModule`, not of the loss: then T is one of the parameters behind the
    query vectors, and its gradient is exact wherever theirs is: in chunks, over devices and passes.

    Args:
        start: the initial T.

    Attributes:
        log_inverse: log(1/T), float32, a scalar.

    Source: Radford et al., 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", section 2.5.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log_inverse = nn.Parameter(torch.tensor(-math.log(start)))

    def forward(self, queries: Tensor) -> Tensor:
        """Query vectors, float [Q, H], divided by T; at least float32."""
        at_least_float32 = torch.promote_types(queries.dtype, torch.float32)
        return queries.to(at_least_float32) * self.log_inverse.exp()

    @property
    def value(self) -> float:
        """T."""
        return math.exp(-self.log_inverse.item())

    @torch.no_grad()
    def clip(self) -> None:
        """Raises T to `LOWEST_TEMPERATURE` if it is lower, so that it cannot vanish."""
        self.log_inverse.clamp_(max=-math.log(LOWEST_TEMPERATURE))

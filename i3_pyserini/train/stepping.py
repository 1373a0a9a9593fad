"""The device, and one optimizer step over accumulated batches, with advice on lack of memory."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from i3_pyserini.errors import I3Error
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.batch_negatives import contrast
from i3_pyserini.train.gradcache import Losses, Pass
from i3_pyserini.train.guide import Guide
from i3_pyserini.train.losses import weighted_losses
from i3_pyserini.train.prepare import training_mode
from i3_pyserini.train.recipe import LossRecipe
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch
from i3_pyserini.train.temperature import LearnedTemperature

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
WORDS = ("out of memory", "allocate memory", "alloc_failed")


@dataclass(frozen=True)
class LeftOut:
    """Numbers of pairs of query and passage that the contrastive loss left out.

    Attributes:
        duplicates: by `negatives.exclude_duplicates`.
        guided: by `negatives.guide`.
    """

    duplicates: int = 0
    guided: int = 0

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(self.duplicates + other.duplicates, self.guided + other.guided)


@dataclass(frozen=True)
class Stepper:
    """Steps of the optimizer, the same on all devices.

    Attributes:
        accelerator: the accelerator of this device.
        model: the model.
        module: a `TrainingModule` of it, as `accelerator` wrapped it.
        optimizer: its optimizer, wrapped in the same way.
        schedule: its learning rates.
        loss: the loss.
        negatives: selection of negatives.
        chunk_passages: see `Pass`.
        max_grad_norm: gradients are clipped to it; None for no clipping.
        guide: the recipe's guide, if it has one.
        temperature: that of `module`; None if it is not learned.
    """

    accelerator: Accelerator
    model: I3Retriever
    module: nn.Module
    optimizer: AcceleratedOptimizer
    schedule: LRScheduler
    loss: LossRecipe
    negatives: NegativesRecipe
    chunk_passages: int | None
    max_grad_norm: float | None
    guide: Guide | None = None
    temperature: LearnedTemperature | None = None

    def step(self, batches: Sequence[Batch], epoch: int) -> tuple[Losses, LeftOut]:
        """One step.

        Args:
            batches: of the passes that it accumulates.
            epoch: from 1 on; the weight of reconstruction may depend on it.

        Returns:
            The losses' means over passes and devices, and how many pairs of query and passage the
            contrastive loss left out.
        """
        training_mode(self.model)
        weight = self.loss.reconstruction_weight(epoch)
        run = Pass(
            partial(
                weighted_losses,
                loss=self.loss,
                negatives=self.negatives,
                normalize=self.model.config.normalize,
            ),
            self.accelerator.backward,
            self._no_sync,
            self.chunk_passages,
        )
        total: Losses = {}
        left_out, device = LeftOut(), self.accelerator.device
        for number, own in enumerate(batches, start=1):
            batch = own.to(device) if self.guide is None else self.guide.guided(own.to(device))
            context = nullcontext() if number == len(batches) else self._no_sync()
            with context:
                losses = run.run(self.module, batch, weight, scale=1 / len(batches))
            left_out += self._left_out(batch)
            for name, value in losses.items():
                total[name] = total.get(name, torch.zeros_like(value)) + value / len(batches)
        if self.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.module.parameters(), self.max_grad_norm)
        self.optimizer.step()
        if self.temperature is not None:
            self.temperature.clip()
        if not self.accelerator.optimizer_step_was_skipped:
            self.schedule.step()
        self.optimizer.zero_grad()
        return total, left_out

    def _left_out(self, batch: Batch) -> LeftOut:
        """The pairs excluded from the contrastive loss; the same on all devices."""
        recipe = self.negatives
        if not self.loss.compares_batch or not (recipe.exclude_duplicates or self.guide):
            return LeftOut()
        found = contrast(batch, recipe)
        counts = torch.stack([found.duplicates.sum(), found.guided.sum()])
        devices = self.accelerator.num_processes
        own = devices if recipe.shared == "devices" and recipe.gradient == "own_slice" else 1
        summed: Tensor = self.accelerator.reduce(counts, "sum")
        return LeftOut(*(summed // own).tolist())

    def _no_sync(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self.accelerator.no_sync(self.module)
        return context


def make_accelerator(precision: str) -> Accelerator:
    """The accelerator of this device.

    Args:
        precision: fp32, bf16 or fp16.

    Raises:
        I3Error: the device cannot compute in this precision.
    """
    if precision == "fp16" and not torch.cuda.is_available():
        raise I3Error("training.precision fp16 needs a GPU; use bf16 or fp32 here")
    AcceleratorState._reset_state()  # a run before may have had another precision
    # The other devices wait while the first builds stores, checks data and evaluates.
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=12))
    try:
        return Accelerator(
            mixed_precision=PRECISIONS[precision],
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[patience],
        )
    except ValueError as error:
        raise I3Error(f"training.precision {precision}: {error}") from error


@contextmanager
def out_of_memory_is_explained() -> Iterator[None]:
    """Adds advice to out-of-memory errors.

    Raises:
        I3Error: it did.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no memory"
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and not any(words in reason.lower() for words in WORDS):
            raise
        raise I3Error(
            f"out of memory ({reason:.100}); lower training.chunk_passages (the gradient stays the "
            "same) or validation.batch_size, set training.gradient_checkpointing: true or "
            "precision: bf16; if that is not enough, lower training.batch_size, "
            "training.passages_per_query or model.passage_length"
        ) from error

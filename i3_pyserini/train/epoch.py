"""The batches of an epoch, from where a run was interrupted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from i3_pyserini.errors import I3Error
from i3_pyserini.train.mixture import MixedSampler
from i3_pyserini.train.recipe import TrainingRecipe
from i3_pyserini.train.samples import Batch, Collator, EpochSampler, Sample, TrainingSet


@dataclass(frozen=True)
class Epochs:
    """Reads the samples of a device, epoch after epoch.

    Attributes:
        samples: the training set.
        sampler: their order on this device.
        collator: makes batches of them.
        training: sizes and workers.
    """

    samples: TrainingSet
    sampler: EpochSampler | MixedSampler
    collator: Collator
    training: TrainingRecipe

    @property
    def passes(self) -> int:
        """Batches per epoch and device."""
        return math.ceil(len(self.sampler) / self.training.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the optimizer per epoch."""
        return math.ceil(self.passes / self.training.gradient_accumulation)

    def rest(self, epoch: int, done: int) -> Iterator[list[Batch]]:
        """The batches of each step that are left of an epoch.

        Args:
            epoch: which one, from 1.
            done: passes of it that are done.

        Raises:
            I3Error: a sample cannot be read, or a passage is not in the collection.
        """
        self.sampler.start(epoch, done * self.training.batch_size)
        loader = DataLoader(
            self.samples,
            batch_size=self.training.batch_size,
            sampler=self.sampler,
            collate_fn=self.collator,
            num_workers=self.training.workers,
            pin_memory=False,
            # Of its own, so that a resumed epoch draws no more from dropout's than a whole one.
            generator=torch.Generator(),
        )
        batches = []
        for number, batch in enumerate(_plainly(loader), start=done + 1):
            batches.append(batch)
            if len(batches) == self.training.gradient_accumulation or number == self.passes:
                yield batches
                batches = []


def _plainly(loader: DataLoader[Sample]) -> Iterator[Batch]:
    """The loader's batches; errors in the data are raised without the worker's traceback."""
    try:
        yield from loader
    except I3Error as error:
        raise I3Error(str(error).rpartition("I3Error: ")[2]) from None

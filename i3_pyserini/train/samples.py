"""Reads training files into batches of ids."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler, Sampler

from i3_pyserini.data.candidates import CandidateSource
from i3_pyserini.data.same_text import words_of
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import TextStore
from i3_pyserini.model.config import IGNORED_LABEL
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.train.recipe import ReconstructionRecipe
from i3_pyserini.train.sampling import Group, GroupSampler


@dataclass(frozen=True)
class Sample:
    """A group with its texts.

    Attributes:
        group: ids of query and passages.
        passages: the passages' texts.
        targets: the reconstructor's target for each passage; None for no target.
        positives: texts of all the query's positives, in the order of `Group.known`; empty if
            texts are not compared.
    """

    group: Group
    passages: list[Passage]
    targets: list[str | None]
    positives: list[Passage] = field(default_factory=list)


@dataclass(frozen=True)
class Inputs:
    """The model's input for Q queries and P passages.

    Attributes:
        query_ids: int64 [Q, T].
        query_mask: int64 [Q, T], 1 at tokens, 0 at padding.
        passage_ids: int64 [P, S].
        passage_mask: int64 [P, S].
        labels: int64 [P, L], what to reconstruct; None for nothing.
    """

    query_ids: Tensor
    query_mask: Tensor
    passage_ids: Tensor
    passage_mask: Tensor
    labels: Tensor | None

    def select(self, queries: Tensor, passages: Tensor) -> "Inputs":
        """Selects rows, without unnecessary padding.

        Args:
            queries: int64, rows of queries.
            passages: int64, rows of passages.
        """
        return Inputs(
            *_trimmed(self.query_ids[queries], self.query_mask[queries]),
            *_trimmed(self.passage_ids[passages], self.passage_mask[passages]),
            None if self.labels is None else self.labels[passages],
        )


@dataclass(frozen=True)
class Keys:
    """Hashes that are equal for equal passages.

    Attributes:
        passages: int64 [P] or, where each query has passages of its own, [Q, P].
        positives: int64 [Q, K], those of each query's positives, filled up with its first.
    """

    passages: Tensor
    positives: Tensor

    def to(self, device: torch.device) -> "Keys":
        """The same keys on a device."""
        return Keys(self.passages.to(device), self.positives.to(device))


@dataclass(frozen=True)
class RawTexts:
    """The texts of a batch, for a guide, which has a tokenizer of its own.

    Attributes:
        queries: Q texts.
        passages: P passages.
    """

    queries: list[str]
    passages: list[Passage]


@dataclass(frozen=True)
class Guidance:
    """A guide's vectors of the texts of a batch, of unit length.

    Attributes:
        queries: float [Q, D].
        passages: float [P, D].
    """

    queries: Tensor
    passages: Tensor


@dataclass(frozen=True)
class Batch:
    """Q queries with n passages each; P = Q·n.

    Attributes:
        inputs: their ids; query i's passages are rows i·n to i·n + n - 1, its positive first.
        teacher_scores: float64 [Q, n]; None without a teacher.
        passage_keys: int64 [P], equal for passages of equal ids.
        positive_keys: int64 [Q, K], keys of each query's positives, filled up with its first.
        texts: keys of the texts in place of the ids; None if they are not compared.
        raw: the texts themselves; None without a guide.
        guidance: what the guide made of them; None without a guide.
    """

    inputs: Inputs
    teacher_scores: Tensor | None
    passage_keys: Tensor
    positive_keys: Tensor
    texts: Keys | None = None
    raw: RawTexts | None = None
    guidance: Guidance | None = None

    @property
    def ids(self) -> Keys:
        """The keys of passages' ids."""
        return Keys(self.passage_keys, self.positive_keys)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        own = self.inputs
        return Batch(
            Inputs(
                own.query_ids.to(device),
                own.query_mask.to(device),
                own.passage_ids.to(device),
                own.passage_mask.to(device),
                None if own.labels is None else own.labels.to(device),
            ),
            None if self.teacher_scores is None else self.teacher_scores.to(device),
            self.passage_keys.to(device),
            self.positive_keys.to(device),
            None if self.texts is None else self.texts.to(device),
            self.raw,
        )


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields `(epoch, number)`, so that samples depend on nothing else.

    The order is that of PyTorch's `DistributedSampler`, which the original uses: a permutation
    per epoch, dealt out to the devices, with the first queries again where it does not divide.

    Args:
        size: number of training queries.
        rank: this device.
        world: number of devices.
        seed: the order's seed; the original's is 0.
    """

    def __init__(self, size: int, rank: int, world: int, seed: int) -> None:
        numbers: Any = range(size)
        self.order = DistributedSampler[int](numbers, world, rank, shuffle=True, seed=seed)
        self.epoch, self.skipped = 1, 0

    def start(self, epoch: int, skipped: int = 0) -> None:
        """Sets the epoch, starting at 1, and how many of its samples to skip."""
        self.epoch, self.skipped = epoch, skipped
        self.order.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        numbers = list(self.order)[self.skipped :]
        return ((self.epoch, number) for number in numbers)

    def __len__(self) -> int:
        """Samples of a whole epoch on this device."""
        return len(self.order)


class TrainingSet(Dataset[Sample]):
    """Training queries with their passages, drawn anew each epoch.

    Args:
        source: the queries and their candidates.
        sampler: draws the groups.
        store: the collection.
        generated: generated queries by passage; None for none.
        reconstruction: which targets samples have; None for none.
        seed: random seed.
    """

    def __init__(
        self,
        source: CandidateSource,
        sampler: GroupSampler,
        store: TextStore,
        generated: TextStore | None,
        reconstruction: ReconstructionRecipe | None,
        seed: int,
    ) -> None:
        self.source, self.sampler, self.store = source, sampler, store
        self.generated, self.reconstruction, self.seed = generated, reconstruction, seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample for an epoch and a number; always the same.

        Raises:
            I3Error: a line or a passage id of the training files is invalid.
        """
        epoch, number = key
        rng = random.Random(f"{self.seed} {epoch} {number}")  # noqa: S311  (no secret)
        return self.sample(self.sampler.draw(self.source[number], epoch, rng))

    def sample(self, group: Group) -> Sample:
        """Looks up a group's texts."""
        known = group.known if self.sampler.recipe.exclude_duplicates else []
        texts = {pid: self._text(pid, group) for pid in {*group.pids, *known}}
        return Sample(
            group,
            [texts[pid] for pid in group.pids],
            self._targets(group),
            [texts[pid] for pid in known],
        )

    def _text(self, pid: str, group: Group) -> Passage:
        text = self.store.get(pid)
        if text is None:
            raise I3Error(f"{group.place}: passage {pid} is not in the collection")
        return text

    def _targets(self, group: Group) -> list[str | None]:
        recipe = self.reconstruction
        if recipe is None:
            return [None] * len(group.pids)
        taught = len(group.pids) if recipe.passages == "all" else 1
        targets: list[str | None] = [self._generated(pid) for pid in group.pids[:taught]]
        if recipe.targets == "query":
            targets[0] = group.query
        else:
            targets = [target or "" for target in targets]
        return targets + [None] * (len(group.pids) - taught)

    def _generated(self, pid: str) -> str | None:
        entry = self.generated.get(pid) if self.generated is not None else None
        return entry.text if entry else None


class Collator:
    """Collates samples into batches.

    Args:
        tokenizer: the model's.
        labels: whether the model has a reconstructor to train.
        raw: whether a guide needs the texts.
    """

    def __init__(self, tokenizer: I3Tokenizer, labels: bool, raw: bool = False) -> None:
        self.tokenizer, self.labels, self.raw = tokenizer, labels, raw

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """Tokenizes samples; all groups have the same size."""
        groups = [sample.group for sample in samples]
        passages = [passage for sample in samples for passage in sample.passages]
        targets = [target for sample in samples for target in sample.targets]
        asked = [group.query for group in groups]
        queries = self.tokenizer.queries(asked)
        texts = self.tokenizer.passages(
            [passage.text for passage in passages], [passage.title for passage in passages]
        )
        scores = [group.scores for group in groups]
        inputs = Inputs(
            queries["input_ids"],
            queries["attention_mask"],
            texts["input_ids"],
            texts["attention_mask"],
            self._labels(targets) if self.labels else None,
        )
        return Batch(
            inputs,
            None if None in scores else torch.tensor(scores, dtype=torch.float64),
            torch.tensor([key_of(pid) for group in groups for pid in group.pids]),
            _filled([[key_of(pid) for pid in group.known] for group in groups]),
            _text_keys(samples) if all(sample.positives for sample in samples) else None,
            RawTexts(asked, passages) if self.raw else None,
        )

    def _labels(self, targets: list[str | None]) -> Tensor:
        labels = self.tokenizer.reconstruction_labels(targets)
        untaught = torch.tensor([target is None for target in targets])
        return labels.masked_fill(untaught.unsqueeze(1), IGNORED_LABEL)


def _trimmed(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    width = int(mask.sum(dim=1).max()) if len(mask) else 0
    return ids[:, :width], mask[:, :width]


def _text_keys(samples: Sequence[Sample]) -> Keys:
    return Keys(
        torch.tensor([key_of(words_of(text)) for sample in samples for text in sample.passages]),
        _filled([[key_of(words_of(text)) for text in sample.positives] for sample in samples]),
    )


def _filled(rows: list[list[int]]) -> Tensor:
    """Rows of keys, filled up with their first to the longest."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[row[0]] * (width - len(row))] for row in rows])


def key_of(text: str) -> int:
    """A hash that fits an int64."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)

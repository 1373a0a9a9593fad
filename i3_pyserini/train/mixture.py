"""Mixes training queries of several sources by weight."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import read_tsv
from i3_pyserini.formats.passage_fields import listed

Rows = np.ndarray[Any, np.dtype[np.int64]]


class Mixture:
    """How many training queries of which source an epoch has, and which.

    An epoch has as many samples as there are training queries in the sources that are used. Each
    source gets its share, and its queries come in random order, every one once before one comes
    again, across epochs. What an epoch has depends on the seed and the epoch alone.

    Args:
        sources: the source of each training query, in the order of the training set.
        weights: relative numbers of samples by source; None for the numbers of queries.
        seed: random seed.

    Raises:
        I3Error: a source has no weight, a weight has no source, or an epoch would have no sample
            of a source.
    """

    def __init__(
        self, sources: Sequence[str], weights: Mapping[str, float] | None, seed: int
    ) -> None:
        names, codes = np.unique(np.array(sources, dtype=object), return_inverse=True)
        queries = {name: np.flatnonzero(codes == code) for code, name in enumerate(names)}
        weights = weights or {name: float(len(rows)) for name, rows in queries.items()}
        _check_names(queries, weights)
        self.queries = {name: rows for name, rows in queries.items() if weights[name]}
        self.names = list(self.queries)
        self.shares = _shares(
            sum(map(len, self.queries.values())), {name: weights[name] for name in self.names}
        )
        self.seed = seed
        if lost := [name for name, count in self.shares.items() if not count]:
            raise I3Error(
                f"data.weights: {lost[0]!r} is {weights[lost[0]]:g}, too little for one sample an "
                f"epoch of {len(self):,}; raise it, or set it to 0"
            )

    def __len__(self) -> int:
        """Samples of an epoch."""
        return sum(self.shares.values())

    def epoch(self, epoch: int) -> tuple[Rows, Rows, Rows]:
        """The samples of an epoch, in random order.

        Args:
            epoch: the epoch, from 1 on.

        Returns:
            Three int64 [N]: numbers of training queries; for each, which pass over its source it
            belongs to, from 1 on; and the source, an index into `names`.
        """
        parts = [self._of_source(place, name, epoch) for place, name in enumerate(self.names)]
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        rows, passes, sources = (
            np.concatenate(column)[order] for column in zip(*parts, strict=True)
        )
        return rows, passes, sources

    def _of_source(self, place: int, name: str, epoch: int) -> tuple[Rows, Rows, Rows]:
        queries, count = self.queries[name], self.shares[name]
        positions = np.arange((epoch - 1) * count, epoch * count)
        passes, within = np.divmod(positions, len(queries))
        rows = np.empty(count, dtype=np.int64)
        for one in np.unique(passes):
            order = np.random.default_rng([self.seed, place, int(one), 1]).permutation(queries)
            chosen = passes == one
            rows[chosen] = order[within[chosen]]
        return rows, passes + 1, np.full(count, place)

    def __str__(self) -> str:
        parts = [
            f"{name} {self.shares[name]:,} of {len(rows):,} queries "
            f"({self.shares[name] / len(rows):.2f} passes)"
            for name, rows in self.queries.items()
        ]
        return f"samples an epoch by source: {', '.join(parts)}"


class MixedSampler(Sampler[tuple[int, int]]):
    """Yields `(pass, number)` of a mixture, dealt out to the devices.

    The pass over its source stands where `EpochSampler` has the epoch, so that a query that comes
    twice in an epoch has other negatives the second time.

    Args:
        mixture: the mixture.
        rank: this device.
        world: number of devices.
    """

    def __init__(self, mixture: Mixture, rank: int, world: int) -> None:
        self.mixture, self.rank, self.world = mixture, rank, world
        self.epoch, self.skipped = 1, 0

    def start(self, epoch: int, skipped: int = 0) -> None:
        """Sets the epoch, starting at 1, and how many of its samples to skip."""
        self.epoch, self.skipped = epoch, skipped

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rows, passes, _ = self._dealt(self.epoch)
        mine = slice(self.rank + self.skipped * self.world, None, self.world)
        return zip(passes[mine].tolist(), rows[mine].tolist(), strict=True)

    def __len__(self) -> int:
        """Samples of a whole epoch on this device."""
        return ceil(len(self.mixture) / self.world)

    def counts(self, epoch: int, done: int) -> dict[str, int]:
        """Samples of each source in the first `done` of an epoch on each device, all devices."""
        _, _, sources = self._dealt(epoch)
        names = self.mixture.names
        found = np.bincount(sources[: done * self.world], minlength=len(names))
        return {f"samples/{name}": int(found[place]) for place, name in enumerate(names)}

    def _dealt(self, epoch: int) -> tuple[Rows, Rows, Rows]:
        """An epoch, with its first samples again where it does not divide."""
        columns = self.mixture.epoch(epoch)
        rows, passes, sources = (np.resize(one, len(self) * self.world) for one in columns)
        return rows, passes, sources


def read_sources(path: Path, qids: Sequence[str]) -> list[str]:
    """The source of each training query.

    Args:
        path: `qid<TAB>source` lines.
        qids: ids of the training queries.

    Raises:
        I3Error: the file cannot be read, a line has other columns, or a query has no source or two.
    """
    known: dict[str, str] = {}
    for _, place, cells in read_tsv(path):
        words = [cell.strip() for cell in cells]
        if len(words) != 2 or not all(words):  # noqa: PLR2004  (query and source)
            raise I3Error(f"{place}: expected a query id, a tab and the name of its source")
        qid, source = words
        if known.setdefault(qid, source) != source:
            raise I3Error(f"{place}: query {qid} has another source above, {known[qid]!r}")
    if lacking := next((qid for qid in qids if qid not in known), None):
        raise I3Error(f"{path}: query {lacking} has no source")
    return [known[qid] for qid in qids]


def _check_names(queries: Mapping[str, Rows], weights: Mapping[str, float]) -> None:
    if other := next((name for name in weights if name not in queries), None):
        raise I3Error(
            f"data.weights: no training query is of {other!r}; there are {listed(queries)}"
        )
    if lacking := next((name for name in queries if name not in weights), None):
        raise I3Error(f"data.weights: {lacking!r} is missing; set it, to 0 to leave it out")


def _shares(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers in proportion to weights; the largest remainders are rounded up."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    shares = {name: int(share) for name, share in exact.items()}
    rest = sorted(exact, key=lambda name: (shares[name] - exact[name], name))
    for name in rest[: total - sum(shares.values())]:
        shares[name] += 1
    return shares

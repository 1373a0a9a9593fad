"""Excludes passages of a batch that are not negatives of a query.

Q queries of this device with n passages each, W devices. The queries of the loss are Q, or W·Q
with `gradient: own_slice`; they are scored against P = n (`shared: group`), Q·n (`batch`) or
W·Q·n passages (`devices`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from i3_pyserini.train.gather import gather, world
from i3_pyserini.train.recipe_inputs import NegativesRecipe
from i3_pyserini.train.samples import Batch, Guidance, Keys


@dataclass(frozen=True)
class Contrast:
    """The positives and negatives of each query.

    Attributes:
        targets: int64 [queries], the position of each query's positive; never excluded.
        judged: bool [queries, P], passages excluded as positives by their ids.
        duplicates: bool [queries, P], passages excluded by their texts: equal to that of a positive
            or of an earlier passage.
        guided: bool [queries, P], other passages excluded by the guide.
    """

    targets: Tensor
    judged: Tensor
    duplicates: Tensor
    guided: Tensor

    @property
    def left_out(self) -> Tensor:
        """All excluded passages, bool [queries, P]."""
        return self.judged | self.duplicates | self.guided


def contrast(batch: Batch, recipe: NegativesRecipe) -> Contrast:
    """Finds positives and their negatives by the keys of a batch; called by all devices.

    Args:
        batch: the batch.
        recipe: `shared`, `gradient`, and exclusions: `exclude_positives` by ids,
            `exclude_duplicates` by texts, `guide_margin` by the guide's scores.
    """
    queries, rank = len(batch.positive_keys), 0
    per_query = len(batch.passage_keys) // queries
    all_keys = [batch.ids, *([batch.texts] if recipe.exclude_duplicates and batch.texts else [])]
    if recipe.shared == "group":
        all_keys = [Keys(keys.passages.view(queries, -1), keys.positives) for keys in all_keys]
        targets = torch.zeros(queries, dtype=torch.long, device=batch.passage_keys.device)
    else:
        if recipe.shared == "devices":
            everyones = recipe.gradient == "own_slice"
            all_keys = [_gathered(keys, everyones) for keys in all_keys]
            rank = 0 if everyones else world()[0]
        rows = torch.arange(len(all_keys[0].positives), device=batch.passage_keys.device)
        targets = (rows + rank * queries) * per_query
    ids, *texts = all_keys
    judged = _is_positive(ids, targets)
    duplicates = torch.zeros_like(judged)
    for keys in texts:
        duplicates = (_is_positive(keys, targets) | _repeats(keys.passages)) & ~judged
        duplicates.scatter_(1, targets.unsqueeze(1), False)
    # A group of its own has positives only if the sampler was asked for them.
    if not recipe.exclude_positives or recipe.shared == "group":
        judged = torch.zeros_like(judged)
    guided = torch.zeros_like(judged)
    if batch.guidance is not None:
        guided = _likely_positive(batch.guidance, targets, recipe) & ~(judged | duplicates)
    return Contrast(targets, judged, duplicates, guided)


def _likely_positive(guidance: Guidance, targets: Tensor, recipe: NegativesRecipe) -> Tensor:
    """Whether the guide scores a passage above the positive minus the margin; False for targets."""
    queries, passages = guidance.queries, guidance.passages
    if recipe.shared == "group":
        scores = torch.einsum("qh,qnh->qn", queries, passages.unflatten(0, (len(queries), -1)))
    else:
        if recipe.shared == "devices":
            passages = gather(passages, own_slice=True)
            queries = gather(queries, own_slice=True) if recipe.gradient == "own_slice" else queries
        scores = queries @ passages.T
    own = scores.gather(1, targets.unsqueeze(1))
    return (scores > own - recipe.guide_margin).scatter(1, targets.unsqueeze(1), False)


def copies_of(own: Tensor, batch: Batch, recipe: NegativesRecipe) -> Tensor:
    """Passages with the id, or the text, of one of a query's own passages; those too.

    Args:
        own: int64 [queries, n], positions of the own passages.
        batch: the batch.
        recipe: see `contrast`.

    Returns:
        bool [queries, P].
    """
    found = torch.zeros(1, 1, dtype=torch.bool, device=own.device)
    if recipe.shared == "group":  # there are no other groups
        return found
    for keys in [batch.ids, *([batch.texts] if recipe.exclude_duplicates and batch.texts else [])]:
        passages = gather_keys(keys.passages) if recipe.shared == "devices" else keys.passages
        for place in own.unbind(dim=1):
            found = found | (passages[place].unsqueeze(1) == passages)
    return found


def other_queries_of_positives(batch: Batch, recipe: NegativesRecipe) -> tuple[Tensor, Tensor]:
    """Queries that are no negatives of a positive because it answers them too.

    Args:
        batch: the batch; Q queries.
        recipe: `shared` ("batch" or "devices") and the exclusions, the guide's too.

    Returns:
        bool [Q, queries], and int64 [Q], the position of each positive's own query.
    """
    everyone = recipe.shared == "devices"
    count = len(batch.positive_keys)
    targets = torch.arange(count, device=batch.passage_keys.device)
    targets = targets + (world()[0] * count if everyone else 0)
    found = torch.zeros(
        count, count * (world()[1] if everyone else 1), dtype=torch.bool, device=targets.device
    )
    kinds = [batch.ids] if recipe.exclude_positives else []
    kinds += [batch.texts] if recipe.exclude_duplicates and batch.texts else []
    for keys in kinds:
        own = keys.passages[:: len(keys.passages) // count].unsqueeze(1)
        others = gather_keys(keys.positives) if everyone else keys.positives
        for positive in others.unbind(dim=1):
            found |= own == positive
    if batch.guidance is not None:
        asked = batch.guidance.queries
        asked = gather(asked, own_slice=True) if everyone else asked
        positives = batch.guidance.passages[:: len(batch.guidance.passages) // count]
        scores = positives @ asked.T
        found |= scores > scores.gather(1, targets.unsqueeze(1)) - recipe.guide_margin
    return found.scatter_(1, targets.unsqueeze(1), False), targets


def gather_keys(keys: Tensor) -> Tensor:
    """All devices' keys; two-dimensional ones are first made as wide as the widest."""
    if world()[1] == 1:
        return keys
    if keys.dim() > 1:
        width = torch.tensor(keys.size(1), device=keys.device)
        dist.all_reduce(width, op=dist.ReduceOp.MAX)
        missing = int(width) - keys.size(1)
        keys = torch.cat([keys, keys[:, :1].expand(-1, missing)], dim=1)
    return gather(keys, own_slice=True)


def _gathered(keys: Keys, everyones: bool) -> Keys:
    positives = gather_keys(keys.positives) if everyones else keys.positives
    return Keys(gather_keys(keys.passages), positives)


def _is_positive(keys: Keys, targets: Tensor) -> Tensor:
    """Whether a passage has a key of the query's positives; False for the target itself."""
    passages = keys.passages.view(-1, keys.passages.size(-1))
    shape = (len(keys.positives), passages.size(1))
    found = torch.zeros(shape, dtype=torch.bool, device=passages.device)
    for positive in keys.positives.unbind(dim=1):  # one at a time: some queries have hundreds
        found |= passages == positive.unsqueeze(1)
    return found.scatter_(1, targets.unsqueeze(1), False)


def _repeats(passages: Tensor) -> Tensor:
    """Whether a passage has an earlier one's key, [1, P] or, for passages [Q, P], [Q, P]."""
    passages = passages.view(-1, passages.size(-1))
    ordered, order = passages.sort(dim=1, stable=True)
    again = torch.zeros_like(passages, dtype=torch.bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(again).scatter_(1, order, again)

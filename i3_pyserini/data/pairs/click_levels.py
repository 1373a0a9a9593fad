"""Levels of relevance from counts of clicks."""

from dataclasses import dataclass

from i3_pyserini.data.pairs.clicks import ClickRule
from i3_pyserini.data.pairs.table import CLICKED, PairTable

RATES_OF_PAIRS = """
CREATE TEMP TABLE rated AS
SELECT pair.n AS n, pair.clicks AS clicks, CASE
    WHEN pair.impressions > 0 THEN 1.0 * pair.shown_clicks / pair.impressions
    ELSE 1.0 * pair.clicks / max(1, whole.clicks) END AS rate
FROM pair JOIN (SELECT query, sum(clicks) AS clicks FROM pair GROUP BY query) AS whole
ON whole.query = pair.query WHERE pair.flags & ?
"""


@dataclass(frozen=True)
class Clicks:
    """What became of pairs with clicks.

    Attributes:
        pairs: their number.
        levels: number of pairs of each level, from 1 on.
        few: pairs with fewer than the minimum of clicks.
        low: pairs with a rate below the first.
    """

    pairs: int
    levels: tuple[int, ...]
    few: int
    low: int

    def __str__(self) -> str:
        levels = ", ".join(f"level {n}: {count:,}" for n, count in enumerate(self.levels, 1))
        return (
            f"{self.pairs:,} clicked pairs: {levels}; not judged: {self.few:,} with too few "
            f"clicks, {self.low:,} with too low a rate"
        )


def judge_clicks(table: PairTable, rule: ClickRule) -> Clicks:
    """Gives pairs with clicks their levels; the counts of all rows of a pair are summed."""
    table.rows(RATES_OF_PAIRS, CLICKED)
    pairs = table.count("SELECT count(*) FROM rated")
    few = table.count("SELECT count(*) FROM rated WHERE clicks < ?", rule.min_clicks)
    table.rows("DELETE FROM rated WHERE clicks < ?", rule.min_clicks)
    reached: list[int] = []
    for level, least in enumerate(rule.click_rates, start=1):
        table.rows("DELETE FROM rated WHERE rate < ?", least)
        reached.append(table.count("SELECT count(*) FROM rated"))
        table.rows("UPDATE pair SET level = max(level, ?) WHERE n IN (SELECT n FROM rated)", level)
    levels = [one - higher for one, higher in zip(reached, [*reached[1:], 0], strict=True)]
    return Clicks(pairs, tuple(levels), few, pairs - few - reached[0])

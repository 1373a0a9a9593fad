"""The rule by which counts of clicks become levels of relevance."""

from collections.abc import Sequence
from dataclasses import dataclass

from i3_pyserini.errors import I3Error

RATES = (0.05, 0.2, 0.5)
MIN_CLICKS = 3


@dataclass(frozen=True)
class ClickRule:
    """How clicks become levels of relevance.

    Attributes:
        min_clicks: minimum clicks of a pair; pairs with fewer are not judged.
        click_rates: minimum rates of level 1, 2 and so on, ascending. The rate of a pair is its
            clicks per impression or, without impressions, its share of the query's clicks; pairs
            below the first are not judged.
    """

    min_clicks: int = MIN_CLICKS
    click_rates: Sequence[float] = RATES

    @property
    def is_usual(self) -> bool:
        """Whether all numbers are the default ones."""
        return self.min_clicks == MIN_CLICKS and tuple(self.click_rates) == RATES

    def check(self) -> None:
        """Raises for numbers out of range.

        Raises:
            I3Error: names the option.
        """
        rates = list(self.click_rates)
        if not rates or rates != sorted({*rates}) or not 0 < rates[0] <= rates[-1] <= 1:
            shown = ", ".join(f"{one:g}" for one in rates) or "none"
            raise I3Error(f"click_rates are {shown}; expected ascending rates above 0, at most 1")


USUAL_RULE = ClickRule()

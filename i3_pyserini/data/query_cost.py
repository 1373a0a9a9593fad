"""What it costs to ask a language model for queries."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from i3_pyserini.data.chat import Answer
from i3_pyserini.data.language_model import LanguageModel

CHARS = 4.0  # of a token, in English; without answers to measure it
QUERY_TOKENS = 16.0  # likewise, of a query
SHORT = 90  # seconds that are not shown as minutes


@dataclass(frozen=True)
class QueryEstimate:
    """Requests, and what they cost.

    Attributes:
        requests: number of requests that have no answer yet.
        answered: number of requests with an answer, which are not sent again.
        prompts: tokens of their prompts.
        answers: tokens of their answers.
        price: in the currency of the prices; None without prices.
        seconds: duration; None before the first answers.
        measured: number of answers that tokens and time are estimated from; 0 for the rules of
            four characters a token, and 16 tokens a query.
        passages: number of passages.
        cut: number of passages that are cut in the prompt.
        first: the first prompt.
    """

    requests: int
    answered: int
    prompts: float
    answers: float
    price: float | None
    seconds: float | None
    measured: int
    passages: int = 0
    cut: int = 0
    first: str = ""

    def of(self, passages: int, cut: int, first: str) -> "QueryEstimate":
        """The same with what was asked about."""
        return replace(self, passages=passages, cut=cut, first=first)

    def before(self) -> str:
        """The estimate in one sentence."""
        known = f" ({self.answered:,} are answered already)" if self.answered else ""
        price = "" if self.price is None else f", price {self.price:,.2f}"
        time = "" if self.seconds is None else f", {_duration(self.seconds)}"
        by = f"from {self.measured:,} answers" if self.measured else "from the number of characters"
        cut = f"; {self.cut:,} passages are cut in the prompt (passage_chars)" if self.cut else ""
        return (
            f"{self.passages:,} passages, {self.requests:,} requests{known}: about "
            f"{self.prompts:,.0f} tokens of prompts and {self.answers:,.0f} of answers{price}"
            f"{time}, estimated {by}{cut}"
        )

    def __str__(self) -> str:
        prices = [] if self.price is not None else ["give price_input and price_output for a price"]
        times = [] if self.seconds is not None else ["ask for a few (limit) to estimate the time"]
        advice = "; ".join([*prices, *times])
        shown = f"\n{advice[0].upper()}{advice[1:]}." if advice else ""
        return f"{self.before()}.{shown}\nThe first prompt:\n\n{self.first}"


def estimate_of(
    sizes: Mapping[str, int], known: Mapping[str, Answer], how: LanguageModel, count: int
) -> QueryEstimate:
    """Estimates requests that have no answer from those that have one.

    Args:
        sizes: characters of the prompt of each request.
        known: answers by request; those of other requests do not count.
        how: how to ask.
        count: queries per passage.
    """
    left = [size for key, size in sizes.items() if key not in known]
    found = {key: one for key, one in known.items() if key in sizes and one.refused is None}
    counted = [
        (sizes[key], one.prompt_tokens, one.completion_tokens)
        for key, one in found.items()
        if one.prompt_tokens and one.completion_tokens is not None
    ]
    chars, answer = CHARS, QUERY_TOKENS * count
    if counted:
        chars = sum(size for size, _, _ in counted) / sum(tokens for _, tokens, _ in counted)
        answer = fmean(tokens for _, _, tokens in counted)
    times = [one.seconds for one in found.values() if one.seconds is not None]
    prompts, answers = sum(left) / chars, len(left) * answer
    return QueryEstimate(
        requests=len(left),
        answered=len(sizes) - len(left),
        prompts=prompts,
        answers=answers,
        price=how.price(prompts, answers),
        seconds=len(left) * fmean(times) / how.concurrency if times else None,
        measured=len(counted),
    )


def _duration(seconds: float) -> str:
    if seconds < SHORT:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < SHORT else f"{minutes / 60:.1f} h"

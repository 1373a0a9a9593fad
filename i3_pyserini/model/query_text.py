"""The text that is tokenised for a query, and what all texts are checked for."""

from collections.abc import Sequence

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.jsonl import refuse_surrogates


def query_texts(queries: Sequence[str], prompt: str) -> list[str]:
    """Queries as they are tokenised: directly behind the prompt.

    Raises:
        I3Error: a query is not text.
    """
    check_texts(queries, "query")
    return [prompt + query for query in queries]


def check_texts(values: Sequence[object], what: str) -> None:
    """Raises if something is no text, or one that has no UTF-8.

    Args:
        values: the texts.
        what: what they are called in the message.

    Raises:
        I3Error: names the first such text by its number.
    """
    if isinstance(values, str):
        raise I3Error(f"expected a list of texts, got one string: {values[:40]!r}")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise I3Error(f"{what} {number} is a {type(value).__name__}, not text: {value!r:.80}")
        refuse_surrogates(value, f"{what} {number}")

"""Makes a query with its candidates of a row, in the forms of all families."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from i3_pyserini.data.pairs.columns import Roles
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.lines import refuse_surrogates
from i3_pyserini.formats.names import PASSAGE_ID, find
from i3_pyserini.formats.passage_fields import TEXT_FIELDS, Passage, listed

LONGEST = 1 << 53  # of counts: whole numbers that a float holds


@dataclass(frozen=True)
class Candidate:
    """One passage of a row.

    Attributes:
        passage: its text and title; `docid` is "" where the row gives none.
        positive: whether it is relevant; None where clicks decide.
        score: the teacher's score; None for none.
        clicks: number of clicks.
        impressions: number of impressions; 0 where they are not known.
    """

    passage: Passage
    positive: bool | None
    score: float | None = None
    clicks: int = 0
    impressions: int = 0


@dataclass(frozen=True)
class Row:
    """A row of a file of pairs.

    Attributes:
        query: its text; "" for an empty cell.
        candidates: passages that are not empty, positives first.
        empty: number of empty cells and of empty texts in lists.
        margins: whether its scores are differences from the positive's.
        prompt: the row's instruction; "" for none.
        rated: whether numbers say which of its passages are positive.
    """

    query: str
    candidates: list[Candidate]
    empty: int = 0
    margins: bool = False
    prompt: str = ""
    rated: bool = False


def parse_row(record: Mapping[str, Any], roles: Roles, min_score: float | None = None) -> Row:
    """The query and the candidates of a row.

    Args:
        record: the row.
        roles: of its columns.
        min_score: minimum score of a positive, for pairs of which a number says how similar they
            are; None if numbers are the teacher's or labels.

    Raises:
        I3Error: a value has another type, a number is none or not finite, or lists differ in
            length; the message does not say where.
    """
    query = _text(record.get(roles.query), roles.query)
    prompt = _text(record.get(roles.prompt), roles.prompt) if roles.prompt else ""
    if roles.clicks is not None:
        candidate = _clicked(record, roles)
        found = [candidate] if _has_text(candidate.passage) else []
        return Row(query, found, (not query) + (not found), prompt=prompt)
    passages = _passages(record.get(roles.passages or ""), roles.passages or "")
    negatives = [one for name in roles.negatives for one in _passages(record.get(name), name)]
    candidates = [
        *(Candidate(one, positive=True) for one in passages),
        *(Candidate(one, positive=False) for one in negatives),
    ]
    margins = rated = False
    if roles.number is not None and record.get(roles.number) not in (None, "", []):
        numbers = _numbers(record[roles.number], roles.number)
        if negatives:
            margins = len(numbers) == len(negatives) and len(passages) == 1
            candidates = _scored(candidates, [0.0, *(-n for n in numbers)] if margins else numbers)
        else:
            rated = True
            candidates = _labelled(candidates, numbers, roles, min_score)
    elif roles.number is not None and not (negatives or roles.named_positive):
        raise I3Error(f"{roles.number!r} is empty")
    else:
        candidates = _with_own_scores(candidates, record, roles, len(passages))
    kept = [one for one in candidates if _has_text(one.passage)]
    empty = (not query) + len(candidates) - len(kept) + (not passages)
    return Row(query, kept, empty, margins, prompt, rated)


def _clicked(record: Mapping[str, Any], roles: Roles) -> Candidate:
    passage = Passage("", None, "")
    if roles.passages is not None:
        found = _passages(record.get(roles.passages), roles.passages)
        if len(found) > 1:
            raise I3Error(f"{roles.passages!r} has {len(found)} passages; a click is on one")
        passage = found[0] if found else passage
    if roles.docid is not None and record.get(roles.docid) is not None:
        passage = replace(passage, docid=_docid(record[roles.docid], roles.docid))
    clicks = _count(record.get(roles.clicks or ""), roles.clicks or "")
    shown = 0
    if roles.impressions is not None:
        shown = _count(record.get(roles.impressions), roles.impressions)
        if clicks > shown:
            raise I3Error(f"{clicks:,} {roles.clicks}, but {shown:,} {roles.impressions}")
    return Candidate(passage, None, clicks=clicks, impressions=shown)


def _passages(value: Any, name: str) -> list[Passage]:
    """The passages of a cell: a text (which may be empty), an object, or a list of these."""
    if isinstance(value, Mapping):
        lists = [one for one in value.values() if isinstance(one, list)]
        if lists and len(lists) == len(value):  # how some data sets hold lists of objects
            if len({len(one) for one in lists}) > 1:
                raise I3Error(f"{name!r} has lists of different lengths: {', '.join(value)}")
            rows = zip(*lists, strict=True)
            return [_passage(dict(zip(value, row, strict=True)), name) for row in rows]
        return [_passage(value, name)]
    return [_passage(one, name) for one in (value if isinstance(value, list) else [value])]


def _passage(value: Any, name: str) -> Passage:
    if not isinstance(value, Mapping):
        return Passage("", None, _text(value, name))
    text, docid = find(TEXT_FIELDS, value), find(PASSAGE_ID, value)
    if text is None and docid is None:
        raise I3Error(f"{name!r}: a passage without field 'text'; it has {listed(value)}")
    title = find(("title",), value)
    return Passage(
        "" if docid is None or value[docid] is None else _docid(value[docid], docid),
        (_text(value[title], f"{name}.{title}") or None) if title else None,
        _text(value[text], f"{name}.{text}") if text else "",
    )


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise I3Error(f"{name!r}: expected a text, got {_short(value)}")
    refuse_surrogates(value, repr(name))
    return value.strip()


def _docid(value: Any, name: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise I3Error(f"{name!r}: expected a passage id, got {_short(value)}")
    refuse_surrogates(str(value), repr(name))
    return str(value).strip()


def _has_text(passage: Passage) -> bool:
    return bool(passage.text or passage.title or passage.docid)


def _numbers(value: Any, name: str) -> list[float]:
    return [_number(one, name) for one in (value if isinstance(value, list) else [value])]


def _number(value: Any, name: str) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise I3Error(f"{name!r}: expected a number, got {_short(value)}")
    return number


def _count(value: Any, name: str) -> int:
    number = _number(value, name)
    if number < 0 or number != int(number) or number > LONGEST:
        raise I3Error(f"{name!r}: expected a count, got {_short(value)}")
    return int(number)


def _scored(candidates: Sequence[Candidate], scores: Sequence[float]) -> list[Candidate]:
    if len(scores) != len(candidates):
        raise I3Error(f"{len(scores)} scores for {len(candidates)} passages")
    return [replace(one, score=score) for one, score in zip(candidates, scores, strict=True)]


def _labelled(
    candidates: Sequence[Candidate], numbers: Sequence[float], roles: Roles, least: float | None
) -> list[Candidate]:
    """Passages without negatives, of which numbers say what they are."""
    if least is None and roles.named_positive and not roles.is_label:
        return _scored(candidates, numbers)
    if len(numbers) != len(candidates):
        raise I3Error(f"{len(numbers)} in {roles.number!r} for {len(candidates)} passages")
    if least is None and (not roles.is_label or not {*numbers} <= {0.0, 1.0}):
        odd = next((one for one in numbers if one not in (0.0, 1.0)), numbers[0])
        raise I3Error(
            f"{roles.number!r} is {odd:g}; which passages are relevant? Give the minimum with "
            "--min-score (labels 0 and 1 need none)"
        )
    limit = 1.0 if least is None else least
    return [
        replace(one, positive=number >= limit)
        for one, number in zip(candidates, numbers, strict=True)
    ]


def _with_own_scores(
    candidates: list[Candidate], record: Mapping[str, Any], roles: Roles, positives: int
) -> list[Candidate]:
    """Scores in two columns, as FlagEmbedding has them."""
    parts = ((roles.positive_scores, 0, positives), (roles.negative_scores, positives, None))
    for name, start, end in parts:
        value = record.get(name) if name else None
        if name is None or value in (None, "", []):
            continue
        numbers, some = _numbers(value, name), candidates[start:end]
        if len(numbers) != len(some):
            raise I3Error(f"{len(numbers)} in {name!r} for {len(some)} passages")
        candidates[start:end] = _scored(some, numbers)
    return candidates


def _short(value: Any) -> str:
    return f"{json.dumps(value, ensure_ascii=False, default=str):.60}"

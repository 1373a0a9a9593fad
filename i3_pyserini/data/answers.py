"""Queries out of a language model's answers."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from i3_pyserini.data.chat import Answer
from i3_pyserini.formats.scripts import count_words

MAX_WORDS, MAX_CHARS = 32, 300  # of a query; what is longer is prose
# The first tag may be at the end of the prompt, where the server's chat template puts it.
THOUGHTS = re.compile(
    r"\A(?:(?!<think).)*?</think(?:ing)?>|<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
# A number with a stop needs a space behind it: "3.5 inch disks" and "-5 degrees" are queries. Marks
# in full width need none.
MARK = re.compile(
    r"^(?:[-*•–—>#]+\s+|\(?\d{1,3}[.):]\)?\s+|\(?[a-z]\)\s+|（?\d{1,3}[、．。：）]\s*|[①-⑳]\s*"
    r"|\[\d{1,3}\]\s+|(?:search\s+)?(?:query|question)\s*\d*\s*[:：.)]\s*|q\s*\d*\s*[:：]\s*)+",
    re.IGNORECASE,
)
REMARK = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|absolutely|great)\b[,!.]"
    r"|^(?:a|answer)\s*\d*\s*:"
    r"|^(?:here (?:are|is)|below (?:are|is)|these are|the following|let me know|i hope|note:|"
    r"please note|feel free|as an ai\b|i (?:cannot|can't|am unable|apologi[sz]e)|i'm sorry)",
    re.IGNORECASE,
)
QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”",
    "„": "“",
    "«": "»",
    "`": "`",
    "「": "」",
    "『": "』",
    "‘": "’",
}
OPENING = re.compile(r"(?:^|\n|[:：])\s*([\[{])")
NEXT = re.compile(r"[\s,]*(?=[\[{])")  # between values in JSON
COMPLETE = re.compile(r'"((?:[^"\\]|\\.)*)"(?!\s*:)')  # strings in JSON that are not keys


def read_answer(answer: Answer, count: int, left_out: Counter[str]) -> list[str]:
    """The queries of an answer: JSON, or one on each line.

    Args:
        answer: the answer.
        count: how many queries were asked for; more are dropped.
        left_out: counts what was dropped, by reason.
    """
    if answer.refused is not None:
        left_out["passages refused by the server"] += 1
        return []
    text = THOUGHTS.sub("", answer.answer).strip()
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("```"))
    found = _of_json(text.strip())
    if found is not None:
        if answer.finish == "length":
            left_out["queries cut at max_tokens"] += 1
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if answer.finish == "length" and lines:
            lines.pop()
            left_out["queries cut at max_tokens"] += 1
        found = list(_of_lines(lines, left_out))
    kept = []
    for query in (" ".join(_unquoted(query).split()) for query in found):
        if count_words(query) > MAX_WORDS or len(query) > MAX_CHARS:
            left_out[f"answers longer than a query ({MAX_WORDS} words)"] += 1
        elif any(map(str.isalpha, query)):
            kept.append(query)
    if not kept:
        left_out["answers without a query"] += 1
    if len(kept) > count:
        left_out["queries beyond per_passage"] += len(kept) - count
    return kept[:count]


def _of_lines(lines: list[str], left_out: Counter[str]) -> Iterator[str]:
    for line in lines:
        query = MARK.sub("", line.replace("**", "").strip()).strip()
        if not query:
            continue
        if query.endswith((":", "：")) or (query == line and REMARK.match(query)):
            left_out["lines that are not queries"] += 1
        else:
            yield query


def _of_json(text: str) -> list[str] | None:
    """The strings of an answer in JSON, or of the beginning of it; None for other answers."""
    begun = OPENING.search(text)
    if begun is None:
        return None
    rest = text[begun.start(1) :]
    try:
        values, end = _values(rest)
        found = list(_strings(values))
        return found if found or not rest[end:].strip() else None
    except (ValueError, RecursionError):
        pass
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        return list(_strings(ast.literal_eval(rest)))  # a list as Python writes it
    if not re.match(r'[\[{]\s*"', rest):
        return None
    whole = []
    for one in COMPLETE.findall(rest):
        with suppress(ValueError):
            whole.append(json.loads(f'"{one}"', strict=False))
    return whole


def _values(text: str) -> tuple[list[Any], int]:
    """The lists and objects that a text in JSON begins with, and where they end."""
    decoder, values, end = json.JSONDecoder(), [], 0
    while following := NEXT.match(text, end):
        value, end = decoder.raw_decode(text, following.end())
        values.append(value)
    return values, end


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        named = [
            one for key, one in value.items() if "quer" in key.lower() or "quest" in key.lower()
        ]
        for one in named or value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _unquoted(text: str) -> str:
    text = text.strip().rstrip(",")
    while len(text) > 1 and QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text

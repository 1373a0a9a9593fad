"""Scripts: which one texts are written in, and those without blanks between words."""

from collections.abc import Iterable
from itertools import islice

import regex

# Chinese characters, kana, Thai, Lao, Khmer and Burmese; Korean has blanks.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
BEGINNING = regex.compile(rf"[{UNSPACED}]")
LETTERS = regex.compile(rf"(?:(?=[\p{{L}}\p{{N}}])[{UNSPACED}]\p{{M}}*)+")
LETTER = regex.compile(r"\X")
A_WORD = 2  # letters
# Languages by script, the most common first; kana precede Han, which Japanese has too.
SCRIPTS = {
    "Hiragana": "ja",
    "Han": "zh",
    "Hangul": "ko",
    "Thai": "th",
    "Arabic": "ar or fa",
    "Cyrillic": "ru or uk",
    "Devanagari": "hi or ne",
    "Bengali": "bn",
    "Telugu": "te",
    "Tamil": "ta",
    "Greek": "el",
    "Armenian": "hy",
}
SAMPLE, BEGINNINGS = 100, 500  # texts, and characters of each
A_SHARE = 0.05  # of the letters


def is_unspaced(text: str) -> bool:
    """Whether a text begins with a letter of a script without blanks."""
    return BEGINNING.match(text) is not None


def count_words(text: str) -> int:
    """The number of words: between blanks, or two letters a word where a script has none."""
    if not BEGINNING.search(text):
        return len(text.split())
    runs = [found[0] for found in LETTERS.finditer(text)]
    letters = sum(-(-len(LETTER.findall(run)) // A_WORD) for run in runs)
    others = LETTERS.sub(" ", text).split()
    return letters + sum(any(one.isalnum() for one in word) for word in others)


def other_script(texts: Iterable[str]) -> tuple[str, str] | None:
    """The script of texts of which most letters are not Latin.

    Args:
        texts: of which the first 100 are looked at.

    Returns:
        The script's name and the codes of its languages, "none" for those without an analyzer;
        None if most letters are Latin.
    """
    text = " ".join(one[:BEGINNINGS] for one in islice(texts, SAMPLE))
    letters, latin = (_count(name, text) for name in ("L", "Latin"))
    if 2 * latin >= letters:
        return None
    for name, codes in SCRIPTS.items():
        share = A_SHARE if name == "Hiragana" else 1 / 2
        if _count(name, text) > share * (letters - latin):
            return name, codes
    return "not Latin", "none"


def _count(script: str, text: str) -> int:
    return len(regex.findall(rf"\p{{{script}}}", text))

"""Scripts that are written without blanks between words."""

import regex

# Chinese characters, kana, Thai, Lao, Khmer and Burmese; Korean has blanks.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー々〆"
BEGINNING = regex.compile(rf"[{UNSPACED}]")
LETTERS = regex.compile(rf"(?:(?=[\p{{L}}\p{{N}}])[{UNSPACED}]\p{{M}}*)+")
LETTER = regex.compile(r"\X")
A_WORD = 2  # letters


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

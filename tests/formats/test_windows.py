"""Windows of documents, measured in words; with the ids of models in `tests/model`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.sentences import sentences
from i3_pyserini.formats.windows import LEAST, By, Cutter, Piece, Windowing, Words, pack
from tests.conftest import numbers

ALPHABET = "ab. \n。ก中é\u0301\u200b😀A!"
BY = st.sampled_from(["tokens", "sentences", "paragraphs"])


def cut(text: str, by: By, size: int, overlap: int = 0) -> list[str]:
    (found,) = Cutter(Windowing(by, size, overlap), Words()).cut([Passage("d", None, text)])
    return [text[start:end] for start, end in found.places]


def words(*ranges: tuple[int, int]) -> list[str]:
    return [" ".join(f"w{n}" for n in range(*one)) for one in ranges]


def test_windows_of_words() -> None:
    (text,) = words((0, 25))
    assert cut(text, "tokens", 10) == words((0, 10), (10, 20), (20, 25))
    assert cut(text, "tokens", 10, 4) == words((0, 10), (6, 16), (12, 22), (18, 25))
    assert cut(text, "tokens", 25, 24) == [text]


def test_whole_sentences_with_overlap() -> None:
    one, two, three = "A b c done.", "E f go.", "H i j k like."
    text = f"{one}  {two}\n{three}"
    assert cut(text, "sentences", 8) == [f"{one}  {two}", three]
    assert cut(text, "sentences", 8, 1) == [f"{one}  {two}", f"{two}\n{three}"]
    # The third sentence is not repeated: nothing new would fit beside it.
    four = "M n o p q r s too."
    found = cut(f"{text} {four}", "sentences", 8, 2)
    assert found == [f"{one}  {two}", f"{two}\n{three}", four]


def test_a_long_paragraph_is_cut_by_sentences_and_a_long_sentence_by_words() -> None:
    long = "B " + "x " * 11 + "yes."
    text = f"A be. C do.\n\n{long} E if.\n\nG h i j k like."
    assert cut(text, "paragraphs", 9) == [
        "A be. C do.",
        "B " + "x " * 7 + "x",
        "x x x yes. E if.",
        "G h i j k like.",
    ]


def test_scripts_without_blanks_are_cut_between_letters() -> None:
    assert cut("中文" * 8, "tokens", 10) == ["中文" * 5, "中文" * 3]
    assert cut("ก็" * 12, "tokens", 8) == ["ก็" * 8, "ก็" * 4]  # a mark stays with its letter
    assert cut("word中文word " * 3, "tokens", 8)[0] == "word中文word word中文word"


def test_a_document_without_words_is_one_window() -> None:
    assert cut("", "tokens", 8) == cut("", "paragraphs", 8) == [""]


def test_without_overlap_a_unit_without_ids_is_not_repeated() -> None:
    units = [Piece(0, 1, 2), Piece(2, 3, 0), Piece(4, 5, 2)]  # the second: a tokenizer drops it
    assert [(one.start, one.end) for one in pack(units, 2)] == [(0, 3), (4, 5)]
    assert [(one.start, one.end) for one in pack(units, 2, 1)] == [(0, 3), (2, 5)]


@pytest.mark.parametrize(
    ("size", "overlap", "said"),
    [(LEAST - 1, 0, [LEAST - 1, LEAST - 1, LEAST]), (9, 9, [9, 9, 9, 8]), (9, -1, [1, 0])],
)
def test_what_is_refused(size: int, overlap: int, said: list[int]) -> None:
    with pytest.raises(I3Error) as refused:
        cut("a", "tokens", size, overlap)
    assert numbers(str(refused.value)) == list(map(str, said))


@given(st.text(ALPHABET, max_size=200), BY, st.integers(8, 20), st.integers(0, 7))
def test_windows_cover_a_text_in_order(text: str, by: By, size: int, overlap: int) -> None:
    text = text.strip()
    (found,) = Cutter(Windowing(by, size, overlap), Words()).cut([Passage("d", "t", text)])
    covered = 0
    for start, end in found.places:
        window = text[start:end]
        assert window == window.strip()
        assert Words().lengths([window], [None])[0] <= size
        assert end > covered or not text
        assert not text[covered:start].strip()  # nothing but blanks is between two windows
        covered = end
    assert covered == len(text)
    if by == "sentences":
        ends = {end for _, end in sentences(text)}
        for (_, end), (start, _) in zip(found.places, found.places[1:], strict=False):
            assert end in ends or start == end or start not in ends

"""Where the sentences and paragraphs of a text are."""

import pytest

from i3_pyserini.formats.sentences import paragraphs, sentences


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "marked",
    [
        "Dr. Smith came.| He saw Mrs. Jones.| They left.",
        "这是一。|这是二！|「这是三。」|四",
        "これは文です。|次の文です｡|終わり",
        "هل هذا سؤال؟| نعم.| شكرا",
        "สวัสดีครับ| ผมชื่อสมชาย| ยินดีที่ได้รู้จัก",
        "ราคา 50 บาท| ครับ",
        "Heading\n\n|First. second.| Third",
        "one\u2003| ",
        "😀 Go.| 😀 Stop. 😀",
    ],
)
def test_sentences(marked: str) -> None:
    expected = [part.strip() for part in marked.split("|") if part.strip()]
    if "😀" in marked:  # a sentence begins with a letter
        expected = [marked.replace("|", "")]
    assert parts(marked.replace("|", "")) == expected


def test_paragraphs_are_between_blank_lines() -> None:
    text = " \n\nA a.\nB.\n \t\n\n  C\r\n\r\nD\n\n"
    assert [text[start:end] for start, end in paragraphs(text)] == ["A a.\nB.", "C", "D"]


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\u2003"])
def test_nothing_but_white_space(text: str) -> None:
    assert list(sentences(text)) == list(paragraphs(text)) == []


@pytest.mark.parametrize(
    "text",
    ["ก" + " " * 100_000 + "a", "。" * 100_000, "ก ข " * 20_000, "a" + "\n" * 100_000 + "b"],
)
def test_long_texts_are_quick(text: str) -> None:
    assert sum(1 for _ in sentences(text)) >= 1

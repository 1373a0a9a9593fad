"""Where the first sentence of a text ends."""

import pytest

from i3_pyserini.data.own_words import first_sentence


@pytest.mark.parametrize(
    "marked",
    [
        "The U.S. is large.| It has fifty states.",
        "The U.S. Army is large.| It has tanks.",
        "We saw Dr. Smith and Mrs. Jones.| They waved.",
        "J. R. R. Tolkien wrote books.| Many read them.",
        "Fruit, e.g. Boskoop apples, is good.| Eat it.",
        "Apple Inc. Was founded.| It sells things.",
        "It costs 3.50 dollars.| Not more.",
        "It opened in 1990.| The town grew.",
        "Is it so?| Yes.",
        "Stop!| Go.",
        "Well... maybe not.| Sure.",
        "Wait...| What?",
        'He said "Go."| Then he left.',
        "He said: “Go!”| “Why?” she asked.",
        "(It is so.)| (It is not.)",
        "Use node.js or .NET now.| Done.",
        "see fig. 3. and then stop.| The end.",
        "Émile est là.| Élise part.",
        "¿Qué es?| ¿Quién es?",
        "Это так.| Да.",
        "यह है।| वह है।",
        "これは文です。|次の文です。",
        "A heading without a stop|\n\nThe text of it. More.",
        "Line one\nline two.|\nNext sentence.",
        "no end of a sentence, 3.5 or x.y. at all|",
        "Only one sentence.|",
        "  blanks around it.|  Rest of it.  ",
        "|",
        "...|",
    ],
)
def test_where_the_first_sentence_ends(marked: str) -> None:
    sentence, rest = marked.split("|")
    assert first_sentence(sentence + rest) == (sentence.strip(), rest.strip())


def test_a_long_text_without_sentences_is_quick() -> None:
    for text in ("." * 200_000, "a. " * 50_000, ". " * 50_000 + "a", "\n" * 100_000 + "a\n" * 9):
        first_sentence(text)

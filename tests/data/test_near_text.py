"""`NearTexts` finds the pairs that a plain comparison finds, whatever the script."""

import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3_pyserini.data.near_text import NearTexts, trigrams, words_only
from i3_pyserini.data.splitting import together

WORD = st.text("abc", min_size=1, max_size=5)
TEXTS = st.lists(st.lists(WORD, max_size=4).map(" ".join), max_size=12)


def plain(others: list[str], texts: list[str], overlap: float) -> dict[tuple[int, int], float]:
    found = {}
    for row, one in enumerate(map(trigrams, others)):
        for column, other in enumerate(map(trigrams, texts)):
            share = len(one & other) / max(len(one | other), 1)
            if share >= overlap - 1e-9:
                found[row, column] = share
    return found


@settings(max_examples=200)
@given(TEXTS, TEXTS, st.sampled_from([0.6, 0.7, 0.8, 1.0]))
def test_near_texts_are_those_of_a_plain_comparison(
    others: list[str], texts: list[str], overlap: float
) -> None:
    found = list(NearTexts(texts, overlap).near(others))
    expected = plain(others, texts, overlap)
    assert {(one, other): share for one, other, share in found} == pytest.approx(expected)
    assert [near[:2] for near in found] == sorted(expected)
    among = {near[:2] for near in NearTexts(texts, overlap).among()}
    assert among == {pair for pair in plain(texts, texts, overlap) if pair[0] > pair[1]}


def test_many_texts_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("READ", 11), ("WORK", 7), ("COMPARED", 3)):
        monkeypatch.setattr(f"i3_pyserini.data.near_text.{limit}", value)
    chance = np.random.default_rng(0)
    letters = list(string.ascii_lowercase)
    stems = ["".join(chance.choice(letters, 30)) for _ in range(20)]
    texts = [f"{stems[n % 20]}{'x' * (n // 20)}" for n in range(60)]
    found = list(NearTexts(texts, 0.7).near(texts))
    assert [near[:2] for near in found] == sorted(plain(texts, texts, 0.7))
    among = [near[:2] for near in NearTexts(texts, 0.7).among()]
    assert among == [pair for pair in sorted(plain(texts, texts, 0.7)) if pair[0] > pair[1]]
    grouped = together(dict(zip(map(str, range(60)), texts, strict=True)), {}, 0.7)
    assert sorted(map(len, grouped.groups)) == [3] * 20
    assert grouped.by_near_text.count == 40


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("北京明天的天气怎么样？", "北京明天的天气怎么样"),
        ("東京タワーの高さはどのくらいですか", "東京タワーの高さはどのくらいですか？"),
        ("ما هي عاصمة فرنسا؟", "ما هي عاصمة فرنسا"),
        ("วิธีทำข้าวผัดไข่", "วิธีทำข้าวผัดไข่!"),
        ("हिन्दी में मौसम की जानकारी", "मौसम की जानकारी, हिन्दी में"),
        ("Wie heißt die größte Stadt", "WIE HEISST DIE GRÖSSTE STADT?"),
        ("ｆｕｌｌ ｗｉｄｔｈ ｗｏｒｄｓ", "full width words"),
        ("café crème", "cafe\u0301 cre\u0300me"),
        ("☕🥐", " ☕🥐 "),
    ],
)
def test_scripts(one: str, other: str) -> None:
    ((_, _, overlap),) = NearTexts(["something else", other], 1.0).near([one])
    assert overlap == 1


def test_marks_are_part_of_words() -> None:
    assert words_only("के की") == "के की"  # vowels are marks
    assert not list(NearTexts(["के"], 0.6).near(["की"]))
    assert words_only("C'est-à-dire…") == "c est à dire"
    assert words_only("") == words_only(" \n") == "" and words_only("?!") == "?!"
    assert trigrams("") == set() and not list(NearTexts(["", "a"], 0.6).near([""]))

"""Words of texts in any script, for BM25 without Java."""

import unicodedata

import pytest

from i3_pyserini.search.analysis import Analyzer


@pytest.mark.parametrize(
    ("code", "text", "terms"),
    [
        # As Lucene's CJKAnalyzer gives them (Anserini 1.7.1), which also folds full width.
        ("zh", "北京是中国的首都 ＡＢＣ１２", "北京 京是 是中 中国 国的 的首 首都 abc12"),
        ("ko", "한국어를 공부", "한국 국어 어를 공부"),
        ("ja", "東京タワーへ。一", "東京 京タ タワ ワー ーへ 一"),
        ("ja", "ｶﾞﾗｽ", "ガラ ラス"),  # half width: two characters are one letter
        # As its ArabicAnalyzer, GermanAnalyzer and RussianAnalyzer have the stems.
        ("ar", "الكُتُبُ الجديدة في المكتبات", "كتب جديد في مكتب"),
        ("de", "Häuser der Städte, größer", "haus der stadt gross"),
        ("ru", "новые книги", "нов книг"),
        ("fa", "کتاب\u200cهای جدید", "کتاب های جدید"),
        ("th", "วัดที่นี่", "วัด ดที่ ที่นี่"),  # a consonant has its vowel and tone
        ("tr", "IŞIK İstanbul'da", "ışık istanbul da"),
        ("none", "The Houses of größer_x", "the houses of größer x"),
        ("none", "किताबों ที่", "किताबों ที่"),
        ("pretokenized", "The Houses, of", "The Houses, of"),
        ("zh", "", ""),
        ("de", "\u0301 ... —", ""),
    ],
)
def test_terms(code: str, text: str, terms: str) -> None:
    assert Analyzer(code).terms(text) == [unicodedata.normalize("NFKC", t) for t in terms.split()]


@pytest.mark.parametrize("code", ["de", "zh", "ar", "th", "hi", "none", "pretokenized"])
def test_places_and_forms(code: str) -> None:
    text = "Größe کتاب 北京的ｶﾞﾗｽ ที่กรุงเทพ किताबों x\u0308y 👩‍👩‍👧 ＡＢ"
    tokens = list(Analyzer(code).tokens(text))
    assert all(0 <= one.start < one.end <= len(text) and one.term for one in tokens)
    assert [one.start for one in tokens] == sorted(one.start for one in tokens)
    if code != "pretokenized":
        apart = unicodedata.normalize("NFD", text)
        assert Analyzer(code).terms(apart) == [one.term for one in tokens]

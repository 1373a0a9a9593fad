"""Which script texts are written in."""

import pytest

from i3_pyserini.formats.scripts import other_script


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("123 – 45 %", None),
        ("Über Straßen und Flüsse", None),
        ("The verb 食べる in Japanese", None),
        ("Linux 文件系统的目录结构", ("Han", "zh")),
        ("ファイルの一覧を表示する", ("Hiragana", "ja")),
        ("서울은 한국의 수도이다", ("Hangul", "ko")),
        ("กรุงเทพมหานครเป็นเมืองหลวง", ("Thai", "th")),
        ("القاهرة عاصمة مصر", ("Arabic", "ar or fa")),
        ("Москва — столица России", ("Cyrillic", "ru or uk")),
        ("ירושלים", ("not Latin", "none")),
    ],
)
def test_script_of_most_letters(text: str, found: tuple[str, str] | None) -> None:
    assert other_script([text]) == found


def test_the_first_texts_decide() -> None:
    assert other_script(["東京は日本の首都です"] * 60 + ["London"] * 60) == ("Hiragana", "ja")
    assert other_script(["London"] * 100 + ["東京は日本の首都です"] * 9999) is None

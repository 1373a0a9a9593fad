"""Encoding, search and the page in five languages, with a multilingual vocabulary."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from i3_pyserini.encode.corpus import encode_corpus
from i3_pyserini.encode.query_encoders import load_query_encoder
from i3_pyserini.model.explain import explain_passage
from i3_pyserini.search.searcher import Searcher
from i3_pyserini.serve.app import make_app
from i3_pyserini.serve.passages import Passages, Sources
from i3_pyserini.serve.snippets import SHOWN, find_words, pieces_of, snippet
from tests.languages.conftest import CODES, TEXTS

Collection = Callable[[str], Path]
# A query, and what is marked in the text of the passage that it asks for.
MARKED = {
    "ar": ("الجمل في الصحراء", {"الجمل", "الصحراء", "في"}),
    "de": ("Kamel Höcker Tage", {"Kamele", "Höckern", "Tage"}),
    "ja": ("砂漠のラクダ", {"ラクダ", "砂漠"}),
    "th": ("ทะเลทราย", {"ทะเลทราย"}),
    "zh": ("沙漠骆驼", {"骆驼", "沙漠"}),
}


def test_each_language_from_texts_to_the_page(
    collection: Collection, multilingual: str, tmp_path: Path
) -> None:
    encoder = load_query_encoder(multilingual)
    for code in CODES:
        data, index = collection(code), tmp_path / code
        encode_corpus(data / "corpus", model=multilingual, output=index)
        passages = Passages(Searcher(index, encoder), Sources(cache=tmp_path / "cache"))
        app = make_app(passages, 30, ["page.example"])
        client = TestClient(app, base_url="http://127.0.0.1")
        query, marked = MARKED[code]
        page = client.get("/", params={"q": query, "view": "words"}).text
        first = re.search(r'<p class="text"(.*?)>(.*?)</p>', page)
        assert first is not None and 'dir="auto"' in first[1] and f'lang="{code}"' in first[1]
        assert marked <= {*re.findall("<mark>(.*?)</mark>", page)}
        found = client.get("/search", params={"q": query, "view": "both"}).json()["results"]
        assert found["words"][0]["id"] == f"{code}-camel"
        texts = [json.loads(line) for line in (TEXTS / f"{code}.jsonl").open(encoding="utf-8")]
        own = next(one for one in texts if one["id"] == f"{code}-camel")
        assert {**own, **found["words"][0]}.items() >= own.items()  # as they were imported
        assert len(found["vectors"]) == 30
        words = explain_passage(multilingual, text=own["text"], top=30, stop_words=True).words
        assert words and all("\ufffd" not in one.word for one in words)
        assert all(any(letter.isalnum() for letter in one.word) for one in words)


@pytest.mark.parametrize("code", CODES)
def test_snippets_do_not_cut_letters(code: str) -> None:
    lines = (TEXTS / f"{code}.jsonl").open(encoding="utf-8")
    text = "".join(json.loads(line)["text"] for line in lines)
    for text_ in (text, text.replace(" ", ""), unicodedata.normalize("NFD", text)):
        for start in range(0, len(text_) - 400, 37):
            query = text_[start + 200 : start + 206]
            (spans,) = find_words(query, [text_], code)
            part = snippet(text_, spans)
            shown = "".join(piece for piece, _ in part.pieces)
            assert shown in text_ and len(shown) <= SHOWN + 12
            assert not unicodedata.category(shown[0]).startswith("M")
            behind = text_[text_.index(shown) + len(shown) :]
            assert not behind or not unicodedata.category(behind[0]).startswith("M")
            assert "".join(piece for piece, _ in pieces_of(text_, spans)) == text_


def test_pairs_of_letters_are_marked_together() -> None:
    (spans,) = find_words("東京大学", ["私は東京大学の学生です"], "ja")
    assert spans == [(2, 6)]

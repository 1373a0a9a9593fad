"""Windows measured by a model's own ids: no encoder cuts them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.encode.encoders import DocumentEncoder, I3DocumentEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.windows import By, Cutter, Windowing
from i3_pyserini.model.passage_input import PassageInput
from i3_pyserini.model.settings import EncoderSettings
from tests.model.odd_tokenizers import KINDS, TEXTS, make_odd_model

SIZE = 24
TITLES = (None, "eggs", "how to boil " * 20, "中文 eggs", "NA")
LONG = [
    *TEXTS,
    " ".join(TEXTS),
    "日本語中文" * 30,
    "boil 中文egg. " * 30,
    "x" * 500,
    "null",
    "é" * 90,
]


def check(measure: PassageInput, encoder: DocumentEncoder, by: By, overlap: int) -> None:
    documents = [
        Passage(str(n), TITLES[n % len(TITLES)], text.strip()) for n, text in enumerate(LONG)
    ]
    cutter = Cutter(Windowing(by, SIZE, overlap), measure)
    texts: list[str] = []
    titles: list[str | None] = []
    for document, windows in zip(documents, cutter.cut(documents), strict=True):
        assert windows.too_long == 0
        found = [document.text[start:end] for start, end in windows.places]
        assert "".join(document.text.split()) in "".join("".join(found).split()) or overlap
        assert (document.title or "").startswith(windows.title or "")
        texts, titles = texts + found, titles + [windows.title] * len(found)
    assert len(texts) > len(documents)
    ids = encoder.ids(texts, titles)
    assert getattr(ids, "cut", None) == 0
    assert [len(one) for one in ids] == measure.lengths(texts, titles)
    assert max(map(len, ids)) == SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_no_encoder_cuts_a_window(kind: str, tmp_path: Path) -> None:
    model = make_odd_model(KINDS[kind], tmp_path / "odd")
    settings = EncoderSettings(passage_length=SIZE)
    measure = PassageInput.of_encoder(model, settings)
    encoder = AutoDocumentEncoder(model, "cpu", settings=settings)
    check(measure, encoder, "tokens", 3)
    check(measure, encoder, "sentences", 0)


@pytest.mark.parametrize(
    "options",
    [
        {"passage_prompt": "boil : "},
        {"passage_prompt": "boil ", "prompt_behind_title": True},
        {"add_sep": True},
        {"lowercase": True},
    ],
    ids=str,
)
def test_prompts_and_segments_are_counted(options: dict[str, Any], tmp_path: Path) -> None:
    model = make_odd_model(KINDS["cased"], tmp_path / "odd")
    settings = EncoderSettings(passage_length=SIZE, **options)
    measure = PassageInput.of_encoder(model, settings)
    check(measure, AutoDocumentEncoder(model, "cpu", settings=settings), "paragraphs", 1)


def test_the_template_of_an_i3_model_is_counted(
    tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    model, tokenizer = tiny_model
    model.config.passage_length = tokenizer.config.passage_length = SIZE
    save_model_directory(model, tokenizer, tmp_path / "model")
    name = str(tmp_path / "model")
    check(PassageInput.of_i3(name), I3DocumentEncoder(name, "cpu"), "tokens", 0)


def test_windows_longer_than_the_model_reads_are_refused(tiny_bert: str) -> None:
    measure = PassageInput.of_encoder(tiny_bert, EncoderSettings(passage_length=SIZE))
    with pytest.raises(I3Error, match=f"size {SIZE + 1}"):
        Cutter(Windowing("tokens", SIZE + 1), measure)
    with pytest.raises(I3Error, match="size 9 leaves 7"):
        Cutter(Windowing("tokens", 9), measure)


def test_words_are_whole_where_there_are_blanks(tiny_bert: str) -> None:
    text = "photosynthesis plants light " * 9
    measure = PassageInput.of_encoder(tiny_bert, EncoderSettings(passage_length=SIZE))
    (windows,) = Cutter(Windowing("tokens", 12), measure).cut([Passage("d", None, text.strip())])
    found: Sequence[str] = [text[start:end] for start, end in windows.places]
    assert " ".join(found).split() == text.split()
    assert len(found) > 5

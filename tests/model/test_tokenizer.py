from typing import Any

import pytest
import torch

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer

TinyModel = tuple[I3Retriever, I3Tokenizer]


def words(tokenizer: I3Tokenizer, ids: Any) -> str:
    return " ".join(tokenizer.tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.parametrize("title", [None, "", "NA", "null", "NaN", "None", "n/a", "#N/A"])
def test_missing_title(tiny_model: TinyModel, title: str | None) -> None:
    assert tiny_model[1].passage_texts(["eggs"], [title]) == ["NA [SEP] eggs"]


@pytest.mark.parametrize("title", ["none", "Null", " ", "nothing"])
def test_titles_that_only_look_missing(tiny_model: TinyModel, title: str) -> None:
    assert tiny_model[1].passage_texts(["eggs"], [title]) == [f"{title} [SEP] eggs"]


def test_no_titles_at_all(tiny_model: TinyModel) -> None:
    assert tiny_model[1].passage_texts(["a {title} {b}"]) == ["NA [SEP] a {title} {b}"]


def test_template_without_title(tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert, passage_template="{text}")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    assert tokenizer.passage_texts(["eggs"], ["a title"]) == ["eggs"]


def test_empty_texts_have_a_result(tiny_model: TinyModel) -> None:
    model, tokenizer = tiny_model
    assert words(tokenizer, tokenizer.queries([""])["input_ids"][0]) == "[CLS] [SEP]"
    passages = tokenizer.passages([""], [""])
    assert words(tokenizer, passages["input_ids"][0]) == "[CLS] na [SEP] na [SEP]"
    with torch.no_grad():
        for vectors in (
            model.encode_queries(**tokenizer.queries([""])),
            model.encode_passages(**passages).vectors,
        ):
            assert vectors is not None
            assert vectors.isfinite().all()


@torch.no_grad()
def test_text_of_special_tokens_only(tiny_model: TinyModel) -> None:
    model, tokenizer = tiny_model
    batch = tokenizer.passages(["[SEP] [MASK] [CLS]"], ["[PAD]"])
    ids = words(tokenizer, batch["input_ids"][0])
    assert ids == "[CLS] [PAD] [SEP] [SEP] [MASK] [CLS] [SEP]"
    vectors = model.encode_passages(**batch).vectors
    assert vectors is not None
    assert vectors.isfinite().all()


@torch.no_grad()
def test_very_long_texts_are_cut(tiny_model: TinyModel) -> None:
    model, tokenizer = tiny_model
    long = "eggs in water " * 7_200  # 100,800 characters
    batch = tokenizer.passages([long, "eggs"], [long, None])
    assert batch["input_ids"].shape == (2, model.config.passage_length)
    assert batch["input_ids"][0, -1] == model.config.sep_token_id
    assert tokenizer.queries([long])["input_ids"].shape == (1, model.config.query_length)
    start = tokenizer.passages([long[:3_000]], [long[:3_000]])
    torch.testing.assert_close(
        model.encode_passages(**batch).vectors[:1],  # type: ignore[index]
        model.encode_passages(**start).vectors,
    )


def test_query_prefix(tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert, query_prefix="what :")
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    ids = tokenizer.queries(["boil an egg"])["input_ids"][0]
    assert words(tokenizer, ids) == "[CLS] what : boil an egg [SEP]"


def test_labels(tiny_model: TinyModel) -> None:
    tokenizer = tiny_model[1]
    labels = tokenizer.reconstruction_labels(["how long", None, "  ", "eggs " * 50])
    assert labels.shape == (4, 32)
    assert words(tokenizer, labels[0, :2]) == "how long"
    assert (labels[0, 2:] == -100).all()
    for row in (1, 2):
        assert words(tokenizer, labels[row, :1]) == "what"
        assert (labels[row, 1:] == -100).all()
    assert (labels[3] == labels[3, 0]).all()


def test_things_that_are_not_text(tiny_model: TinyModel) -> None:
    tokenizer = tiny_model[1]
    wrong: list[Any] = ["fine", None]
    with pytest.raises(I3Error, match="text of passage 1 is a NoneType, not text: None"):
        tokenizer.passages(wrong)
    with pytest.raises(I3Error, match="query 1 is a NoneType"):
        tokenizer.queries(wrong)
    with pytest.raises(I3Error, match="title of passage 0 is a int"):
        tokenizer.passages(["fine"], [3])  # type: ignore[list-item]
    with pytest.raises(I3Error, match="expected a list of texts, got one string: 'fine'"):
        tokenizer.queries("fine")
    with pytest.raises(I3Error, match="query 1: a lone surrogate"):
        tokenizer.queries(["fine", "half \ud83d"])
    with pytest.raises(I3Error, match="2 passages but 1 titles"):
        tokenizer.passages(["a", "b"], ["t"])


def test_long_call_does_not_leave_traces_in_the_saved_tokenizer(
    tiny_model: TinyModel, tmp_path: Any
) -> None:
    from i3_pyserini import save_model_directory

    model, tokenizer = tiny_model
    save_model_directory(model, tokenizer, tmp_path / "before")
    tokenizer.passages(["eggs " * 300])
    save_model_directory(model, tokenizer, tmp_path / "after")
    for file in ("tokenizer.json", "query_encoder/tokenizer.json"):
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()

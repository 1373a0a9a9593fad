"""One tokenizer for each model: every route has the ids that the model's own files say."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.model.fingerprint import tokenizer_fingerprint
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.tokenizer_check import PROBES, check_tokenizer
from i3_pyserini.model.tokenizer_file import CONFIG, FILE, TokenizerFile, read_tokenizer_file
from i3_pyserini.model.tokenizer_loading import load_tokenizer
from tests.model.odd_tokenizers import KINDS, LENGTH, TEXTS, Kind, make_odd_model

ALL = [*TEXTS, *PROBES]
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture
def model(kind: Kind, tmp_path: Path) -> str:
    return make_odd_model(kind, tmp_path / "odd")


def read(folder: str) -> TokenizerFile:
    found = read_tokenizer_file(folder)
    assert found is not None
    return found


@kinds
def test_ids_are_those_of_the_files(kind: Kind, model: str) -> None:
    """Against the file itself, or against transformers where the configuration says more."""
    ids = read(model).ids(ALL, LENGTH)
    if kind.declared:
        theirs = AutoTokenizer.from_pretrained(model)
        expected = theirs(ALL, truncation=True, max_length=LENGTH)["input_ids"]
    else:
        core = Tokenizer.from_file(f"{model}/{FILE}")
        core.enable_truncation(LENGTH)
        expected = [encoding.ids for encoding in core.encode_batch(ALL)]
    assert ids == expected
    full = load_tokenizer(model, load_config(model))
    assert full(ALL, truncation=True, max_length=LENGTH)["input_ids"] == expected
    assert full(TEXTS[0], TEXTS[1])["input_ids"] == read(model).core.encode(*TEXTS[:2]).ids


@kinds
def test_what_transformers_changes_is_named(kind: Kind, model: str) -> None:
    found = check_tokenizer(model)
    assert (found is not None) == bool(kind.changed)
    assert kind.changed in (found or "")
    path = Path(model) / CONFIG
    fields = json.loads(path.read_text(encoding="utf-8")) | {
        "tokenizer_class": "PreTrainedTokenizerFast"
    }
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert check_tokenizer(model) is None  # the advice that goes with it


@kinds
def test_stock_reads_a_saved_tokenizer_alike(kind: Kind, model: str, tmp_path: Path) -> None:
    i3 = I3Retriever.from_backbone(model, query_length=LENGTH, passage_length=40)
    tokenizer = I3Tokenizer.from_pretrained(model, i3.config)
    save_model_directory(i3, tokenizer, tmp_path / "saved")
    stock = AutoTokenizer.from_pretrained(tmp_path / "saved" / "query_encoder")
    expected = [tokenizer.queries([text])["input_ids"][0].tolist() for text in ALL]
    assert stock(ALL, truncation=True)["input_ids"] == expected
    assert read(str(tmp_path / "saved" / "query_encoder")).ids(ALL, LENGTH) == expected
    again = I3Tokenizer.from_pretrained(tmp_path / "saved")
    assert again.passage_ids(ALL, ALL) == tokenizer.passage_ids(ALL, ALL)


def test_the_file_is_read_otherwise_by_transformers(tmp_path: Path) -> None:
    """The kinds are odd indeed: bare transformers gives queries other ids."""
    model = make_odd_model(KINDS["accents"], tmp_path / "odd")
    theirs = AutoTokenizer.from_pretrained(model)
    assert theirs("Café")["input_ids"] != read(model).ids(["Café"], LENGTH)[0]


def test_only_a_vocabulary(tmp_path: Path) -> None:
    model = Path(make_odd_model(KINDS["plain"], tmp_path / "odd"))
    vocabulary = json.loads((model / FILE).read_text(encoding="utf-8"))["model"]["vocab"]
    (model / "vocab.txt").write_text(
        "\n".join(sorted(vocabulary, key=vocabulary.__getitem__)), encoding="utf-8"
    )
    expected = read(str(model)).ids(TEXTS, LENGTH)
    (model / FILE).unlink()
    assert read_tokenizer_file(str(model)) is None
    assert check_tokenizer(str(model)) is None
    tokenizer = load_tokenizer(str(model), load_config(str(model)))
    assert tokenizer(list(TEXTS), truncation=True, max_length=LENGTH)["input_ids"] == expected


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (FILE, "{", "tokenizer cannot be read"),
        (CONFIG, "{", "cannot be read"),
        (CONFIG, "[]", "expected a JSON object"),
        (CONFIG, '{"truncation_side": "up"}', "truncation_side is 'up'"),
        (CONFIG, '{"cls_token": 7}', "a special token is declared as 7"),
        (CONFIG, '{"added_tokens_decoder": {"0": {"rstrip": 1}}}', "a special token is declared"),
        (CONFIG, '{"added_tokens_decoder": {"zero": "[PAD]"}}', "a token has the id 'zero'"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, file: str, content: str, said: str) -> None:
    model = make_odd_model(KINDS["plain"], tmp_path / "odd")
    (Path(model) / file).write_text(content, encoding="utf-8")
    with pytest.raises(I3Error, match=said):
        read_tokenizer_file(model)


def test_labels_begin_with_the_query_whatever_side_is_cut(tmp_path: Path) -> None:
    model = make_odd_model(KINDS["left truncation"], tmp_path / "odd")
    i3 = I3Retriever.from_backbone(model, training_pseudo_query_length=8)
    tokenizer = I3Tokenizer.from_pretrained(model, i3.config)
    (labels,) = tokenizer.reconstruction_labels(["how " + "egg " * 50]).tolist()
    assert tokenizer.tokenizer.convert_ids_to_tokens(labels) == ["how", *["egg"] * 7]


@kinds
def test_a_fingerprint_is_of_what_decides_ids(kind: Kind, model: str) -> None:
    before = tokenizer_fingerprint(Path(model))
    path = Path(model) / CONFIG
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**fields, "clean_up_tokenization_spaces": True}), encoding="utf-8")
    assert tokenizer_fingerprint(Path(model)) == before
    side = "left" if read(model).truncation_side == "right" else "right"
    path.write_text(json.dumps({**fields, "truncation_side": side}), encoding="utf-8")
    assert tokenizer_fingerprint(Path(model)) != before
    path.write_text(
        json.dumps({**fields, "tokenizer_class": "PreTrainedTokenizerFast"}), encoding="utf-8"
    )
    same = before == tokenizer_fingerprint(Path(model))
    switched = kind.config.keys() & {"do_lower_case", "strip_accents", "tokenize_chinese_chars"}
    assert same or (switched and kind.declared)


def test_fingerprints_of_other_files(tmp_path: Path) -> None:
    model = Path(make_odd_model(KINDS["plain"], tmp_path / "odd"))
    before = tokenizer_fingerprint(model)
    path = model / FILE
    path.write_text(
        path.read_text(encoding="utf-8")
        .replace('"lowercase":true', '"lowercase":false')
        .replace('"lowercase": true', '"lowercase": false'),
        encoding="utf-8",
    )
    assert tokenizer_fingerprint(model) != before
    path.unlink()
    (model / "vocab.txt").write_text("[UNK]", encoding="utf-8")
    without = tokenizer_fingerprint(model)
    (model / "vocab.txt").write_text("[PAD]", encoding="utf-8")
    assert tokenizer_fingerprint(model) != without
    assert tokenizer_fingerprint(tmp_path / "nowhere") is None

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.model.declared import declared
from i3_pyserini.model.pooling import pool
from i3_pyserini.model.settings import DenseLayer, EncoderSettings, in_words, resolve
from tests.model.st_models import LEGACY, NEW, TYPES, st_model

MEAN = EncoderSettings("mean", normalize=True)


@pytest.mark.parametrize("pooling", LEGACY)
@pytest.mark.parametrize("new_form", [False, True])
def test_declared_pooling(tiny_bert: str, tmp_path: Path, pooling: str, new_form: bool) -> None:
    written: Any = {"embedding_dimension": 32, "pooling_mode": NEW.get(pooling, pooling)}
    folder = st_model(tiny_bert, tmp_path / "m", written if new_form else pooling, modules=())
    found = declared(folder)
    assert (found["pooling"], found["normalize"], found["dense"]) == (pooling, False, ())


def test_everything_that_is_declared(tiny_bert: str, tmp_path: Path) -> None:
    folder = st_model(
        tiny_bert,
        tmp_path / "m",
        {"pooling_mode_cls_token": True, "include_prompt": False},
        modules=("Dense:16", "Dense:8", "Normalize"),
        prompts={"query": "query: ", "document": "passage: ", "other": "x"},
        transformer={"max_seq_length": 40, "do_lower_case": True, "query_length": 12},
    )
    assert declared(folder) == {
        "pooling": "cls",
        "include_prompt": False,
        "normalize": True,
        "dense": (DenseLayer("2_Dense", 32, 16), DenseLayer("3_Dense", 16, 8)),
        "query_length": 12,
        "passage_length": 40,
        "lowercase": True,
        "query_prompt": "query: ",
        "passage_prompt": "passage: ",
    }
    settings, _ = resolve({}, declared(folder), EncoderSettings())
    assert settings.dimension(32) == 8
    assert EncoderSettings.of_manifest(EncoderRecord(**settings.as_manifest())) == settings


def test_length_that_only_the_tokenizer_says(tiny_bert: str, tmp_path: Path) -> None:
    folder = st_model(tiny_bert, tmp_path / "m", transformer={"max_seq_length": None})
    assert (declared(folder)["query_length"], declared(folder)["passage_length"]) == (64, 64)


def test_nothing_declared(tiny_bert: str) -> None:
    assert declared(tiny_bert) == {}


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"modules": ["Normalize", f"{TYPES}CNN"]}, "CNN"),
        ({"modules": ["Normalize", f"{TYPES}WordEmbeddings"]}, "WordEmbeddings"),
        ({"modules": ["Normalize", f"{TYPES}LSTM"]}, "LSTM"),
        ({"modules": ["Normalize", "sentence_transformers.base.modules.router.Router"]}, "Router"),
        ({"modules": ["Normalize", "custom_st.Transformer"]}, "custom_st.Transformer"),
        ({"modules": ["Normalize", f"{TYPES}Dense"]}, "Dense module that does not directly follow"),
        ({"pooling": {"pooling_mode": ["cls", "mean"]}}, "cls and mean together"),
        ({"pooling": {"pooling_mode": "median"}}, "median"),
        ({"transformer": {"query_expansion": {"length": 32}}}, "query expansion"),
    ],
)
def test_what_cannot_be_taken_over_is_named(
    tiny_bert: str, tmp_path: Path, how: dict[str, Any], named: str
) -> None:
    folder = st_model(tiny_bert, tmp_path / "m", **how)
    with pytest.raises(I3Error, match=named):
        declared(folder)


@pytest.mark.parametrize(
    "file", ["modules.json", "sentence_bert_config.json", "1_Pooling/config.json"]
)
def test_damaged_files_are_named(tiny_bert: str, tmp_path: Path, file: str) -> None:
    folder = Path(st_model(tiny_bert, tmp_path / "m"))
    (folder / file).write_text('{"a": ', encoding="utf-8")
    with pytest.raises(I3Error, match=file):
        declared(str(folder))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "no such directory"),
        ("a/b/c", "no such directory"),
        ("two words", "no such directory"),
        ("a.jsonl", "is a file"),
    ],
)
def test_a_model_that_is_not_there(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "a.jsonl").touch()
    path = name if name in ("a/b/c", "two words") else str(tmp_path / name)
    with pytest.raises(I3Error, match=f"encoder {path}: {said}"):
        declared(path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sentence_bert_config.json", "[512]"),
        ("sentence_bert_config.json", '{"max_seq_length": "long"}'),
        ("sentence_bert_config.json", '{"modality_config": {"text": 3}}'),
        ("config_sentence_transformers.json", '["query"]'),
        ("config_sentence_transformers.json", '{"prompts": ["query: "]}'),
    ],
)
def test_values_of_other_types_are_refused(
    tiny_bert: str, tmp_path: Path, file: str, content: str
) -> None:
    folder = Path(st_model(tiny_bert, tmp_path / "m"))
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(I3Error, match="expected"):
        declared(str(folder))


def test_one_order_of_settings() -> None:
    found = {"pooling": "mean", "normalize": True, "passage_length": 128}
    settings, against = resolve({"pooling": None}, found, EncoderSettings())
    assert (settings, against) == (EncoderSettings("mean", True, passage_length=128), [])
    flags = {"pooling": "mean", "passage_length": 64, "passage_prompt": "p: ", "normalize": False}
    settings, against = resolve(flags, found, EncoderSettings())
    assert (settings.passage_length, settings.passage_prompt) == (64, "p: ")
    assert [(one.name, one.given, one.declared) for one in against] == [
        ("passage_length", 64, 128),
        ("normalize", False, True),
    ]
    with pytest.raises(I3Error, match="pooling"):
        resolve({"pooling": "median"}, {}, EncoderSettings())


@pytest.mark.parametrize(
    ("declares", "behind"),
    [
        ({}, True),
        ({"passage_prompt": "other: "}, True),
        ({"passage_prompt": "p: "}, False),
        ({"include_prompt": False}, False),
    ],
)
def test_where_a_flags_prompt_stands(declares: dict[str, Any], behind: bool) -> None:
    flags = {"passage_prompt": "p: ", "prompt_behind_title": True}
    settings, against = resolve(flags, declares, EncoderSettings())
    assert (settings.passage_prompt, settings.prompt_behind_title) == ("p: ", behind)
    assert bool(against) == (declares.get("passage_prompt") == "other: ")
    assert ("behind the title" in in_words(settings, True)) == behind


def test_manifests_of_earlier_versions() -> None:
    old = {"class": "auto", "pooling": "mean", "l2_norm": True, "prefix": "p:", "max_length": 99}
    settings = EncoderSettings.of_manifest(EncoderRecord.from_json({**old, "add_sep": True}, "m"))
    expected = EncoderSettings(
        "mean",
        True,
        passage_prompt="p: ",
        passage_length=99,
        add_sep=True,
        prompt_behind_title=True,
    )
    assert settings == expected
    assert EncoderSettings.of_manifest(EncoderRecord(kind="imported")) is None


@pytest.mark.parametrize(
    ("settings", "stock"),
    [
        (MEAN, True),
        (EncoderSettings("max"), False),
        (EncoderSettings(dense=(DenseLayer("d", 32, 8),)), False),
        (EncoderSettings(query_prompt="query: "), True),
        (EncoderSettings(query_prompt="query:\n"), False),
        (EncoderSettings(query_prompt="query: ", include_prompt=False), False),
    ],
)
def test_what_stock_can_do(settings: EncoderSettings, stock: bool) -> None:
    assert settings.stock_can_encode == stock


def test_one_line_of_what_holds() -> None:
    assert in_words(MEAN, titles=True) == "mean pooling, unit length, titles: yes, 256 ids"
    line = in_words(EncoderSettings(query_prompt="q: ", dense=(DenseLayer("d", 32, 8),)), False)
    assert "8 dimensions" in line and "'q: '" in line and "titles: no" in line


def test_settings_need_no_torch(tiny_bert: str, tmp_path: Path) -> None:
    folder = st_model(tiny_bert, tmp_path / "m")
    code = (
        "import sys; from i3_pyserini.model.declared import declared;"
        f"assert declared({folder!r})['pooling'] == 'mean';"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_pooling_without_a_function_is_no_mean() -> None:
    states, mask = torch.ones(1, 2, 3), torch.ones(1, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="pooling 'eos'"):
        pool(states, mask, "eos")

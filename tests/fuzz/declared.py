"""Readers of what a model folder declares: tokenizers, modules, lengths and prompts."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from i3_pyserini.model.declared import declared
from i3_pyserini.model.tokenizer_file import read_tokenizer_file
from tests.fuzz.target import Target, fixed


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@cache
def _tokenizer() -> bytes:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "egg": 3}
    return str(Tokenizer(WordPiece(words, unk_token="[UNK]")).to_str()).encode()


def _tokenizer_config(path: Path) -> object:
    (path.parent / "tokenizer.json").write_bytes(_tokenizer())
    found = read_tokenizer_file(str(path.parent))
    assert found is not None
    ids = found.ids(["an egg", ""], 3)
    assert len(ids) == 2 and all(len(one) <= 3 for one in ids), "ids"
    return found.identity()


def _folder_with(**files: Any) -> Callable[[Path], object]:
    """Reads what a model folder declares, with other files beside the one that is read."""

    def read(path: Path) -> object:
        for name, content in files.items():
            file = path.parent / name.replace("__", "/").replace("_json", ".json")
            if file.name != path.name:
                file.parent.mkdir(exist_ok=True)
                file.write_text(json.dumps(content), encoding="utf-8")
        found = declared(str(path.parent))
        assert all(value is not None for value in found.values()), found
        lengths = [found.get("query_length", 1), found.get("passage_length", 1)]
        assert all(isinstance(one, int) and one > 0 for one in lengths), lengths
        return found

    return read


TYPES = "sentence_transformers.models."
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": f"{TYPES}Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{TYPES}Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{TYPES}Normalize"},
]
POOLING = {"word_embedding_dimension": 4, "pooling_mode_mean_tokens": True}
FOLDER = {"modules_json": MODULES, "1_Pooling__config_json": POOLING}
PROMPTS = {"prompts": {"query": "q: ", "document": ""}, "similarity_fn_name": "dot"}


FAR = json.dumps([{**MODULES[0], "path": "x" * 5000}]).encode()  # longer than a name can be
LONG = json.dumps([{**MODULES[0], "type": "x" * 100_000}]).encode()
TARGETS = [
    Target(
        "tokenizer",
        "tokenizer.json",
        lambda path: read_tokenizer_file(str(path.parent)),
        lambda: [_tokenizer()],
        fixed(b"{}", b"[" * 9999),
    ),
    Target(
        "tokenizer-config",
        "tokenizer_config.json",
        _tokenizer_config,
        lambda: [
            _json(
                truncation_side="left", cls_token="[CLS]", do_lower_case=True, model_max_length=8
            ),
            _json(
                added_tokens_decoder={"9": {"content": "x", "special": True}},
                sep_token={"content": "y"},
            ),
        ],
        fixed(
            b"[]",
            _json(truncation_side="up"),
            _json(cls_token=1),
            _json(added_tokens_decoder={"a": "x"}),
        ),
    ),
    Target(
        "modules",
        "modules.json",
        _folder_with(**FOLDER),
        lambda: [json.dumps(MODULES).encode()],
        fixed(b"{}", b"[1]", b"[]", b'[{"type": "mine.Module"}]', LONG, FAR),
    ),
    Target(
        "transformer-settings",
        "sentence_bert_config.json",
        _folder_with(**FOLDER),
        lambda: [_json(max_seq_length=9, do_lower_case=True)],
        fixed(
            b"[]", _json(max_seq_length="9"), _json(max_seq_length=-1), _json(transformer_task="x")
        ),
    ),
    Target(
        "prompts",
        "config_sentence_transformers.json",
        _folder_with(**FOLDER),
        lambda: [json.dumps(PROMPTS).encode()],
        fixed(b"[]", _json(prompts={"query": 1}), _json(truncate_dim=3), _json(prompts=[])),
    ),
]

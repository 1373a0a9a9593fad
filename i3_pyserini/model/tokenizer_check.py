"""Detects tokenizers that transformers reads differently from the model's own files.

Transformers 5 rebuilds a tokenizer whose class it knows from the vocabulary of `tokenizer.json` and
drops the rest of the file. It takes the class from `tokenizer_config.json`, or from the type of the
model if it is missing there. Either may be wrong.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from transformers import PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.errors import note
from i3_pyserini.model.config import is_i3_model, load_i3_config
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.tokenizer_file import TokenizerFile, read_tokenizer_file
from i3_pyserini.model.tokenizer_loading import (
    PARTS,
    parts_of,
    read_by_transformers,
    reads_alike,
)

PROBES = (
    "",
    "how long to boil an egg",
    "Café ÉÑÜ ß ŒUVRE naïve",
    "Cafe\u0301 decomposed",
    "日本語 テキスト 中文字符 한국어",
    "ＦＵＬＬ width ﬁ ² ½",
    "don't STOP, U.S.A. e-mail@host.org #1 (x_y) 50%",
    "a [SEP] b [MASK] [CLS] [PAD] [UNK]",
    "a </s> b <mask> <s> <pad> <unk> <|endoftext|>",
    "tab\tnewline\nreturn\r\n  two  spaces ",
    " leading blank",
    "no\u00a0break thin\u2009space ideographic\u3000space",
    "zero\u200bwidth joi\u200dner soft\u00adhyphen \ufeffmark",
    "x" * 120,
    "pneumonoultramicroscopicsilicovolcanoconiosis " + "ab" * 60,
    "😀 👩\u200d👩\u200d👧 🇩🇪",
    "3.14 1,000,000 1e-5 0x1F 2026-11-28",
    "مرحبا שלום Привет γειά ไทย हिन्दी",
    "control \x07 char \ufffd",
    "[unused0] ##ing ▁word Ġword",
)
FIX = 'for equal ids, set "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json'


def check_tokenizer(name_or_dir: str) -> str | None:
    """How transformers changes a model's tokenizer, compared with the model's own files.

    All commands of this package follow the files. Stock Pyserini and sentence-transformers follow
    transformers, so their vectors may differ; `FIX` describes how to make them equal.

    Args:
        name_or_dir: a model directory or hub name of any model.

    Returns:
        One line; None if all probes have the same ids.

    Raises:
        I3Error: the tokenizer cannot be read.
    """
    own = read_tokenizer_file(name_or_dir)
    if own is None:
        return None
    theirs = read_by_transformers(name_or_dir, _backbone_config(name_or_dir))
    found = [] if reads_alike(theirs, own) else list(_differences(theirs, own))
    if not found:
        return None
    return f"transformers {version('transformers')} reads tokenizer.json differently: " + "; ".join(
        found
    )


def note_tokenizer(name_or_dir: str) -> None:
    """Prints a note on stderr if transformers changes a model's tokenizer.

    Raises:
        I3Error: the tokenizer cannot be read.
    """
    found = check_tokenizer(name_or_dir)
    if found is not None:
        note(
            f"{name_or_dir}: {found}. This package follows the file, stock Pyserini does not; {FIX}"
        )


def _backbone_config(name_or_dir: str) -> PreTrainedConfig:
    if is_i3_model(name_or_dir):
        return load_i3_config(name_or_dir).encoder
    return load_config(name_or_dir, "encoder")


def _differences(theirs: PreTrainedTokenizerBase, own: TokenizerFile) -> Iterator[str]:
    """The differences that change ids."""
    own.core.no_truncation()
    differ = [text for text in PROBES if _ids(theirs, text) != own.core.encode(text).ids]
    if differ:
        yield from _changed_parts(theirs, own)
        yield f"different ids for {len(differ)} of {len(PROBES)} probes, such as {differ[0]!r:.60}"
    if theirs.truncation_side != own.truncation_side:
        sides = theirs.truncation_side, own.truncation_side
        yield f"long texts are truncated on the {sides[0]}, not on the {sides[1]}"


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    return ids


def _changed_parts(theirs: PreTrainedTokenizerBase, own: TokenizerFile) -> Iterator[str]:
    backend: Any = getattr(theirs, "backend_tokenizer", None)
    if backend is None:
        yield f"class {type(theirs).__name__}"
        return
    expected, found = parts_of(own.core.to_str()), parts_of(backend.to_str())
    for part in PARTS:
        if expected[part] != found[part]:
            yield f"{part} {_change(expected[part], found[part])}"


def _change(expected: Any, found: Any) -> str:
    """How one part differs: field by field if both have the same type."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = [name for name in expected if expected[name] != found.get(name)]
        plain = (str, int, float, type(None))
        if expected.get("type") == found.get("type"):
            changes = [
                f"{name} {json.dumps(expected[name])} becomes {json.dumps(found.get(name))}"
                for name in names
                if isinstance(expected[name], plain)
            ]
            return ", ".join(changes or names or [str(expected.get("type"))])
    return f"{_kind(expected)} becomes {_kind(found)}"


def _kind(part: Any) -> str:
    if isinstance(part, list):
        return f"{len(part)} tokens"
    return str(part.get("type")) if isinstance(part, Mapping) else "none"

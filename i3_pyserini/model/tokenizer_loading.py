"""Loads a transformers tokenizer with the ids of the model's own files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.loading import quiet_transformers, unreadable
from i3_pyserini.model.tokenizer_file import (
    CONFIG,
    PLAIN_CLASSES,
    SPECIAL_NAMES,
    TokenizerFile,
    read_tokenizer_file,
)

# Without any of these files, AutoTokenizer creates an empty vocabulary.
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)
# Parts that affect ids; the other parts are for decoding, truncation and padding.
PARTS = ("normalizer", "pre_tokenizer", "model", "post_processor", "added_tokens")


def load_tokenizer(name_or_dir: str, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of a backbone, with the ids of its own files.

    Args:
        name_or_dir: a directory or hub name.
        config: the backbone's configuration, which determines the tokenizer class.

    Returns:
        The tokenizer of transformers if it follows `tokenizer.json`; otherwise a tokenizer created
        from that file, with the special tokens of transformers.

    Raises:
        I3Error: it does not exist or cannot be read.
    """
    own = read_tokenizer_file(name_or_dir)
    theirs = read_by_transformers(name_or_dir, config)
    return theirs if own is None or reads_alike(theirs, own) else _around(own, theirs)


def read_by_transformers(name_or_dir: str, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """Loads the tokenizer with `AutoTokenizer`, as stock Pyserini does.

    Raises:
        I3Error: it does not exist or cannot be read.
    """
    directory = Path(name_or_dir)
    if directory.is_dir() and not any((directory / name).is_file() for name in VOCABULARY_FILES):
        raise I3Error(
            f"{name_or_dir}: no tokenizer (none of {', '.join(VOCABULARY_FILES)}); copy the "
            "tokenizer files of the backbone into it"
        )
    try:
        with quiet_transformers():
            repository, pinned = at_revision(name_or_dir)
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                repository, config=config, trust_remote_code=False, **pinned
            )
    except Exception as error:  # the tokenizers library raises bare Exception for broken files
        raise unreadable(name_or_dir, "tokenizer", "tokenizer files", error) from error
    return tokenizer


def check_fits(
    name_or_dir: str, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> None:
    """Checks that a tokenizer can be used for an I³ model.

    Raises:
        I3Error: it has no token to pad with, or its vocabulary is larger than the backbone's
            embedding table.
    """
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise I3Error(
            f"{name_or_dir}: the tokenizer has no pad_token and no eos_token; declare a pad_token "
            "in tokenizer_config.json"
        )
    if len(tokenizer) > config.vocab_size:
        raise I3Error(
            f"{name_or_dir}: the tokenizer has {len(tokenizer)} tokens but the backbone has only "
            f"{config.vocab_size} embeddings; they do not match"
        )


def read_as_written(directory: str | Path, config: PreTrainedConfig) -> None:
    """Makes `AutoTokenizer` read a saved tokenizer exactly like its `tokenizer.json`.

    If the saved class would change it, `tokenizer_config.json` gets the class that reads the file
    unchanged, by the name that transformers 4 knows too.
    """
    own = read_tokenizer_file(str(directory))
    if own is None:
        return
    path = Path(directory) / CONFIG
    fields = json.loads(path.read_text(encoding="utf-8"))
    plain = fields.get("tokenizer_class") in PLAIN_CLASSES
    if not plain and reads_alike(read_by_transformers(str(directory), config), own):
        return
    fields["tokenizer_class"] = PLAIN_CLASSES[0]
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def reads_alike(theirs: PreTrainedTokenizerBase, own: TokenizerFile) -> bool:
    """Whether two tokenizers are equal in everything that affects ids."""
    if theirs.truncation_side != own.truncation_side:
        return False
    if bool(theirs.split_special_tokens) != bool(own.core.encode_special_tokens):
        return False
    backend: Any = getattr(theirs, "backend_tokenizer", None)
    if backend is None:  # a tokenizer in Python
        return False
    one, other = backend.to_str(), own.core.to_str()
    return one == other or parts_of(one) == parts_of(other)


def parts_of(serialised: str) -> Mapping[str, Any]:
    """The parts of a serialized tokenizer that affect ids."""
    fields = json.loads(serialised)
    return {part: fields.get(part) for part in PARTS}


def _around(own: TokenizerFile, theirs: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    names = {name: getattr(theirs, name) for name in SPECIAL_NAMES}
    known = {
        name: token
        for name, token in names.items()
        if token is not None and own.core.token_to_id(token) is not None
    }
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own.core,
        model_max_length=theirs.model_max_length,
        truncation_side=own.truncation_side,
        split_special_tokens=own.core.encode_special_tokens,
        model_input_names=theirs.model_input_names,
        **known,
    )
    # The class adds special tokens that no file declares; the model was not trained with them.
    tokenizer._tokenizer = own.core
    return tokenizer

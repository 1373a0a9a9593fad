"""Fingerprints of models, to compare models, indexes and queries."""

import hashlib
from pathlib import Path

from i3_pyserini.model.exported import is_exported, read_export
from i3_pyserini.model.tokenizer_file import FILE, read_tokenizer_file

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
)


def fingerprint(directory: Path) -> str | None:
    """Hash of a model directory's configuration and weights; None for a hub name.

    An exported folder has the fingerprint of the model that was exported.
    """
    if not directory.is_dir():
        return None
    if is_exported(directory):
        return read_export(directory).fingerprint
    digest = hashlib.sha256((directory / "config.json").read_bytes())
    folders = [directory, *(path for path in directory.glob("*") if path.is_dir())]
    for file in sorted(file for folder in folders for file in _weights(folder)):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _weights(folder: Path) -> list[Path]:
    """The weight files that transformers reads in a folder: safetensors, or else PyTorch files."""
    return [*folder.glob("*.safetensors")] or [*folder.glob("pytorch_model*.bin")]


def tokenizer_fingerprint(directory: Path) -> str | None:
    """Hash of everything that affects the ids of a model directory's tokenizers.

    If there is a `tokenizer.json`, keys of `tokenizer_config.json` that do not affect ids are
    ignored: a user may set another class there, so that transformers reads the file. An exported
    folder has the fingerprint of the model that was exported.

    Returns:
        None for a hub name, or without a tokenizer.

    Raises:
        I3Error: a file of a tokenizer is damaged.
    """
    if is_exported(directory):
        return read_export(directory).tokenizer
    below = (path for path in directory.glob("*") if path.is_dir())
    folders = [directory, *sorted(below, key=lambda path: path.name)]
    digest, found = hashlib.sha256(), False
    for folder in folders:
        own = read_tokenizer_file(str(folder)) if (folder / FILE).is_file() else None
        if own is not None:
            parts = [("tokenizer", own.identity().encode()), (FILE, (folder / FILE).read_bytes())]
        else:
            files = [folder / name for name in TOKENIZER_FILES]
            parts = [(file.name, file.read_bytes()) for file in files if file.is_file()]
        for name, content in parts:
            found = True
            place = (folder.relative_to(directory) / name).as_posix()
            digest.update(f"{place}\n".encode())
            digest.update(content)
    return digest.hexdigest() if found else None

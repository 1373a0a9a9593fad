"""Which model made a vector: a hash that models, indexes and searches are compared by."""

import hashlib
from pathlib import Path

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
    """Hash of a model directory's configuration and weights; None for a hub name."""
    if not directory.is_dir():
        return None
    digest = hashlib.sha256((directory / "config.json").read_bytes())
    for file in sorted([*directory.glob("*.safetensors"), *directory.glob("*/*.safetensors")]):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def tokenizer_fingerprint(directory: Path) -> str | None:
    """Hash of the files of a model directory's tokenizers; None for a hub name, or without any."""
    folders = [directory, *sorted(path for path in directory.glob("*") if path.is_dir())]
    files = [folder / name for folder in folders for name in TOKENIZER_FILES]
    digest, found = hashlib.sha256(), False
    for file in files:
        if file.is_file():
            found = True
            digest.update(f"{file.relative_to(directory)}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest() if found else None

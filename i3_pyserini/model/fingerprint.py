"""Which model made a vector: a hash that models, indexes and searches are compared by."""

import hashlib
from pathlib import Path


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

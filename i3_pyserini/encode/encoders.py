"""Encoders with Pyserini's protocol: `encode(texts=…, titles=…)` and `encode(query)`.

They need no pyserini: its searchers take any object with these methods.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from i3_pyserini.errors import I3Error
from i3_pyserini.model.backbone import load_config, load_encoder, load_tokenizer
from i3_pyserini.model.export import QUERY_ENCODER, load_model_directory

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class DocumentEncoder(Protocol):
    """What the runner needs of an encoder."""

    def encode(self, texts: Sequence[str], titles: Sequence[str | None] | None = None) -> Vectors:
        """Encodes B passages to float32 [B, H]."""
        ...

    def describe(self) -> dict[str, Any]:
        """What an index's manifest says of the model."""
        ...


def torch_device(name: str | None) -> torch.device:
    """The device of a name; the first GPU, or else the CPU, of None.

    Raises:
        I3Error: there is no such device here.
    """
    if name is None:
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise I3Error(f"--device {name} is not usable here ({reason}); try --device cpu") from error
    return device


class I3DocumentEncoder:
    """Passages to vectors, as the model's configuration says.

    Args:
        model_name: a model directory, or a hub name.
        device: such as "cuda:0"; None for the first GPU or else the CPU.
        fp16: compute in half precision (on a GPU only).
        **_: what Pyserini passes to every encoder; lengths, pooling and the like are in the
            model's configuration.
    """

    def __init__(
        self, model_name: str, device: str | None = None, fp16: bool = False, **_: Any
    ) -> None:
        self.name = model_name
        self.device = torch_device(device)
        self.model, self.tokenizer = load_model_directory(model_name)
        self.half = fp16 and self.device.type == "cuda"
        self.model.to(self.device, torch.float16 if self.half else torch.float32)  # type: ignore[arg-type]

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None, **_: Any
    ) -> Vectors:
        """Encodes B passages.

        Args:
            texts: their texts.
            titles: their titles; None, or None among them, where there is none.
            **_: what Pyserini passes besides.

        Returns:
            float32 [B, H].
        """
        batch = self.tokenizer.passages(list(texts), titles).to(self.device)
        vectors = self.model.encode_passages(**batch)["vectors"]
        return _to_numpy(vectors)

    def describe(self) -> dict[str, Any]:
        """What an index's manifest says of the model."""
        return {"class": "i3", "name": self.name, "fingerprint": fingerprint(Path(self.name))}


class I3QueryEncoder:
    """Queries to vectors, with the whole model or its `query_encoder` folder.

    Args:
        encoder_dir: a model directory, or the `query_encoder` folder in it.
        device: see `I3DocumentEncoder`.
        fp16: see `I3DocumentEncoder`.
        **_: what Pyserini passes to every encoder.
    """

    def __init__(
        self, encoder_dir: str, device: str | None = None, fp16: bool = False, **_: Any
    ) -> None:
        folder = Path(encoder_dir)
        self.name = str(folder.parent) if folder.name == QUERY_ENCODER else encoder_dir
        self.device = torch_device(device)
        self.model, self.tokenizer = load_model_directory(self.name)
        self.half = fp16 and self.device.type == "cuda"
        self.model.to(self.device, torch.float16 if self.half else torch.float32)  # type: ignore[arg-type]

    def encode(self, query: str, **_: Any) -> Vectors:
        """Encodes one query to float32 [H]."""
        vector: Vectors = self.encode_batch([query])[0]
        return vector

    @torch.inference_mode()
    def encode_batch(self, queries: Sequence[str], **_: Any) -> Vectors:
        """Encodes Q queries to float32 [Q, H]."""
        batch = self.tokenizer.queries(list(queries)).to(self.device)
        return _to_numpy(self.model.encode_queries(**batch))


class AutoDocumentEncoder:
    """Any Hugging Face encoder, with the vectors of Pyserini's class of this name.

    Source: pyserini 1.6.0, `encode/_auto.py`.

    Args:
        model_name: a directory or hub name.
        device: see `I3DocumentEncoder`.
        pooling: "cls" or "mean".
        l2_norm: scale vectors to unit length.
        prefix: put before every text, with a blank between.
        max_length: ids at most, special tokens included.
        add_sep: title and text as two segments rather than joined by a blank.
    """

    def __init__(
        self,
        model_name: str,
        device: str | None = None,
        *,
        pooling: str = "cls",
        l2_norm: bool = False,
        prefix: str | None = None,
        max_length: int = 256,
        add_sep: bool = False,
    ) -> None:
        self.name = model_name
        self.device = torch_device(device)
        self.tokenizer = load_tokenizer(model_name, load_config(model_name))
        self.model = load_encoder(model_name).to(self.device).eval()  # type: ignore[arg-type]
        self.options = {
            "pooling": pooling,
            "l2_norm": l2_norm,
            "prefix": prefix,
            "max_length": max_length,
            "add_sep": add_sep,
        }

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], titles: Sequence[str | None] | None = None, **_: Any
    ) -> Vectors:
        """Encodes B passages to float32 [B, H]."""
        prefix = self.options["prefix"]
        texts = [f"{prefix} {text}" for text in texts] if prefix else list(texts)
        pair = None
        if titles is not None:
            named = [title or "" for title in titles]
            if self.options["add_sep"]:
                texts, pair = named, texts
            else:
                texts = [f"{a} {b}" for a, b in zip(named, texts, strict=True)]
        batch = self.tokenizer(
            texts,
            pair,
            max_length=self.options["max_length"],
            truncation=True,
            padding=True,
            return_token_type_ids=False,
            return_tensors="pt",
        ).to(self.device)
        states = self.model(**batch).last_hidden_state
        if self.options["pooling"] == "mean":
            weights = batch["attention_mask"].unsqueeze(-1)
            vectors = (states * weights).sum(dim=1) / weights.sum(dim=1)
        else:
            vectors = states[:, 0]
        return _to_numpy(F.normalize(vectors, dim=-1) if self.options["l2_norm"] else vectors)

    def describe(self) -> dict[str, Any]:
        """What an index's manifest says of the model."""
        known = {"class": "auto", "name": self.name, "fingerprint": fingerprint(Path(self.name))}
        return {**known, **self.options}


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


def _to_numpy(vectors: Tensor) -> Vectors:
    array: Vectors = vectors.float().cpu().numpy()
    return array

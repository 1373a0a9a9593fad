"""Tiny model directories with sentence-transformers' files, of every kind that there is."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

TYPES = "sentence_transformers.models."
LEGACY = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weighted_mean": "pooling_mode_weightedmean_tokens",
    "last": "pooling_mode_lasttoken",
}
NEW = {
    "mean_sqrt_len": "mean_sqrt_len_tokens",
    "weighted_mean": "weightedmean",
    "last": "lasttoken",
}


def st_model(
    backbone: str,
    target: Path,
    pooling: str | Mapping[str, Any] = "mean",
    modules: Sequence[str] = ("Normalize",),
    prompts: Mapping[str, str] | None = None,
    transformer: Mapping[str, Any] | None = None,
) -> str:
    """Copies a backbone of 32 dimensions and puts sentence-transformers' files beside it.

    Args:
        backbone: a directory with weights and tokenizer.
        target: the directory to write.
        pooling: its name here, in the files' older form; or the content of the pooling's file.
        modules: what comes behind the pooling: "Normalize", "Dense:16" for one to 16 dimensions,
            "Dense:16:linear" for one without bias and activation, as in EmbeddingGemma, or the full
            type of another.
        prompts: of `config_sentence_transformers.json`.
        transformer: content of `sentence_bert_config.json`.
    """
    shutil.copytree(backbone, target)
    if isinstance(pooling, str):
        modes = {key: name == pooling for name, key in LEGACY.items()}
        pooling = {"word_embedding_dimension": 32, **modes}
    _write(target / "1_Pooling" / "config.json", pooling)
    listed, size = [("", "Transformer"), ("1_Pooling", "Pooling")], 32
    for kind in modules:
        name, *how = kind.split(":")
        folder = f"{len(listed)}_{name}"
        if how:
            _write_dense(target / folder, size, int(how[0]), how[1:] == ["linear"])
            size = int(how[0])
        listed.append((folder, name))
    types = [name if "." in name else TYPES + name for _, name in listed]
    content = [
        {"idx": row, "name": str(row), "path": path, "type": kind}
        for row, ((path, _), kind) in enumerate(zip(listed, types, strict=True))
    ]
    _write(target / "modules.json", content)
    _write(
        target / "sentence_bert_config.json",
        transformer or {"max_seq_length": 24, "do_lower_case": False},
    )
    _write(
        target / "config_sentence_transformers.json",
        {"__version__": {"sentence_transformers": "3.0.0"}, "prompts": dict(prompts or {})},
    )
    return str(target)


def _write_dense(folder: Path, size: int, out: int, linear: bool) -> None:
    activation = "linear.Identity" if linear else "activation.Tanh"
    config = {
        "in_features": size,
        "out_features": out,
        "bias": not linear,
        "activation_function": f"torch.nn.modules.{activation}",
    }
    _write(folder / "config.json", config)
    torch.manual_seed(out)
    weights = {"linear.weight": torch.randn(out, size)}
    weights |= {} if linear else {"linear.bias": torch.randn(out)}
    save_file(weights, folder / "model.safetensors")


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")

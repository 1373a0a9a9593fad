"""Writes the files by which sentence-transformers reads a model directory; `declared` reads them.

They have the form that every version since 3 reads. What version 6 writes itself, such as
`"pooling_mode": "mean"`, version 5.1 does not read.
"""

import json
from pathlib import Path
from typing import Any

import torch

from i3_pyserini.model.config import I3Config
from i3_pyserini.model.declared import MODES, PROMPTS
from i3_pyserini.model.settings import DenseLayer

TYPES = "sentence_transformers.models."
MODULE = "i3_pyserini.integrations.sentence_transformers.I3Module"
TRANSFORMER, MODULES = "sentence_bert_config.json", "modules.json"


def write_query_files(config: I3Config, folder: Path, dtype: torch.dtype) -> None:
    """Declares what follows an encoder of queries, and their prompt, length and lower-casing.

    The prompt is also the default prompt, because the folder encodes nothing but queries: `encode`
    then gives the same vectors as `encode_query`.

    Args:
        config: the model's configuration.
        folder: a plain encoder with its tokenizer.
        dtype: of its weights; queries are encoded in float32 whatever it is, as by this package.
    """
    settings = config.settings()
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += [(layer.folder, "Dense") for layer in settings.dense]
    modules += [(f"{len(modules)}_Normalize", "Normalize")] if settings.normalize else []
    pooling = {old: settings.pooling == name for name, (old, _) in MODES.items()}
    transformer: dict[str, Any] = {
        "max_seq_length": settings.query_length,
        "do_lower_case": settings.lowercase,
    }
    if dtype != torch.float32:
        transformer["model_args"] = {"torch_dtype": "float32"}
    prompts = {"query": settings.query_prompt} if settings.query_prompt else {}
    _write(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": config.hidden_size,
            **pooling,
            "include_prompt": settings.include_prompt,
        },
    )
    for layer in settings.dense:
        _write(folder / layer.folder / "config.json", _dense(layer))
    _write(folder / TRANSFORMER, transformer)
    _write(
        folder / MODULES,
        [
            {"idx": row, "name": str(row), "path": path, "type": TYPES + kind}
            for row, (path, kind) in enumerate(modules)
        ],
    )
    _write(folder / PROMPTS, _prompts(prompts, next(iter(prompts), None)))


def _dense(layer: DenseLayer) -> dict[str, Any]:
    config = {
        "in_features": layer.in_features,
        "out_features": layer.out_features,
        "bias": layer.bias,
        "activation_function": layer.activation,
    }
    return {**config, "use_residual": True} if layer.residual else config  # unknown before 5.7


def write_model_files(config: I3Config, folder: Path) -> None:
    """Declares that `I3Module` of this package encodes with a model directory.

    Args:
        config: the model's configuration.
        folder: the model directory.
    """
    _write(folder / MODULES, [{"idx": 0, "name": "0", "path": "", "type": MODULE}])
    _write(folder / PROMPTS, _prompts(prompts_of(config), None))


def prompts_of(config: I3Config) -> dict[str, str]:
    """The prompts of a model, by the names that sentence-transformers gives to tasks."""
    settings = config.settings()
    prompts = {"query": settings.query_prompt, "document": settings.passage_prompt}
    return {name: prompt for name, prompt in prompts.items() if prompt}


def _prompts(prompts: dict[str, str], default: str | None) -> dict[str, Any]:
    return {
        "model_type": "SentenceTransformer",
        "prompts": prompts,
        "default_prompt_name": default,
        "similarity_fn_name": "dot",  # as in search, of unit vectors too
    }


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")

"""Writes and loads model directories, for this package and stock Pyserini.

    MODEL/config.json, tokenizer files        truncates passages at `passage_length`
    MODEL/model.safetensors.index.json        which tensor is in which of the next two files
    MODEL/model-passages.safetensors          passage encoder, reconstructor, interactor, head, and
                                              the dense layers of both sides if there are any
    MODEL/reconstruction_tokenizer/           the tokenizer of pseudo-queries, if it is their own
    MODEL/modeling_i3.py                      for `AutoModel`: imports this package
    MODEL/modules.json, config_sentence_…     for sentence-transformers: names this package's module
    MODEL/query_encoder/                      a plain Hugging Face encoder and tokenizer, with the
                                              files of sentence-transformers (see `st_files`)
        model-00001-of-00002.safetensors      the query encoder, part of the model above
        model-00002-of-00002.safetensors      an unused pooler, if the type has one
        2_Dense/model.safetensors             a dense layer of queries once more, if there is one

The query encoder's weights are on disk once. Their names carry the backbone's own prefix
(`bert.…`), under which `I3Retriever` and `BertModel` both look for them, and transformers' index
of a sharded checkpoint may point into a folder. Dense layers are small, and there twice, because
tensors in their files have the same names in each. The pooler is there because stock `AutoModel`
builds one and would otherwise report it as missing.
"""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModel

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_folder
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.config import is_i3_model, load_i3_config
from i3_pyserini.model.loading import quiet_transformers, unreadable
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.settings import QUERY_ENCODER
from i3_pyserini.model.st_files import write_model_files, write_query_files
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.stock.encoders import ALWAYS, trap_words

PASSAGE_WEIGHTS = "model-passages.safetensors"
INDEX = "model.safetensors.index.json"


def save_model_directory(
    model: I3Retriever,
    tokenizer: I3Tokenizer,
    directory: str | Path,
    overwrite: bool = False,
    card: str | None = None,
) -> None:
    """Writes a model directory, which appears only when it is complete.

    Args:
        model: the model; its configuration is written with it.
        tokenizer: its tokenizer.
        directory: must not exist yet, or be empty, unless `overwrite`.
        overwrite: replace an existing model.
        card: text of its `README.md`.

    Raises:
        I3Error: the directory exists or cannot be written.
    """
    check_target(Path(directory), overwrite)
    with new_folder(Path(directory), SafetensorError) as partial:  # also raised for a full disk
        write_files(model, tokenizer, partial)
        write_model_files(model.config, partial)
        if card is not None:
            (partial / "README.md").write_text(card, encoding="utf-8", newline="\n")


def load_model_directory(directory: str | Path, **settings: Any) -> tuple[I3Retriever, I3Tokenizer]:
    """Reads a model directory (or hub name), strictly.

    If weights are missing, `I3Retriever.from_pretrained` initializes them at random, like
    transformers; this function raises an error.

    Args:
        directory: a directory, or a hub name, with `@REVISION` for one revision.
        **settings: arguments of `from_pretrained`, such as `dtype`.

    Returns:
        The model in evaluation mode, and its tokenizer.

    Raises:
        I3Error: it is not an I³ model, or weights are missing, damaged or belong to another model.
    """
    name = str(directory)
    config = load_i3_config(name)
    try:
        with quiet_transformers():
            repository, pinned = at_revision(name)
            loaded: Any = I3Retriever.from_pretrained(
                repository, output_loading_info=True, **pinned, **settings
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        incomplete = unreadable(name, "model", "weights", error)
        raise I3Error(f"{incomplete}; copy or convert the whole directory again") from error
    model, report = loaded
    for kind in ("missing_keys", "unexpected_keys"):
        if report[kind]:
            keys = ", ".join(sorted(report[kind]))
            raise I3Error(f"{name}: {kind.replace('_keys', ' weights')}: {keys}")
    return model.eval(), I3Tokenizer.from_pretrained(name, config)


def check_target(target: Path, overwrite: bool) -> None:
    """Checks that a model directory can be written; call it before long work.

    Raises:
        I3Error: `target` exists and is not empty, and `overwrite` is not given or it is not a model
            directory; or its path contains a word by which stock Pyserini selects another encoder
            class.
    """
    if words := trap_words(target, ALWAYS):
        raise I3Error(
            f"{target}: stock Pyserini uses another encoder class for paths with {words[0]!r}, "
            "which changes the vectors; choose another name"
        )
    if target.exists() and not target.is_dir():
        raise I3Error(f"{target}: is a file; expected a directory")
    if not target.exists() or not any(target.iterdir()):
        return
    if not overwrite:
        raise I3Error(f"{target}: exists and is not empty; choose another name, or --overwrite")
    if not (target / "config.json").is_file() or not is_i3_model(str(target)):
        raise I3Error(f"{target}: is not a model directory; only model directories are overwritten")


def write_files(model: I3Retriever, tokenizer: I3Tokenizer, directory: Path) -> None:
    """Writes everything but the card and the files by which sentence-transformers finds its module.

    Args:
        model: see `save_model_directory`.
        tokenizer: its tokenizer.
        directory: an empty folder.
    """
    weights = model.state_dict()
    prefix = f"{model.query_encoder.base_model_prefix}."
    query_weights = {name: value for name, value in weights.items() if name.startswith(prefix)}
    rest = {name: value for name, value in weights.items() if name not in query_weights}
    with quiet_transformers():
        # A copy, because save_pretrained empties the dictionary it is given.
        model.save_pretrained(directory, state_dict=dict(rest), max_shard_size="1000GB")
        if rest:  # there is nothing else where a plain dual encoder has one encoder
            (directory / "model.safetensors").replace(directory / PASSAGE_WEIGHTS)
        tokenizer.save_pretrained(directory)
        query_file = _write_query_encoder(model, query_weights, directory / QUERY_ENCODER)
        tokenizer.save_pretrained(directory / QUERY_ENCODER, model.config.query_length)
    write_query_files(model.config, directory / QUERY_ENCODER, model.query_encoder.dtype)
    for layer, module in zip(model.config.settings().dense, model.query_dense, strict=True):
        folder = directory / QUERY_ENCODER / layer.folder
        _save_tensors(module.state_dict(), folder / "model.safetensors")
    files = dict.fromkeys(rest, PASSAGE_WEIGHTS)
    files |= dict.fromkeys(query_weights, f"{QUERY_ENCODER}/{query_file}")
    _write_index(directory, weights, files)
    for path in directory.rglob("*.safetensors"):  # created with permissions for the owner only
        shutil.copymode(directory / "config.json", path)


def _write_query_encoder(model: I3Retriever, weights: dict[str, Tensor], directory: Path) -> str:
    """Writes the plain encoder and returns the name of the file with its weights."""
    encoder = model.query_encoder
    config = copy.deepcopy(encoder.config)
    config.architectures = [type(encoder).__name__]
    config.dtype = str(encoder.dtype).removeprefix("torch.")
    config.save_pretrained(directory)
    pooler = _unused_pooler(config, f"{encoder.base_model_prefix}.", weights)
    if not pooler:
        _save_tensors(weights, directory / "model.safetensors")
        return "model.safetensors"
    names = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    _save_tensors(weights, directory / names[0])
    _save_tensors(pooler, directory / names[1])
    files = dict.fromkeys(weights, names[0]) | dict.fromkeys(pooler, names[1])
    _write_index(directory, weights | pooler, files)
    return names[0]


def _unused_pooler(config: Any, prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The pooler that stock `AutoModel` expects: an identity matrix and a zero bias."""
    with torch.device("meta"):
        stock = AutoModel.from_config(config).state_dict()
    dtype = next(iter(weights.values())).dtype
    missing = {name: value for name, value in stock.items() if prefix + name not in weights}
    return {
        prefix + name: torch.eye(*value.shape, dtype=dtype)
        if value.dim() == 2  # noqa: PLR2004
        else torch.zeros(value.shape, dtype=dtype)
        for name, value in missing.items()
    }


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    save_file(
        {name: value.detach().contiguous().cpu() for name, value in tensors.items()},
        path,
        metadata={"format": "pt"},
    )


def _write_index(directory: Path, tensors: dict[str, Tensor], files: dict[str, str]) -> None:
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(files.items()))}
    text = json.dumps(index, indent=2) + "\n"
    (directory / INDEX).write_text(text, encoding="utf-8", newline="\n")

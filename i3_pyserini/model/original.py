"""Reads the original's `.p` files safely and translates the names of tensors.

A `.p` file is `torch.save(state_dict)`. The names are translated from ours to the original's by
one function, which serves both directions, so that each tensor has exactly one counterpart.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_existing, replacing
from i3_pyserini.model.config import I3Config
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.model.tokenizer import I3Tokenizer
from i3_pyserini.model.tokenizer_loading import check_fits, load_tokenizer
from i3_pyserini.model.torch_files import read_torch_file

# Ours -> the original's; the first that matches the beginning of a name is used. The query
# encoder's own prefix (`bert.`) comes last.
MODULES = (
    ("passage_encoder.", "lm_p."),
    ("reconstructor.layers.", "c_head."),
    ("interactor.layers.", "d_head."),
    ("reconstruction_head.decoder.", "cls.predictions.decoder."),
    ("reconstruction_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
    ("reconstruction_head.dense.", "cls.predictions.transform.dense."),
    ("bert.", "lm_q."),
)
# Within a layer of the reconstructor or interactor.
LAYER_PARTS = (
    (".self_attention.output.", ".attention.output.dense."),
    (".self_attention.layer_norm.", ".attention.output.LayerNorm."),
    (".self_attention.", ".attention.self."),
    (".passage_attention.output.", ".crossattention.output.dense."),
    (".passage_attention.layer_norm.", ".crossattention.output.LayerNorm."),
    (".passage_attention.", ".crossattention.self."),
    (".feed_forward.up.", ".intermediate.dense."),
    (".feed_forward.down.", ".output.dense."),
    (".feed_forward.layer_norm.", ".output.LayerNorm."),
)
# The original's MLM head holds its bias under two names.
HEAD_BIAS = "cls.predictions.decoder.bias"
HEAD_BIAS_AGAIN = "cls.predictions.bias"
# In the files, but nowhere in the model: a buffer of row numbers, and a pooler that the original
# drops when it loads.
ORIGINAL_TEXTS = {
    "query_prefix": "",
    "query_prompt": "",
    "passage_prompt": "",
    "passage_template": "{title} {sep} {text}",
    "untitled_template": "",
    "missing_value": "NA",
}
IGNORED = re.compile(r"lm_[qp]\.(embeddings\.position_ids$|pooler\.)")


@dataclass(frozen=True)
class OriginalSettings:
    """Settings that a `.p` file does not contain: the original's command line for training.

    Attributes:
        query_length: `--q_max_seq_len`.
        passage_length: `--p_max_seq_len`.
        generated_query_length: `--generated_query_len`: masks and labels of the reconstructor.
        normalize: `--l2_normalize`.
    """

    query_length: int = 32
    passage_length: int = 140
    generated_query_length: int = 32
    normalize: bool = False


def from_original(
    checkpoint: Path, backbone: str, settings: OriginalSettings | None = None
) -> tuple[I3Retriever, I3Tokenizer]:
    """Creates a model from an original `.p` file.

    Args:
        checkpoint: the `.p` file, of a DualEncoder with or without the decoder.
        backbone: directory or hub name of the BERT it was trained from; only its
            configuration and tokenizer are read.
        settings: the original's command line; None for the released checkpoints.

    Returns:
        The model in evaluation mode, and its tokenizer.

    Raises:
        I3Error: the file or the backbone cannot be used, or they do not match.
    """
    settings = settings or OriginalSettings()
    tensors = read_checkpoint(checkpoint)
    encoder_config = load_config(backbone)
    check_fit(checkpoint, tensors, backbone, encoder_config)
    tokenizer = load_tokenizer(backbone, encoder_config)
    check_fits(backbone, tokenizer, encoder_config)
    with_decoder = any(name.startswith(("c_head.", "d_head.", "cls.")) for name in tensors)
    config = I3Config(
        encoder_config=encoder_config,
        interaction="released" if with_decoder else "none",
        num_head_layers=max(1, count_layers(tensors, "c_head.")),
        normalize=settings.normalize,
        query_length=settings.query_length,
        passage_length=settings.passage_length,
        # Training cuts the string of masks to its length, special tokens included;
        # evaluation has room for the special tokens (original `dataset_factory.py`).
        training_pseudo_query_length=settings.generated_query_length,
        pseudo_query_length=settings.generated_query_length + 2,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        mask_token_id=tokenizer.mask_token_id,
    )
    model = I3Retriever(config)
    model.eval()
    load_original(model, tensors, checkpoint)
    return model, I3Tokenizer(tokenizer, config)


def save_original(model: I3Retriever, path: Path, overwrite: bool = False) -> None:
    """Writes a model's weights as a `.p` file that the original's code loads.

    Raises:
        I3Error: the original could not load the model, the file exists, or it cannot be written.
    """
    refuse_existing(path, overwrite)
    tensors = to_original(model)
    with replacing(path, RuntimeError) as partial:  # PyTorch's exception for a full disk
        torch.save(tensors, partial)


def original_name(name: str) -> str:
    """The original's name of one of our tensors.

    Raises:
        I3Error: the original has no corresponding tensor.
    """
    for ours, originals in MODULES:
        if name.startswith(ours):
            translated = originals + name.removeprefix(ours)
            if originals in ("c_head.", "d_head."):
                for part, original_part in LAYER_PARTS:
                    if part in translated:
                        return translated.replace(part, original_part, 1)
            return translated
    raise I3Error(f"the original has no tensor for {name}")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Reads a `.p` file without executing code in it.

    Returns:
        Tensor by the original's name, without DDP's `module.`.

    Raises:
        I3Error: the file does not exist, is truncated, is not a checkpoint, or contains anything
            but tensors.
    """
    if path.is_dir():
        raise I3Error(
            f"{path}: is a directory, not a .p file; to convert a model directory, use --reverse"
        )
    tensors: dict[str, Tensor] = {}
    for name, value in read_torch_file(path).items():
        own = name.replace("module.", "")
        if own in tensors:
            raise I3Error(f"{path}: two tensors are called {own}, with and without 'module.'")
        tensors[own] = value
    return tensors


def check_fit(
    path: Path, tensors: dict[str, Tensor], backbone: str, config: PreTrainedConfig
) -> None:
    """Checks the sizes in a checkpoint against its backbone.

    Raises:
        I3Error: it is not an I³ checkpoint, or sizes differ; names both sizes.
    """
    words = tensors.get("lm_p.embeddings.word_embeddings.weight")
    positions = tensors.get("lm_p.embeddings.position_embeddings.weight")
    feed_forward = tensors.get("lm_p.encoder.layer.0.intermediate.dense.weight")
    if words is None or positions is None or feed_forward is None:
        raise I3Error(
            f"{path}: not an I³ checkpoint: no BERT under lm_p.* (it begins with "
            f"{', '.join(list(tensors)[:3])})"
        )
    for name, tensor in (("word", words), ("position", positions), ("intermediate", feed_forward)):
        if tensor.dim() != 2:  # noqa: PLR2004  (they are matrices)
            shape = list(tensor.shape)
            raise I3Error(f"{path}: lm_p's {name} weights have shape {shape}; expected a matrix")
    if config.model_type != "bert":
        raise I3Error(f"backbone {backbone} is a {config.model_type}, but the original's is a BERT")
    found = {
        "vocabulary": words.size(0),
        "hidden size": words.size(1),
        "positions": positions.size(0),
        "intermediate size": feed_forward.size(0),
        "layers": count_layers(tensors, "lm_p.encoder.layer."),
    }
    expected = {
        "vocabulary": config.vocab_size,
        "hidden size": config.hidden_size,
        "positions": config.max_position_embeddings,
        "intermediate size": config.intermediate_size,
        "layers": config.num_hidden_layers,
    }
    differences = [
        f"{name} {found[name]} against {expected[name]}"
        for name in found
        if found[name] != expected[name]
    ]
    if differences:
        raise I3Error(f"{path} does not fit backbone {backbone}: {', '.join(differences)}")


def count_layers(tensors: dict[str, Tensor], prefix: str) -> int:
    """The number of layers after `prefix`."""
    numbers = {key.removeprefix(prefix).split(".")[0] for key in tensors if key.startswith(prefix)}
    return len(numbers)


def load_original(model: I3Retriever, tensors: dict[str, Tensor], path: Path) -> None:
    """Loads a `.p` file's tensors into a model, strictly.

    Args:
        model: a model of the same architecture; its weights are overwritten.
        tensors: as `read_checkpoint` gives them.
        path: the file, for messages.

    Raises:
        I3Error: a tensor is missing, unexpected, of another shape or of whole numbers, or the two
            copies of the head's bias differ; every such tensor is listed.
    """
    weights = model.state_dict()
    names = {original_name(name): name for name in weights}
    expected = {*names, HEAD_BIAS_AGAIN} if HEAD_BIAS in names else set(names)
    given = {name for name in tensors if not IGNORED.match(name)}
    problems = [f"missing {name}" for name in sorted(expected - given)]
    problems += [f"unexpected {name}" for name in sorted(given - expected)]
    problems += [
        f"{name} has shape {list(tensors[name].shape)}, not {list(weights[names[name]].shape)}"
        for name in sorted(names.keys() & given)
        if tensors[name].shape != weights[names[name]].shape
    ]
    problems += [
        f"{name} has numbers of {tensors[name].dtype}"
        for name in sorted(names.keys() & given)
        if not tensors[name].is_floating_point()
    ]
    if problems:
        raise I3Error(f"{path}: {'; '.join(problems)}")
    if HEAD_BIAS in names and not torch.equal(tensors[HEAD_BIAS], tensors[HEAD_BIAS_AGAIN]):
        raise I3Error(f"{path}: {HEAD_BIAS} and {HEAD_BIAS_AGAIN} differ, but must be equal")
    model.load_state_dict({ours: tensors[name] for name, ours in names.items()})


def to_original(model: I3Retriever) -> "OrderedDict[str, Tensor]":
    """The tensors for a `.p` file that the original's code can load.

    Raises:
        I3Error: the model has parts that the original does not support.
    """
    config = model.config
    if (
        config.encoder.model_type != "bert"
        or config.interaction == "paper"
        or config.pooling != "cls"
        or config.interactor_init != "original"
        or config.pseudo_query_positions != "backbone"
        or config.tie_encoders
        or config.dense
        or config.lowercase
        or config.reconstruction_vocabulary is not None
        or config.pseudo_query_length != config.training_pseudo_query_length + 2
        or any(getattr(config, name) != text for name, text in ORIGINAL_TEXTS.items())
    ):
        raise I3Error(
            "the original does not support this model: it supports only two encoders, BERT, the "
            "released interaction, the first token's vector, interactor_init original, the "
            "backbone's positions, two pseudo-query ids more than in training, the released "
            "template without prompts and lower-casing, no dense layers, and pseudo-queries in the "
            "backbone's tokens"
        )
    tensors = OrderedDict(
        (original_name(name), value) for name, value in model.state_dict().items()
    )
    if HEAD_BIAS in tensors:
        tensors[HEAD_BIAS_AGAIN] = tensors[HEAD_BIAS]
    positions = torch.arange(config.encoder.max_position_embeddings)
    for encoder in ("lm_q", "lm_p"):
        tensors[f"{encoder}.embeddings.position_ids"] = positions.unsqueeze(0).clone()
    return tensors

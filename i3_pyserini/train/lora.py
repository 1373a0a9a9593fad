"""Low-rank adapters (LoRA) in place of training all weights of the encoders.

Source: Hu et al., 2022, "LoRA: Low-Rank Adaptation of Large Language Models"; the library peft.
"""

import copy
from dataclasses import replace
from importlib.util import find_spec

import torch
from torch import nn

from i3_pyserini.errors import I3Error
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.recipe import LoraRecipe


def add_adapters(model: I3Retriever, recipe: LoraRecipe, precision: str) -> None:
    """Freezes the encoders, and puts adapters beside all linear maps of those that learn.

    An encoder's dense layers are a part of it. The other modules of I³ learn as before. Adapters
    start at zero: the model stays the same.

    Args:
        model: changed in place.
        recipe: which encoders, and how large the adapters are.
        precision: of matrix products.

    Raises:
        I3Error: peft is not installed, the recipe asks for one of two encoders that are one, or for
            weights in half precision without products that read them.
    """
    if recipe.weights == "bf16" and precision == "fp32":
        raise I3Error(
            "lora.weights: bf16 needs matrix products in half precision, and training.precision is "
            "fp32 (auto is, where a processor has no bf16); set training.precision: bf16"
        )
    if find_spec("peft") is None:
        raise I3Error("lora needs peft: pip install 'i3-pyserini[lora]'")
    from peft import LoraConfig, inject_adapter_in_model  # noqa: PLC0415  (an extra)

    if model.config.tie_encoders and recipe.encoders != "both":
        raise I3Error(
            f"lora.encoders is {recipe.encoders}, but the model has one encoder for both "
            "(tie_encoders); use both"
        )
    sides = {
        "query": (model.query_encoder, model.query_dense),
        "passage": (model.passage_encoder, model.passage_dense),
    }
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
    )
    for encoder, dense in dict.fromkeys(sides.values()):  # one, if they are the same
        encoder.requires_grad_(False)
        dense.requires_grad_(False)
        if recipe.encoders == "both" or encoder is sides[recipe.encoders][0]:
            inject_adapter_in_model(config, encoder)
            if recipe.weights == "bf16":
                _round_matrices(encoder)
            # peft finds all linear maps of models of transformers only.
            names = [name for name, one in dense.named_modules() if isinstance(one, nn.Linear)]
            if names:
                inject_adapter_in_model(replace(config, target_modules=names), dense)


def _round_matrices(encoder: nn.Module) -> None:
    """Makes all matrices but the adapters bf16; the rest is small, and autocast makes it fit."""
    for parameter in encoder.parameters():
        if parameter.dim() > 1 and not parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)


def merged(model: I3Retriever) -> I3Retriever:
    """A copy whose encoders have their adapters added to the weights."""
    from peft.tuners.lora import LoraLayer  # noqa: PLC0415  (an extra)

    plain = copy.deepcopy(model)
    plain.float()  # a sum in bf16 would lose what was learned
    for name, module in list(plain.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, module.get_base_layer())
    return plain

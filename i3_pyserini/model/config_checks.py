"""Checks of the values of an `I3Config`."""

import string
from typing import TYPE_CHECKING

from i3_pyserini.errors import I3Error
from i3_pyserini.model.settings import POOLINGS, UNPOOLED

if TYPE_CHECKING:
    from i3_pyserini.model.config import I3Config

CHOICES = {
    "interaction": ("released", "paper", "none"),
    "interactor_init": ("original", "residual", "scaled"),
    "layer_init": ("original", "backbone"),
    "reconstruction_head_init": ("original", "embeddings"),
    "pooling": POOLINGS,
    "pseudo_query_positions": ("backbone", "learned", "vectors"),
}
LENGTHS = ("query_length", "passage_length", "pseudo_query_length", "training_pseudo_query_length")
POSITIVE = ("num_head_layers", *LENGTHS)
TOKENS = ("cls_token_id", "sep_token_id", "mask_token_id")
TEXTS = (
    "query_prefix",
    "query_prompt",
    "passage_prompt",
    "passage_template",
    "untitled_template",
    "missing_value",
)
SWITCHES = ("normalize", "lowercase", "tie_encoders")


def check_values(config: "I3Config") -> None:
    """Checks every value of a configuration whose backbone's configuration is an object.

    Raises:
        I3Error: names the first invalid value.
    """
    _check_choices_and_lengths(config)
    _check_texts(config)
    _check_dense(config)
    steps = config.reconstructor_steps
    if steps is not None and (not isinstance(steps, int) or steps < 0):
        raise I3Error(f"config: reconstructor_steps is {steps!r}, must be a whole number or null")
    size = config.reconstruction_vocabulary
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise I3Error(f"config: reconstruction_vocabulary is {size!r}, must be a number of tokens")
    for name in SWITCHES:
        if not isinstance(getattr(config, name), bool):
            raise I3Error(f"config: {name} is {getattr(config, name)!r}, must be true or false")
    for name in TOKENS:
        value, size = getattr(config, name), getattr(config.encoder, "vocab_size", None)
        if value is None and config.pseudo_query_positions == "vectors":
            continue
        if not isinstance(value, int) or value < 0 or (size is not None and value >= size):
            raise I3Error(f"config: {name} is {value!r}, must be an id below {size}")


def check_lengths(config: "I3Config", limit: int | None) -> None:
    """Raises if a text may be longer than a backbone reads.

    Args:
        config: the model's configuration.
        limit: positions of the backbone; None for no limit.

    Raises:
        I3Error: names the length.
    """
    for name in LENGTHS:
        length = getattr(config, name)
        if limit is not None and length > limit:
            raise I3Error(f"{name} is {length}, but the backbone has only {limit} positions")


def _check_choices_and_lengths(config: "I3Config") -> None:
    for name, allowed in CHOICES.items():
        value = getattr(config, name)
        if value not in allowed:
            raise I3Error(f"config: {name} is {value!r}, must be one of {', '.join(allowed)}")
    for name in POSITIVE:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise I3Error(f"config: {name} is {value!r}, must be a positive whole number")
    for name in UNPOOLED:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise I3Error(f"config: {name} is {value!r}, must be a whole number")
    for name in LENGTHS[2:]:
        if getattr(config, name) < 3:  # noqa: PLR2004  (two special tokens and one mask)
            raise I3Error(f"config: {name} must be at least 3: two special tokens and one mask")


def _check_texts(config: "I3Config") -> None:
    for name in TEXTS:
        if not isinstance(getattr(config, name), str):
            raise I3Error(f"config: {name} is {getattr(config, name)!r}, must be text")
    if config.query_prefix and config.query_prompt:
        raise I3Error("config: query_prefix and query_prompt cannot be combined")
    _check_template("passage_template", config.passage_template, {"title", "sep", "text"})
    if config.untitled_template:
        _check_template("untitled_template", config.untitled_template, {"sep", "text"})


def _check_dense(config: "I3Config") -> None:
    size = config.hidden_size
    for layer in config.settings().dense:
        if layer.in_features != size:
            raise I3Error(
                f"config: a dense layer has {layer.in_features!r} in_features, expected {size}"
            )
        size = layer.out_features
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise I3Error(f"config: out_features is {size!r}, must be a positive whole number")


def _check_template(setting: str, template: str, known: set[str]) -> None:
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise I3Error(f"config: {setting} {template!r} is malformed ({error})") from error
    fields = [name for _, name, _, _ in parts]
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if not plain or "text" not in fields or not set(fields) <= known:
        optional = " and ".join(f"{{{name}}}" for name in sorted(known - {"text"}, reverse=True))
        raise I3Error(
            f"config: {setting} {template!r} must use {{text}} and may use {optional}, nothing else"
        )

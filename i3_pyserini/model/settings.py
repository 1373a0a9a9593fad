"""Encoder settings for passages and queries, without torch.

Settings are resolved in this order: an explicit flag, then the declaration in the model's own files
(`i3_pyserini.model.declared`), then a default.
"""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import EncoderRecord

Pooling = Literal["cls", "mean", "max", "last", "weighted_mean", "mean_sqrt_len"]
POOLINGS: tuple[str, ...] = get_args(Pooling)
POOLING_WORDS = {
    "cls": "first token",
    "mean": "mean pooling",
    "max": "max pooling",
    "last": "last token",
    "weighted_mean": "weighted mean pooling",
    "mean_sqrt_len": "mean pooling by the square root of the length",
}
STOCK_POOLINGS = ("cls", "mean")  # supported by pyserini.search.faiss
LENGTHS = ("query_length", "passage_length")
UNPOOLED = ("unpooled_query_ids", "unpooled_passage_ids")  # fields of `I3Config`
NO_LIMIT = 1 << 20  # ids: tokenizers without a limit declare about 1e30
QUERY_ENCODER = "query_encoder"  # folder of an I³ model's directory; see i3_pyserini.model.export


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer after the pooling, like `Dense` of sentence-transformers.

    Attributes:
        folder: of its weights, inside the model's directory.
        in_features: input dimension.
        out_features: output dimension.
        bias: whether it adds a bias.
        activation: a class of `torch.nn` by its full name, such as
            "torch.nn.modules.activation.Tanh".
        residual: whether its input is added to its output.
    """

    folder: str
    in_features: int
    out_features: int
    bias: bool = True
    activation: str = "torch.nn.modules.activation.Tanh"
    residual: bool = False


@dataclass(frozen=True)
class EncoderSettings:
    """All settings that affect vectors, besides the weights and the tokenizer.

    The defaults are those of Pyserini's class `auto`.

    Attributes:
        pooling: one of `POOLINGS`.
        normalize: whether vectors are normalized to unit length.
        dense: layers after the pooling, before normalization.
        query_prompt: text directly before every query.
        passage_prompt: text directly before every passage.
        include_prompt: whether the prompt's tokens are pooled too.
        query_length: maximum ids of a query, special tokens included; None for the tokenizer's
            limit.
        passage_length: maximum ids of a passage.
        lowercase: whether texts are lower-cased before the tokenizer's own normalization.
        add_sep: whether title and text are two segments, not joined by a space.
        prompt_behind_title: whether the passage prompt is placed between title and text, like
            Pyserini's `--prefix`, and not before both.
        similarity: the similarity that the model declares; None if it declares none.
    """

    pooling: str = "cls"
    normalize: bool = False
    dense: tuple[DenseLayer, ...] = ()
    query_prompt: str = ""
    passage_prompt: str = ""
    include_prompt: bool = True
    query_length: int | None = None
    passage_length: int = 256
    lowercase: bool = False
    add_sep: bool = False
    prompt_behind_title: bool = False
    similarity: str | None = None

    def __post_init__(self) -> None:
        """Checks all values.

        Raises:
            I3Error: a value is invalid.
        """
        if self.pooling not in POOLINGS:
            raise I3Error(f"pooling is {self.pooling!r}, must be one of {', '.join(POOLINGS)}")
        for name in LENGTHS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise I3Error(f"{name} is {value!r}, must be a positive whole number")

    def dimension(self, hidden_size: int) -> int:
        """The dimension of vectors for this hidden size."""
        return self.dense[-1].out_features if self.dense else hidden_size

    @property
    def stock_can_encode(self) -> bool:
        """Whether stock Pyserini's class `auto` supports these settings for queries."""
        prompt_fits = not self.query_prompt or (
            self.include_prompt and prefix_of(self.query_prompt) is not None
        )
        plain = not self.dense and not self.lowercase
        return self.pooling in STOCK_POOLINGS and plain and prompt_fits

    def stock_flags(self) -> str:
        """The flags for stock Pyserini, if it supports the settings (`stock_can_encode`)."""
        flags = ["--encoder-class auto"]
        if self.pooling != "cls":
            flags.append(f"--pooling {self.pooling}")
        if self.normalize:
            flags.append("--l2-norm")
        if prefix := prefix_of(self.query_prompt):
            flags.append(f"--query-prefix {shlex.quote(prefix)}")
        return " ".join(flags)

    def as_manifest(self) -> dict[str, Any]:
        """The settings for the manifest of an index, as JSON values."""
        fields_of_self = asdict(self)
        return {**fields_of_self, "dense": [asdict(layer) for layer in self.dense]}

    @classmethod
    def of_manifest(cls, made_by: EncoderRecord) -> "EncoderSettings | None":
        """The settings in the manifest of an index.

        Args:
            made_by: its encoder record.

        Returns:
            None if it has no settings.

        Raises:
            I3Error: a value is invalid.
        """
        if made_by.pooling is None:
            return None
        known = {one.name: getattr(made_by, one.name, None) for one in fields(cls)}
        return cls.of_fields({name: value for name, value in known.items() if value is not None})

    @classmethod
    def of_i3(cls, config: Mapping[str, Any]) -> "EncoderSettings":
        """The settings of an I³ model, from the fields of its `config.json`.

        `I3Config` leaves fields with their default value out of the file, so that the defaults
        here are those of `I3Config`.

        Raises:
            I3Error: a value is invalid.
        """
        prompt = config.get("query_prompt") or prompt_of(config.get("query_prefix"))
        return cls(
            pooling=config.get("pooling", "cls"),
            normalize=config.get("normalize", False),
            dense=_dense_layers(config.get("dense", ())),
            query_prompt=prompt,
            passage_prompt=config.get("passage_prompt", ""),
            include_prompt=not any(config.get(name) for name in UNPOOLED),
            query_length=config.get("query_length", I3_QUERY_LENGTH),
            passage_length=config.get("passage_length", I3_PASSAGE_LENGTH),
            lowercase=config.get("lowercase", False),
        )

    @classmethod
    def of_fields(cls, values: Mapping[str, Any]) -> "EncoderSettings":
        """Settings from JSON values by field name; unknown names are skipped.

        Raises:
            I3Error: a value is invalid.
        """
        names = {field.name for field in fields(cls)}
        known = {name: value for name, value in values.items() if name in names}
        return cls(**{**known, "dense": _dense_layers(known.get("dense") or ())})


I3_QUERY_LENGTH, I3_PASSAGE_LENGTH = 32, 140  # the defaults of `I3Config`


def _dense_layers(values: Any) -> tuple[DenseLayer, ...]:
    """Dense layers from JSON values; those of an I³ model have no folder."""
    try:
        return tuple(
            DenseLayer(**{"folder": f"{row}_Dense", **layer})
            for row, layer in enumerate(values, start=2)  # behind 0 Transformer and 1 Pooling
        )
    except TypeError as error:
        raise I3Error(f"dense layers cannot be read ({error})") from error


class Contradiction(NamedTuple):
    """A flag that contradicts a model's declaration.

    Attributes:
        name: name of the setting.
        given: the flag's value.
        declared: the model's.
    """

    name: str
    given: Any
    declared: Any

    def __str__(self) -> str:
        return f"{self.name} {shown(self.given)} (the model declares {shown(self.declared)})"


def check_length(length: int, special: int, name: str) -> int:
    """Checks that special tokens fit in a length; otherwise tokenizers would not truncate.

    Args:
        length: maximum ids of a text.
        special: number of special tokens.
        name: the model, for the message.

    Raises:
        I3Error: names both numbers.
    """
    if length < special:
        raise I3Error(
            f"{name}: texts of at most {length} ids are too short for the {special} special "
            "tokens of its tokenizer; use a greater length"
        )
    return length


def resolve(
    flags: Mapping[str, Any], declared: Mapping[str, Any], defaults: EncoderSettings
) -> tuple[EncoderSettings, list[Contradiction]]:
    """Resolves settings: explicit flags, then the model's declarations, then defaults.

    The prompt of a flag is placed after the title, unless the model declares the same prompt or
    excludes prompts from pooling.

    Args:
        flags: values by field of `EncoderSettings`; None for a flag that is not given.
        declared: what the model's files declare, by field; see `i3_pyserini.model.declared`.
        defaults: values for settings in neither.

    Returns:
        The settings, and the flags that contradict a declaration.

    Raises:
        I3Error: a value is invalid.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    pooled = {"include_prompt": defaults.include_prompt, **declared, **given}["include_prompt"]
    if given.get("passage_prompt") == declared.get("passage_prompt") or not pooled:
        given.pop("prompt_behind_title", None)
    settings = replace(defaults, **{**declared, **given})
    against = [
        Contradiction(name, value, declared[name])
        for name, value in given.items()
        if name in declared and declared[name] != value
    ]
    return settings, against


def prompt_of(prefix: str | None) -> str:
    """The prompt of Pyserini's `--prefix`: the prefix and a space."""
    return f"{prefix} " if prefix else ""


def prefix_of(prompt: str) -> str | None:
    """The value of Pyserini's `--prefix` for a prompt; None if there is none."""
    return prompt[:-1] if prompt.endswith(" ") and len(prompt) > 1 else None


def shown(value: Any) -> str:
    """A setting's value as messages show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == ():
        return "none"
    return repr(value) if isinstance(value, str) and value.split() != [value] else str(value)


def in_words(settings: EncoderSettings, titles: bool | None = None) -> str:
    """The settings as one line: "mean pooling, unit length, titles: yes, 256 ids".

    Args:
        settings: the settings.
        titles: whether titles are encoded; None to omit it.
    """
    parts = [POOLING_WORDS[settings.pooling]]
    parts += [f"dense layer to {layer.out_features} dimensions" for layer in settings.dense]
    parts.append("unit length" if settings.normalize else "not normalized")
    if titles is not None:
        parts.append(f"titles: {'yes' if titles else 'no'}")
    parts.append(f"{settings.passage_length} ids")
    if settings.query_prompt or settings.passage_prompt:
        query, passage = (
            repr(prompt) if prompt else "none"
            for prompt in (settings.query_prompt, settings.passage_prompt)
        )
        where = ", behind the title" if settings.prompt_behind_title and titles else ""
        left_out = "" if settings.include_prompt else ", not pooled"
        parts.append(f"prompts: query {query}, passage {passage}{where}{left_out}")
    if settings.lowercase:
        parts.append("lower-cased")
    return ", ".join(parts)

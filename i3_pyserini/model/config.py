"""`I3Config`: everything that affects vectors, in one file beside the weights."""

import copy
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import at_revision
from i3_pyserini.model.config_checks import check_values
from i3_pyserini.model.layer_sizes import LayerSizes
from i3_pyserini.model.loading import check_name, quiet_transformers, unreadable
from i3_pyserini.model.settings import UNPOOLED, EncoderSettings

IGNORED_LABEL = -100  # a position that the loss ignores, as in PyTorch
# Not chosen by users.
NO_SETTINGS = frozenset(
    {
        "encoder_config",
        "dense",
        *UNPOOLED,
        "reconstruction_vocabulary",
        "reconstructor_steps",
    }
)
# How `AutoModel.from_pretrained(…, trust_remote_code=True)` finds the classes of this package.
CODE = "modeling_i3.py"
CODE_TEXT = '''"""The classes of an I³ model, for transformers: pip install i3-pyserini."""

from i3_pyserini import I3Config, I3Retriever  # noqa: F401  (found by name)
'''
AUTO_MAP = {"AutoConfig": "modeling_i3.I3Config", "AutoModel": "modeling_i3.I3Retriever"}


class I3Config(PreTrainedConfig):
    """Configuration of an `I3Retriever`.

    The defaults are those of the released checkpoints (original `script/*.sh` and
    `src/modeling.py`); the backbone's own configuration decides all layer sizes.

    Attributes:
        encoder_config: configuration of the backbone, which the query encoder and the
            passage encoder share (their weights differ). A dict is turned into an object.
        interaction: "released": the reconstructor sees the passage's pooled vector alone and
            the interactor runs over two vectors, as in the released code. "paper": the
            reconstructor attends to all passage token vectors, and the interactor runs over
            all of them and all pseudo-query vectors, as in the paper's figure 2. "none": a
            plain dual encoder, with no reconstructor, interactor or head.
        interactor_init: "original": the interactor's output is the passage vector.
            "residual": the passage vector is the pooled vector plus a projection of the
            interactor's output that starts at zero, so that an untrained model gives
            exactly its backbone's vectors. "scaled": like residual, but reconstructor and
            interactor read the pooled vector at the length of a layer's output, √H, and the
            projection is scaled back. Means over tokens are several times shorter, and in a
            "released" model the pseudo-query would drown them.
        layer_init: "original": layers of reconstructor and interactor are initialized at random.
            "backbone": they are initialized with the weights of the backbone's last layer.
        reconstruction_head_init: "original": word scores are initialized at random. "embeddings":
            word scores are initialized from the backbone's word embeddings, which masked language
            models share, so that the reconstructor predicts meaningful words after hundreds of
            steps.
        tie_encoders: whether queries and passages have one encoder, not one each that start alike.
        num_head_layers: layers of the reconstructor, and of the interactor (original
            `--n_head_layers`).
        pooling: one of `i3_pyserini.model.settings.POOLINGS`, such as "cls" (first token) or
            "mean" (over all tokens, padding excluded).
        dense: linear layers of both sides after pooling and interaction, before normalization: the
            fields of `DenseLayer` but `folder`. Queries and passages have weights of their own
            that start alike, unless `tie_encoders`.
        normalize: whether query and passage vectors are scaled to unit length at the end.
        query_length: longest query in ids, special tokens included.
        passage_length: longest passage in ids, special tokens included.
        query_prefix: text before every query, followed by a space, like Pyserini's `--prefix`.
        query_prompt: text directly before every query, like prompts of sentence-transformers;
            cannot be combined with `query_prefix`.
        passage_prompt: text directly before every passage, before its template.
        unpooled_query_ids: ids at the beginning of every query that are not pooled: those of its
            prompt, if the backbone declares that prompts are not pooled; otherwise 0.
        unpooled_passage_ids: the same for passages.
        lowercase: whether texts are lower-cased before the tokenizer's own normalization.
        passage_template: template for passages; may use `{title}`, `{sep}` (the tokenizer's
            separator token) and must use `{text}`.
        untitled_template: the same for a passage without a title; empty for `passage_template`,
            with `missing_value` as the title.
        missing_value: replacement for a missing title or text; if empty, nothing is inserted and no
            words count as missing.
        pseudo_query_length: ids of the reconstructor's input when encoding, i.e. the first
            special token, masks, the last special token. 34 as released.
        training_pseudo_query_length: the same in training, where reconstruction labels are
            cut and padded to it. 32 as released, so training and encoding differ by two masks.
        pseudo_query_positions: "backbone": the positions of the reconstructor's input come
            from the passage encoder's embeddings. "learned": a table of the reconstructor's
            own, for backbones without absolute positions (ModernBERT), whose masks would
            otherwise all be the same vector. "vectors": that table alone, for backbones without
            mask token (Qwen3, Llama) or with embeddings narrower than their layers (ALBERT).
        cls_token_id: first id of the reconstructor's input; the three may be None with "vectors".
        sep_token_id: its last id.
        mask_token_id: all ids between.
        reconstruction_vocabulary: tokens that the reconstructor predicts, if they are those of a
            tokenizer of its own; None for the backbone's. It does not affect vectors.
        reconstructor_steps: number of optimizer steps that trained the reconstructor; 0 if
            untrained, None if unknown, as for a converted checkpoint. It does not affect vectors.
    """

    model_type = "i3"
    sub_configs = {"encoder_config": AutoConfig}  # noqa: RUF012  (transformers reads this name)

    encoder_config: dict[str, Any] | PreTrainedConfig | None = None
    interaction: str = "released"
    interactor_init: str = "original"
    layer_init: str = "original"
    reconstruction_head_init: str = "original"
    tie_encoders: bool = False
    num_head_layers: int = 1
    pooling: str = "cls"
    dense: Sequence[Mapping[str, Any]] = ()
    normalize: bool = False
    query_length: int = 32
    passage_length: int = 140
    query_prefix: str = ""
    query_prompt: str = ""
    passage_prompt: str = ""
    unpooled_query_ids: int = 0
    unpooled_passage_ids: int = 0
    lowercase: bool = False
    passage_template: str = "{title} {sep} {text}"
    untitled_template: str = ""
    missing_value: str = "NA"
    pseudo_query_length: int = 34
    training_pseudo_query_length: int = 32
    pseudo_query_positions: str = "backbone"
    cls_token_id: int | None = 101
    sep_token_id: int | None = 102
    mask_token_id: int | None = 103
    reconstruction_vocabulary: int | None = None
    reconstructor_steps: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Builds the backbone's configuration and checks every value.

        Raises:
            I3Error: a value is invalid.
        """
        self.encoder_config = _as_config(self.encoder_config)
        if isinstance(self.dense, list):  # as a file has it
            self.dense = tuple(self.dense)
        check_values(self)
        super().__post_init__(**kwargs)

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> None:
        """Saves `config.json`, and the file that leads `AutoModel` to this package."""
        self.auto_map = dict(AUTO_MAP)
        super().save_pretrained(save_directory, *args, **kwargs)
        (Path(save_directory) / CODE).write_text(CODE_TEXT, encoding="utf-8", newline="\n")

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoConfig") -> None:
        """Does nothing: transformers would save this module's source in place of `CODE`."""

    @classmethod
    def check_names(cls, settings: Collection[str]) -> None:
        """Checks names of settings.

        Raises:
            I3Error: one is unknown.
        """
        known = set(cls.__annotations__) - NO_SETTINGS
        if unknown := sorted(set(settings) - known):
            raise I3Error(
                f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )

    @staticmethod
    def merged(suggested: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
        """The settings that a backbone suggests, replaced by the user's."""
        replaced = set(settings)
        if "passage_template" in settings:  # it includes the replacement for a missing title
            replaced |= {"untitled_template", "missing_value"}
        if replaced & {"query_prefix", "query_prompt"}:
            replaced |= {"query_prefix", "query_prompt"}
        return {**{key: suggested[key] for key in suggested.keys() - replaced}, **settings}

    @property
    def encoder(self) -> PreTrainedConfig:
        """`encoder_config` as an object."""
        assert isinstance(self.encoder_config, PreTrainedConfig)  # noqa: S101
        return self.encoder_config

    @property
    def speaks(self) -> bool:
        """Whether pseudo-query words are meaningful, i.e. the reconstructor was trained."""
        return self.interaction != "none" and self.reconstructor_steps != 0

    @property
    def hidden_size(self) -> int:
        """Dimension of the backbone's token vectors, H."""
        return LayerSizes.of(self.encoder).hidden_size

    @property
    def dimension(self) -> int:
        """Dimension of the vector of a text, D: H, or that of the last dense layer."""
        return self.settings().dimension(self.hidden_size)

    @property
    def num_learned_positions(self) -> int:
        """Rows of the reconstructor's table of positions; 0 if it has none."""
        longest = max(self.pseudo_query_length, self.training_pseudo_query_length)
        return 0 if self.pseudo_query_positions == "backbone" else longest

    def settings(self) -> EncoderSettings:
        """The encoder settings, without those specific to I³.

        Raises:
            I3Error: a value is invalid.
        """
        return EncoderSettings.of_i3(
            {name: getattr(self, name) for name in I3Config.__annotations__}
        )

    def pseudo_query_ids(self, length: int) -> list[int | None]:
        """The reconstructor's input: `[CLS] [MASK] … [MASK] [SEP]`, `length` ids in all.

        Source: original `dataset_factory.py`, the collate functions' `decoder_inputs`.
        """
        return [self.cls_token_id, *[self.mask_token_id] * (length - 2), self.sep_token_id]


AutoConfig.register(I3Config.model_type, I3Config, exist_ok=True)


def is_i3_model(name_or_dir: str) -> bool:
    """Whether a directory or hub name holds an I³ model.

    Raises:
        I3Error: there is no model.
    """
    return _fields(name_or_dir).get("model_type") == I3Config.model_type


def load_i3_config(name_or_dir: str) -> I3Config:
    """The configuration of an I³ model directory or hub name.

    Raises:
        I3Error: it does not exist, belongs to another kind of model, or contains an unknown value.
    """
    fields = _fields(name_or_dir)
    if not fields:
        raise I3Error(f"{name_or_dir}: not a model directory: no config.json")
    if fields.get("model_type") != I3Config.model_type:
        raise I3Error(
            f"{name_or_dir}: not an I³ model but of type {fields.get('model_type')!r}; create "
            "one with i3-pyserini model create or model convert"
        )
    try:
        config: I3Config = I3Config.from_dict(fields)
    except I3Error as error:
        raise I3Error(f"{name_or_dir}/config.json: {error}") from error
    except Exception as error:  # transformers checks each field in its own way
        reason = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        raise I3Error(f"{name_or_dir}/config.json: an invalid value ({reason})") from error
    return config


def _fields(name_or_dir: str) -> dict[str, Any]:
    check_name(name_or_dir, "model")
    try:
        with quiet_transformers():
            repository, pinned = at_revision(name_or_dir)
            fields: object = PreTrainedConfig.get_config_dict(repository, **pinned)[0]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable(name_or_dir, "model", "config.json", error) from error
    if not isinstance(fields, dict):
        raise I3Error(f"{name_or_dir}/config.json: expected a JSON object")
    return fields


def _as_config(value: object) -> PreTrainedConfig:
    if isinstance(value, PreTrainedConfig):
        own = copy.deepcopy(value)
        own.name_or_path = ""  # a path on the machine that created the model
        return own
    if value is None:  # transformers creates a default instance to compare configurations
        return CONFIG_MAPPING["bert"]()
    if not isinstance(value, dict):
        raise I3Error(
            f"encoder_config must be a backbone's configuration, not a {type(value).__name__}"
        )
    fields = dict(value)
    model_type = fields.pop("model_type", None)
    if model_type not in CONFIG_MAPPING:
        raise I3Error(f"encoder_config: this transformers does not know model_type {model_type!r}")
    return CONFIG_MAPPING[model_type](**fields)

"""Reads a tokenizer from the model's own files, without torch and transformers.

All code tokenizes queries and passages with the result of `read_tokenizer_file`: `tokenizer.json`
with the additional settings of `tokenizer_config.json` and `special_tokens_map.json`. The defaults
of a transformers class never change it: transformers 5 rebuilds many tokenizers from their
vocabulary alone, and then loses the file's normalizer, pre-tokenizer or template (see
`i3_pyserini.model.tokenizer_check`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.records import read_object
from i3_pyserini.model.declared import path_of
from i3_pyserini.model.texts import TokenIds

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

FILE, CONFIG, TOKENS = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
SPECIAL_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
EXTRA_NAMES = ("extra_special_tokens", "additional_special_tokens")
# Classes that read the file unchanged and ignore settings of other classes.
PLAIN_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
# Keys of tokenizer_config.json and the settings of BERT's normalizer.
BERT_SWITCHES = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


@dataclass(frozen=True)
class TokenizerFile:
    """A tokenizer read from a model's own files.

    Attributes:
        core: the tokenizer, without padding or truncation.
        truncation_side: the side on which long texts are truncated: "right" or "left".
        model_max_length: default maximum ids of a text; None if not declared.
    """

    core: "Tokenizer"
    truncation_side: str = "right"
    model_max_length: float | None = None

    def ids(self, texts: Sequence[str], max_length: int) -> TokenIds:
        """The ids of N texts, special tokens included, at most `max_length` each."""
        self.core.enable_truncation(max_length, direction=self.truncation_side)
        found = self.core.encode_batch(list(texts))
        return TokenIds((one.ids for one in found), sum(bool(one.overflowing) for one in found))

    def identity(self) -> str:
        """Settings that affect ids besides `tokenizer.json`, as text independent of versions."""
        normaliser: Any = self.core.normalizer
        switches = {
            switch: getattr(normaliser, switch, None) for switch in sorted(BERT_SWITCHES.values())
        }
        tokens = {
            number: [token.content, token.special]
            for number, token in sorted(self.core.get_added_tokens_decoder().items())
        }
        split = bool(self.core.encode_special_tokens)
        cut = [self.truncation_side, self.model_max_length]
        return json.dumps([switches, tokens, cut, split])

    @property
    def highest_id(self) -> int:
        """The highest id of any token."""
        return max(self.core.get_vocab(with_added_tokens=True).values(), default=-1)


def read_tokenizer_file(name_or_dir: str) -> TokenizerFile | None:
    """Reads a model's tokenizer.

    Args:
        name_or_dir: a directory, or a hub name.

    Returns:
        None if there is no `tokenizer.json`; transformers then creates a tokenizer from other
        vocabulary files.

    Raises:
        I3Error: a file of the tokenizer is damaged.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415  (not needed to describe a model)

    path = path_of(name_or_dir, FILE)
    if path is None:
        return None
    try:
        core: Tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise I3Error(f"{path}: tokenizer cannot be read: {error}") from error
    config = _fields(name_or_dir, CONFIG)
    side = config.get("truncation_side") or (core.truncation or {}).get("direction", "right")
    if side not in ("left", "right"):
        raise I3Error(f"{name_or_dir}/{CONFIG}: truncation_side is {side!r}, must be left or right")
    core.no_truncation()
    core.no_padding()
    _apply_switches(core, config)
    _add_tokens(core, name_or_dir, config)
    if config.get("split_special_tokens"):
        core.encode_special_tokens = True
    return TokenizerFile(core, side, config.get("model_max_length"))


def _apply_switches(core: "Tokenizer", config: Mapping[str, Any]) -> None:
    """Applies the configuration's settings to a BERT normalizer; null is ignored."""
    from tokenizers.normalizers import BertNormalizer  # noqa: PLC0415  (not needed to describe a model)

    normaliser: Any = core.normalizer
    if not isinstance(normaliser, BertNormalizer) or config.get("tokenizer_class") in PLAIN_CLASSES:
        return
    for key, switch in BERT_SWITCHES.items():
        value = config.get(key)
        if isinstance(value, bool) and getattr(normaliser, switch) != value:
            setattr(normaliser, switch, value)
    core.normalizer = normaliser


def _add_tokens(core: "Tokenizer", name: str, config: Mapping[str, Any]) -> None:
    """Adds tokens declared in files other than `tokenizer.json`."""
    known = {token.content for token in core.get_added_tokens_decoder().values()}
    for token in _declared_tokens(name, config):
        if token.content not in known:
            known.add(token.content)
            (core.add_special_tokens if token.special else core.add_tokens)([token])


def _declared_tokens(name: str, config: Mapping[str, Any]) -> "Iterator[AddedToken]":
    """Declared tokens in the order in which they get ids.

    As in transformers, `special_tokens_map.json` is used only without `added_tokens_decoder`.
    """
    numbered = config.get("added_tokens_decoder")
    if isinstance(numbered, Mapping):
        if odd := next((key for key in numbered if not str(key).isdecimal()), None):
            raise I3Error(f"{name}/{CONFIG}: a token has the id {odd!r:.80}; expected a number")
        for _, token in sorted(numbered.items(), key=lambda item: int(item[0])):
            yield _token(name, token, special=False)
        fields = config
    else:
        fields = {**config, **_fields(name, TOKENS)}
    for key in SPECIAL_NAMES:
        if fields.get(key) is not None:
            yield _token(name, fields[key])
    for key in EXTRA_NAMES:
        extra = fields.get(key) or []
        for token in extra.values() if isinstance(extra, Mapping) else extra:
            yield _token(name, token)


def _token(name: str, value: Any, special: bool = True) -> "AddedToken":
    from tokenizers import AddedToken  # noqa: PLC0415  (not needed to describe a model)

    if isinstance(value, str):
        return AddedToken(value, special=True, normalized=False)
    try:
        flags = {key: flag for key, flag in value.items() if key != "__type"}
        content = flags.pop("content")
        return AddedToken(content, **{"special": special, **flags})
    except (AttributeError, KeyError, TypeError) as error:
        raise I3Error(f"{name}: a special token is declared as {value!r:.80}") from error


def _fields(name: str, file: str) -> Mapping[str, Any]:
    """Reads a JSON object of the model; {} if the file does not exist."""
    path = path_of(name, file)
    return {} if path is None else read_object(path)

"""A tokenizer of the reconstructor's own, for backbones whose vocabulary is large.

The word scores have a row for each token: with EmbeddingGemma's 262,144 tokens of 768 dimensions,
201 million weights. The reconstructor reads vectors and no words, so that the words that it
predicts may be those of any tokenizer.
"""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from i3_pyserini.errors import I3Error
from i3_pyserini.model.declared import path_of
from i3_pyserini.model.loading import load_config
from i3_pyserini.model.token_reader import TokenReader
from i3_pyserini.model.tokenizer_file import CONFIG, FILE
from i3_pyserini.model.tokenizer_loading import load_tokenizer, read_as_written

FOLDER = "reconstruction_tokenizer"  # in a model directory; also the setting that names one


def read_own(name_or_dir: str) -> PreTrainedTokenizerBase:
    """Reads the tokenizer of another model.

    Args:
        name_or_dir: a directory or hub name, with a `config.json`.

    Raises:
        I3Error: it cannot be read, or has no `tokenizer.json`.
    """
    tokenizer = load_tokenizer(name_or_dir, load_config(name_or_dir, FOLDER))
    if not tokenizer.is_fast:
        raise I3Error(
            f"{FOLDER} {name_or_dir}: its tokenizer cannot be written as a {FILE}; name another one"
        )
    return tokenizer


def save_own(tokenizer: PreTrainedTokenizerBase, model: Path, config: PreTrainedConfig) -> None:
    """Saves a tokenizer in a model directory; `config` is that of the backbone."""
    tokenizer.save_pretrained(model / FOLDER)
    read_as_written(model / FOLDER, config)


def read_saved(model: str, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """Reads what `save_own` saved.

    Args:
        model: a model directory or hub name.
        config: that of the backbone.

    Raises:
        I3Error: it is missing or damaged.
    """
    files = [
        path_of(model, f"{FOLDER}/{name}") for name in (FILE, CONFIG)
    ]  # of a hub: into a cache
    if files[0] is None or files[1] is None:
        raise I3Error(
            f"{model}/{FOLDER}: no tokenizer here ({FILE}, {CONFIG}), but this model predicts the "
            f"tokens of its own one; name its {FOLDER}"
        )
    return load_tokenizer(str(files[0].parent), config)


def pieces_of(own: PreTrainedTokenizerBase, backbone: PreTrainedTokenizerBase) -> list[list[int]]:
    """The backbone's ids of each token of the reconstructor's tokenizer.

    The word scores of a token start from the mean of its embeddings.

    Args:
        own: the reconstructor's tokenizer, of V tokens.
        backbone: the backbone's tokenizer.

    Returns:
        V lists, empty for special tokens.

    Source: Gee et al., 2022, "Fast Vocabulary Transfer for Language Model Compression", section 3.
    """
    reader = TokenReader(own)
    read = (reader.read(token) for token in range(len(own)))
    texts = [f" {text}" if begins and text else text for text, begins in read]
    ids: Sequence[list[int]] = backbone(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return list(ids)

"""Loads with transformers, without its output and with one-line errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.utils import logging as hub_logging
from transformers import AutoConfig, PreTrainedConfig
from transformers import logging as transformers_logging

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.paths import at_revision


def check_name(name_or_dir: str, what: str) -> None:
    """Detects a mistyped path, so that it is not looked up on the hub.

    Raises:
        I3Error: it is a file, or looks like a path but does not exist.
    """
    name_or_dir = at_revision(name_or_dir)[0]
    path = Path(name_or_dir)
    if path.is_dir():
        return
    if path.exists():
        hint = "; convert a .p file with i3-pyserini model convert" if path.suffix == ".p" else ""
        raise I3Error(f"{what} {name_or_dir}: is a file; expected the model directory{hint}")
    looks_like_path = path.is_absolute() or name_or_dir.startswith((".", "~"))
    inside_a_folder = len(path.parts) > 1 and path.parent.exists()
    old = what in ("backbone", "encoder", "reconstruction_tokenizer")  # some names have no owner
    hub_parts = (1, 2) if old else (2,)
    if looks_like_path or inside_a_folder or len(path.parts) not in hub_parts:
        raise I3Error(f"{what} {name_or_dir}: no such directory")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences load reports and progress bars of transformers."""
    level, hub_level = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            transformers_logging.enable_progress_bar()


def load_config(name_or_dir: str, what: str = "backbone") -> PreTrainedConfig:
    """An encoder's configuration, from a directory or the Hugging Face hub.

    Args:
        name_or_dir: a directory or hub name.
        what: its name in messages: "backbone" or "encoder".

    Raises:
        I3Error: it does not exist, or transformers does not know its type.
    """
    check_name(name_or_dir, what)
    try:
        with quiet_transformers():
            repository, pinned = at_revision(name_or_dir)
            config: PreTrainedConfig = AutoConfig.from_pretrained(
                repository, trust_remote_code=False, **pinned
            )
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name_or_dir, what, "config.json", error) from error
    if config.model_type == "i3":
        raise I3Error(
            f"{what} {name_or_dir}: is an I³ model, not a plain encoder; name its backbone, or its "
            "folder query_encoder"
        )
    return config


def unreadable(name_or_dir: str, what: str, part: str, error: Exception) -> I3Error:
    """The one-line error for something that transformers could not load.

    Args:
        name_or_dir: the requested model.
        what: its role ("backbone").
        part: the part that failed ("weights").
        error: what transformers raised.
    """
    detail = next(iter(str(error).splitlines()), type(error).__name__)
    if Path(name_or_dir).exists():
        return I3Error(f"{what} {name_or_dir}: {part} cannot be read: {detail}")
    return I3Error(
        f"{what} {name_or_dir}: no such directory, and not available on the Hugging Face hub "
        f"({detail}); check the path, or download the model while online"
    )

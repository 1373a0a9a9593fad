"""Loading with transformers: quietly, and with one line where something cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.utils import logging as hub_logging
from transformers import AutoConfig, PreTrainedConfig
from transformers import logging as transformers_logging

from i3_pyserini.errors import I3Error


def check_name(name_or_dir: str, what: str) -> None:
    """Tells a mistyped path from a hub name, so that the hub is not asked for a path.

    Raises:
        I3Error: it is a file, or has the look of a path but is not there.
    """
    path = Path(name_or_dir)
    if path.is_dir():
        return
    if path.exists():
        hint = (
            "; turn a .p file into one with i3-pyserini model convert"
            if path.suffix == ".p"
            else ""
        )
        raise I3Error(f"{what} {name_or_dir}: is a file; name the directory it is in{hint}")
    looks_like_path = path.is_absolute() or name_or_dir.startswith((".", "~"))
    inside_a_folder = len(path.parts) > 1 and path.parent.exists()
    hub_parts = (1, 2) if what in ("backbone", "encoder") else (2,)  # only old ones have no owner
    if looks_like_path or inside_a_folder or len(path.parts) not in hub_parts:
        raise I3Error(f"{what} {name_or_dir}: no such directory")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers' load reports and bars where our own checks say more."""
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
        what: what messages call it: "backbone" or "encoder".

    Raises:
        I3Error: there is none, or transformers does not know its type.
    """
    check_name(name_or_dir, what)
    try:
        with quiet_transformers():
            config: PreTrainedConfig = AutoConfig.from_pretrained(name_or_dir)
    except Exception as error:  # a damaged file raises almost anything
        raise unreadable(name_or_dir, what, "config.json", error) from error
    return config


def unreadable(name_or_dir: str, what: str, part: str, error: Exception) -> I3Error:
    """The one-line error for something that transformers could not load.

    Args:
        name_or_dir: what was asked for.
        what: what it should have been ("backbone").
        part: the part that failed ("weights").
        error: what transformers raised.
    """
    detail = next(iter(str(error).splitlines()), type(error).__name__)
    if Path(name_or_dir).exists():
        return I3Error(f"{what} {name_or_dir}: {part} cannot be read: {detail}")
    return I3Error(
        f"{what} {name_or_dir}: no such directory, and the Hugging Face hub did not give it "
        f"({detail}); check the path, or download the model while online"
    )

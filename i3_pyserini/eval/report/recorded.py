"""What is known of a run: from its file, and from its metadata."""

from pathlib import Path
from typing import Any

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.compression import open_bytes
from i3_pyserini.formats.run_facts import COMMAND, in_words, public_command
from i3_pyserini.formats.run_metadata import RunMetadata

TREC_COLUMNS = 6
LONGEST = 1000  # bytes of a line with a tag


def recorded_facts(
    path: Path | None, metadata: RunMetadata | None, commands: bool = False
) -> dict[str, str]:
    """Facts about a run by name; nothing that is not recorded.

    Args:
        path: the run file; None for a frame.
        metadata: what made it; None if that is unknown.
        commands: whether its commands are known already.

    Returns:
        Its file name; its tag, in TREC's format; what made it, and the command, without private
        folders.
    """
    facts = {} if path is None else {"file": path.name}
    if path is not None and (tag := tag_of(path)):
        facts["tag"] = tag
    if metadata is None:
        return facts
    facts["made by"] = in_words(metadata)
    executable: Any = (metadata.implementation or {}).get("executable")
    command = executable.get(COMMAND) if isinstance(executable, dict) else None
    if command and not commands:
        facts["commands"] = str(public_command(command))
    return facts


def tag_of(path: Path) -> str | None:
    """The tag in the first line of a run; None if it is a pipe, or has another format."""
    if not path.is_file():  # a pipe can be read only once
        return None
    try:
        with open_bytes(path) as file:
            words = file.readline(LONGEST).decode().split()
    except (OSError, I3Error, UnicodeDecodeError):
        return None
    return words[-1] if len(words) == TREC_COLUMNS else None

"""The log of a run: JSON lines, and the same for TensorBoard."""

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from i3_pyserini.formats.atomic import new_file


class TrainingLog:
    """Writes what a run measures, a line a time.

    Args:
        output: the run's folder; lines go to `log.jsonl`, TensorBoard's files to `tensorboard/`.
        step: the step that the run resumes from; later lines of an interrupted one are removed.
    """

    def __init__(self, output: Path, step: int) -> None:
        self.path = output / "log.jsonl"
        kept = []
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in map(_parsed, lines) if line and line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        with new_file(self.path, overwrite=True) as file:
            file.write(text if step else "")
        self.board = SummaryWriter(str(output / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, **values: Any) -> None:
        """Adds a line, on disk and on the terminal."""
        with self.path.open("a", encoding="utf-8", newline="\n") as log:
            log.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            if isinstance(value, int | float):
                self.board.add_scalar(name, value, step)
        shown = ", ".join(f"{name} {_short(value)}" for name, value in values.items())
        tqdm.write(f"step {step}: {shown}")

    def close(self) -> None:
        """Writes out what TensorBoard's writer still holds."""
        self.board.close()


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value: dict[str, Any] = json.loads(line)
    except ValueError:  # the line that was being written when the run was killed
        return None
    return value

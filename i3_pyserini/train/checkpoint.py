"""The state for resuming an interrupted run, in one file that is written atomically."""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from pydantic import ValidationError
from torch.optim.lr_scheduler import LRScheduler

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import replacing
from i3_pyserini.formats.yaml_files import read_yaml
from i3_pyserini.model.retriever import I3Retriever
from i3_pyserini.train.recipe import Recipe
from i3_pyserini.train.recipe_file import differences
from i3_pyserini.train.temperature import LearnedTemperature

STATE = "state.pt"


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        step: optimizer steps done.
        epoch: the current epoch, starting at 1.
        passes: passes of this epoch done, on each device.
        best: best validation so far; None before the first.
        best_step: the step it was at.
        stale: number of validations since then.
        finished: whether the run is complete.
        window: sums of the losses since the last line of the log.
        window_steps: steps in them.
        words: what the last validation found of the reconstructor's words.
        duplicates: number of pairs of query and passage excluded by `negatives.exclude_duplicates`.
        guided: the same by `negatives.guide`.
    """

    step: int = 0
    epoch: int = 1
    passes: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    finished: bool = False
    window: dict[str, float] = field(default_factory=dict)
    window_steps: int = 0
    duplicates: int = 0
    guided: int = 0
    words: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """Saves and restores the complete state of a run.

    Attributes:
        path: the file.
        recipe: the run's recipe, which must not change.
        accelerator: for the devices' random states and the gradient scaler.
        model: the model.
        optimizer: its optimizer, as `accelerator` wrapped it.
        schedule: its learning rates.
        temperature: a learned temperature; None if it is not learned.
    """

    path: Path
    recipe: Recipe
    accelerator: Accelerator
    model: I3Retriever
    optimizer: Any
    schedule: LRScheduler
    temperature: LearnedTemperature | None = None

    def save(self, progress: Progress) -> None:
        """Writes the state; called by all devices, written by the first.

        Raises:
            I3Error: it cannot be written.
        """
        random = gather_object([_random_states()])
        if self.accelerator.is_main_process:
            state = {
                "recipe": self.recipe.as_dict(),
                "data": _sizes(self.recipe),
                "devices": self.accelerator.num_processes,
                "progress": asdict(progress),
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "random": random,
            }
            if self.temperature is not None:
                state["temperature"] = self.temperature.state_dict()
            if self.accelerator.scaler is not None:
                state["scaler"] = self.accelerator.scaler.state_dict()
            self._write(state)
        self.accelerator.wait_for_everyone()

    def restore(self) -> Progress:
        """Restores the state if it exists.

        Returns:
            The progress of the saved state, or a new one if there is no state.

        Raises:
            I3Error: the state belongs to another recipe or number of devices, or cannot be read.
        """
        there = gather_object([self.path.exists()])
        if not any(there):
            return Progress()
        if not all(there):
            raise I3Error(
                f"{self.path}: not visible on all devices; `output` must be on a disk shared by "
                "all machines"
            )
        state = self._read()
        sizes = _sizes(self.recipe)
        for name, size in state["data"].items():
            if sizes.get(name) != size:
                raise I3Error(
                    f"{name}: has changed since the run in {self.path.parent} began; restore the "
                    "file, or use another output folder"
                )
        if state["devices"] != self.accelerator.num_processes:
            raise I3Error(
                f"{self.path}: of a run on {state['devices']} device(s), but this one has "
                f"{self.accelerator.num_processes}; resume with the same number, or use another "
                "output folder"
            )
        self.model.load_state_dict(state["model"])
        if self.temperature is not None:
            self.temperature.load_state_dict(state["temperature"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        _set_random_states(state["random"][self.accelerator.process_index])
        return Progress(**state["progress"])

    def _read(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file raises almost anything
            raise I3Error(
                f"{self.path}: cannot be read ({type(error).__name__}); remove it to start over"
            ) from error
        return state

    def _write(self, state: dict[str, Any]) -> None:
        with replacing(self.path, RuntimeError) as partial:  # PyTorch's, of a full disk
            torch.save(state, partial)


def check_recipe(output: Path, recipe: Recipe) -> None:
    """Raises if a run with another recipe would be resumed.

    Raises:
        I3Error: names the differences.
    """
    path = output / "recipe.yaml"
    if not path.exists() or not (output / STATE).exists():
        return  # nothing to resume
    try:
        before = read_yaml(path)
    except I3Error:
        before = None
    if not isinstance(before, dict):
        raise I3Error(f"{path}: not the recipe of a run; choose another folder with --output")
    with suppress(ValidationError):  # keys that are newer than the run have their defaults
        before = Recipe.model_validate(before).as_dict()
    changed = differences(before, recipe.as_dict())
    if changed:
        raise I3Error(
            f"{output} contains a run with another recipe ({'; '.join(changed)}); use the same "
            "recipe "
            "to resume it, or --output=ANOTHER_FOLDER"
        )


def _sizes(recipe: Recipe) -> dict[str, int]:
    """Sizes of the training files, by which a change of them is noticed."""
    files = [value for value in vars(recipe.data).values() if isinstance(value, Path)]
    return {str(path): path.stat().st_size for path in files if path.is_file()}


def _random_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(states: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])

"""Runs whole trainings, or validations alone, and keeps what they found at each validation.

    python -m tests.parity.end_to_end_runner JOBS.json

`JOBS.json` is a list of {"recipe", "overrides", "train", "output"}; each leaves
`OUTPUT/seen.pt`. Also for `python -m torch.distributed.run`.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from i3_pyserini import I3Retriever
from i3_pyserini.formats.runs import Run
from i3_pyserini.train.recipe_file import load_recipe
from i3_pyserini.train.trainer import Trainer
from i3_pyserini.train.validation import Validator


@dataclass(frozen=True)
class Recorder(Validator):
    """A validator that keeps its rankings and measures, and the parameters they are of."""

    seen: list[dict[str, Any]]

    def search(self, model: I3Retriever, accelerator: Accelerator) -> Run | None:
        run = super().search(model, accelerator)
        if run is not None:
            queries = run.table.to_pandas().groupby("query_id")[["doc_id", "score"]]
            hits = {str(qid): hits.to_numpy().tolist() for qid, hits in queries}
            tensors = {name: value.detach().clone() for name, value in model.named_parameters()}
            self.seen.append({"hits": hits, "parameters": tensors})
        return run

    def measure(self, model: I3Retriever, accelerator: Accelerator) -> float:
        value = super().measure(model, accelerator)
        if self.seen:
            self.seen[-1]["measure"] = value
        return value


def run(recipe: str, overrides: list[str], train: bool, output: str) -> None:
    trainer = Trainer(load_recipe(Path(recipe), [*overrides, f"--output={output}"]))
    recorder = Recorder(**vars(trainer.validator), seen=[])
    trainer.validator = recorder
    if train:
        trainer.run()
    else:
        recorder.measure(trainer.model, trainer.accelerator)
    if trainer.accelerator.is_main_process:
        Path(output).mkdir(exist_ok=True)
        torch.save(recorder.seen, Path(output) / "seen.pt")


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        run(**job)

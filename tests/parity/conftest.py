"""The golden files as fixtures; everything about a set is read from the set itself."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.model.original import OriginalSettings, from_original


@dataclass(frozen=True)
class Golden:
    """One set of reference files."""

    path: Path
    args: argparse.Namespace

    @property
    def backbone(self) -> str:
        return str(self.path / "backbone")

    @property
    def settings(self) -> OriginalSettings:
        return OriginalSettings(
            query_length=self.args.q_max_seq_len,
            passage_length=self.args.p_max_seq_len,
            generated_query_length=self.args.generated_query_len,
            normalize=self.args.l2_normalize,
        )

    def checkpoint(self, name: str) -> Path:
        return self.path / "checkpoints" / f"{name}.p"

    def load(self, name: str) -> tuple[I3Retriever, I3Tokenizer]:
        return from_original(self.checkpoint(name), self.backbone, self.settings)

    def arrays(self, file: str) -> dict[str, Tensor]:
        with np.load(self.path / file) as content:
            return {key: torch.from_numpy(content[key]) for key in content.files}

    def json(self, file: str) -> Any:
        return json.loads((self.path / file).read_text(encoding="utf-8"))

    def rows(self, file: str) -> list[list[str]]:
        text = (self.path / "data" / file).read_text(encoding="utf-8")
        return [line.split("\t") for line in text.split("\n") if line]

    def batch(self, prefix: str) -> dict[str, Any]:
        arrays = self.arrays("tokenization/batches.npz")
        return {name: arrays[f"{prefix}_{name}"] for name in ("input_ids", "attention_mask")}


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    path: Path = pytestconfig.getoption("--golden")
    args = json.loads((path / "args.json").read_text(encoding="utf-8"))["args"]
    return Golden(path, argparse.Namespace(**args))


@pytest.fixture
def model(golden: Golden) -> I3Retriever:
    return golden.load("best")[0]


@pytest.fixture(scope="session")
def tokenizer(golden: Golden) -> I3Tokenizer:
    return golden.load("best")[1]

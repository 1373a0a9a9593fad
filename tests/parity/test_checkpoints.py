"""The three `.p` files, converted, saved, loaded and converted back."""

from pathlib import Path

import pytest
import torch

from i3_pyserini import save_model_directory
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.original import save_original

from .conftest import Golden


@pytest.mark.parametrize("name", ["best", "retriever", "vanilla_best"])
def test_there_and_back(golden: Golden, tmp_path: Path, name: str) -> None:
    save_model_directory(*golden.load(name), tmp_path / "model")
    model, _ = load_model_directory(tmp_path / "model")
    save_original(model, tmp_path / "back.p")
    original = torch.load(golden.checkpoint(name), weights_only=True)
    back = torch.load(tmp_path / "back.p", weights_only=True)
    assert {key.removeprefix("module.") for key in original} == set(back)
    for key, tensor in original.items():
        ours = back[key.removeprefix("module.")]
        assert ours.dtype == tensor.dtype
        assert torch.equal(ours, tensor), key


def test_settings_survive(golden: Golden, tmp_path: Path) -> None:
    save_model_directory(*golden.load("best"), tmp_path / "model")
    model, tokenizer = load_model_directory(tmp_path / "model")
    settings = golden.settings
    assert model.config.query_length == settings.query_length
    assert model.config.passage_length == settings.passage_length
    assert model.config.normalize == settings.normalize
    assert model.config.num_head_layers == golden.args.n_head_layers
    assert model.config.pseudo_query_length == settings.generated_query_length + 2
    assert tokenizer.tokenizer.model_max_length == settings.passage_length

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.special import erf
from transformers import AutoModel, BertConfig, DistilBertConfig, PreTrainedConfig

from i3_pyserini.model.numpy_bert import _gelu, load_numpy_bert
from tests.conftest import VOCABULARY


def ids_and_mask() -> tuple[Any, Any]:
    ids = np.array([[2, 7, 9, 30, 3, 0, 0], [2, 8, 8, 11, 12, 13, 3], [2, 3, 0, 0, 0, 0, 0]])
    return ids, (ids != 0).astype(np.int64)


@torch.inference_mode()
def expected(directory: str) -> Any:
    ids, mask = map(torch.from_numpy, ids_and_mask())
    return AutoModel.from_pretrained(directory).eval()(ids, mask).last_hidden_state.numpy()


def test_states_are_those_of_transformers(tiny_bert: str) -> None:
    bert = load_numpy_bert(Path(tiny_bert))
    assert bert is not None and (bert.hidden_size, bert.positions) == (32, 160)
    ids, mask = ids_and_mask()
    found = bert(ids, mask)
    np.testing.assert_allclose(found[mask > 0], expected(tiny_bert)[mask > 0], atol=2e-6)


def test_states_of_real_weights(minilm: str) -> None:
    bert = load_numpy_bert(Path(minilm))
    assert bert is not None
    ids, mask = ids_and_mask()
    ids[mask > 0] += 2000
    with torch.inference_mode():
        model = AutoModel.from_pretrained(minilm).eval()
        states = model(torch.from_numpy(ids), torch.from_numpy(mask)).last_hidden_state.numpy()
    np.testing.assert_allclose(bert(ids, mask)[mask > 0], states[mask > 0], atol=1e-5)


def test_gelu() -> None:
    values = np.linspace(-12, 12, 100_001, dtype=np.float32)
    exact = values.astype(float) / 2 * (1 + erf(values.astype(float) / np.sqrt(2)))
    np.testing.assert_allclose(_gelu(values.copy()), exact, atol=1e-6)


def test_names_of_larger_and_older_models(tiny_bert: str, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "old")
    weights = load_file(tmp_path / "old" / "model.safetensors")
    renamed = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma"): value
        for name, value in weights.items()
    }
    save_file(renamed, tmp_path / "old" / "model.safetensors")
    bert = load_numpy_bert(tmp_path / "old")
    assert bert is not None
    ids, mask = ids_and_mask()
    np.testing.assert_allclose(bert(ids, mask)[mask > 0], expected(tiny_bert)[mask > 0], atol=2e-6)


@pytest.mark.parametrize("change", [{"hidden_act": "relu"}, {"model_type": "roberta"}])
def test_other_encoders_are_left_to_transformers(
    tiny_bert: str, tmp_path: Path, change: dict[str, str]
) -> None:
    shutil.copytree(tiny_bert, tmp_path / "other")
    path = tmp_path / "other" / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8"
    )
    assert load_numpy_bert(tmp_path / "other") is None


def test_other_numbers_and_damage_are_left_to_transformers(
    tiny_bert: str, tmp_path: Path, make_backbone: Callable[[PreTrainedConfig], str]
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_bert, folder)
    model = AutoModel.from_pretrained(tiny_bert).to(torch.bfloat16)
    model.save_pretrained(folder)
    assert load_numpy_bert(folder) is None
    (folder / "model.safetensors").write_bytes(b"no tensors")
    assert load_numpy_bert(folder) is None
    distil = make_backbone(DistilBertConfig(vocab_size=len(VOCABULARY), dim=32, n_heads=2))
    assert load_numpy_bert(Path(distil)) is None
    deep = make_backbone(BertConfig(vocab_size=len(VOCABULARY), num_hidden_layers=1))
    assert load_numpy_bert(Path(deep)) is not None


def _changed_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**fields, **values}), encoding="utf-8")


def _deep_config(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000, encoding="utf-8")


def _list_as_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def _list_of_weights(folder: Path) -> None:
    index = {"weight_map": ["model.safetensors"]}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _no_heads(folder: Path) -> None:
    _changed_config(folder, num_attention_heads=0)


def _more_positions(folder: Path) -> None:
    _changed_config(folder, max_position_embeddings=161)


def _another_size(folder: Path) -> None:
    _changed_config(folder, hidden_size=33)


def _narrow_layer(folder: Path) -> None:
    path = folder / "model.safetensors"
    name = "encoder.layer.1.output.dense.weight"
    weights = load_file(path)
    save_file({**weights, name: np.ascontiguousarray(weights[name][:, 1:])}, path)


@pytest.mark.parametrize(
    "damage",
    [
        _deep_config,
        _list_as_config,
        _list_of_weights,
        _no_heads,
        _more_positions,
        _another_size,
        _narrow_layer,
    ],
)
def test_files_that_do_not_fit_are_left_to_transformers(
    damage: Callable[[Path], None], tiny_bert: str, tmp_path: Path
) -> None:
    """Which then says in one line what is wrong."""
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_bert, folder)
    assert load_numpy_bert(folder) is not None
    damage(folder)
    assert load_numpy_bert(folder) is None

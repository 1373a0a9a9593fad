from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode import compute
from i3_pyserini.encode.auto_encoders import AutoDocumentEncoder
from i3_pyserini.encode.compute import check_possible, passage_function
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.errors import I3Error
from i3_pyserini.model.settings import EncoderSettings
from tests.pages import run_python

TEXTS = ["", "egg", "boil an egg in hot water " * 3, "hot water", "boil " * 300]
CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None,
    reason="OpenVINO is not installed (extra: openvino)",
)

needs_onnx = pytest.mark.skipif(find_spec("onnxscript") is None, reason="needs the extra onnx")


class Bag(nn.Module):
    """A bag of words: its result can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding.from_pretrained(torch.eye(4))
        self.linear = nn.Linear(4, 3)
        self.linear.weight.data = torch.tensor([[1.0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0.5, 0]])
        self.linear.bias.data = torch.tensor([0.0, 10, 0])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        words = self.words(input_ids) * attention_mask.unsqueeze(-1)
        output: Tensor = self.linear(words.sum(dim=1))
        return output


TELEMETRY = """\
import sys
from i3_pyserini.encode.compute import _import_openvino
_import_openvino()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, "openvino_telemetry" in sys.modules)
"""


@pytest.mark.slow
@needs_openvino
def test_openvino_sends_nothing() -> None:
    assert run_python(TELEMETRY).split() == ["openvino.tools.ovc.telemetry_stub", "False"]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "backend",
    [
        "torch",
        pytest.param("openvino", marks=needs_openvino),
        pytest.param("onnx", marks=needs_onnx),
    ],
)
def test_result_is_the_module_s(dtype: str, backend: str) -> None:
    if backend == "onnx" and dtype != "fp32":
        with pytest.raises(I3Error, match="computes in fp32"):
            passage_function(Bag(), CPU, dtype, backend)
        return
    run = passage_function(Bag(), CPU, dtype, backend)
    ids = np.array([[0, 1, 1], [2, 3, 3]])
    mask = np.array([[1, 1, 1], [1, 0, 0]])
    vectors = run(ids, mask)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[5, 12, 0], [0, 10, 0.5]])
    np.testing.assert_array_equal(run(ids[1:, :1], mask[1:, :1]), [[0, 10, 0.5]])


class FeedForward(nn.Module):
    """The first half of a feed-forward layer, as BERT has it."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(50, 24)
        self.dense = nn.Linear(24, 40)
        self.intermediate_act_fn = ACT2FN[activation]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.intermediate_act_fn(self.dense(self.words(input_ids)))
        return states.sum(dim=1)


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp32", 1e-5), ("bf16", 0.1)])
@pytest.mark.parametrize("activation", ["gelu", "gelu_python", "gelu_new", "relu"])
def test_an_activation_is_computed_once(activation: str, dtype: str, tolerance: float) -> None:
    """With the product or after it."""
    ids = np.random.default_rng(0).integers(0, 50, (7, 9))
    expected = FeedForward(activation)(torch.from_numpy(ids), None).detach().numpy()
    module = FeedForward(activation)
    found = passage_function(module, CPU, dtype)(ids, np.ones_like(ids))
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())
    packed = not isinstance(module.dense, nn.Linear)  # not without the instructions for bf16
    fused = packed and activation.startswith("gelu") and activation != "gelu_new"
    assert isinstance(module.intermediate_act_fn, nn.Identity) == fused


@pytest.fixture
def directory(tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path) -> str:
    save_model_directory(*tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(
    ("dtype", "backend", "tolerance"),
    [
        ("fp32", "torch", 1e-5),
        ("bf16", "torch", 5e-2),
        pytest.param("fp32", "openvino", 1e-5, marks=needs_openvino),
        pytest.param("bf16", "openvino", 5e-2, marks=needs_openvino),
    ],
)
def test_every_way_gives_the_model_s_vectors(
    tiny_model: tuple[I3Retriever, I3Tokenizer],
    directory: str,
    dtype: str,
    backend: str,
    tolerance: float,
) -> None:
    model, tokenizer = tiny_model
    expected = model.encode_passages(**tokenizer.passages(TEXTS, [None] * 5))["vectors"].numpy()
    encoder = I3DocumentEncoder(directory, "cpu", dtype=dtype, backend=backend)
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, expected, atol=tolerance)
    np.testing.assert_allclose(alone, expected, atol=tolerance)
    assert encoder.dimension == expected.shape[1]


@pytest.mark.slow
@needs_openvino
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_any_encoder_can_be_converted(tiny_bert: str, pooling: str) -> None:
    settings = EncoderSettings(pooling=pooling, normalize=True)
    ours = AutoDocumentEncoder(tiny_bert, "cpu", backend="openvino", settings=settings)
    other = AutoDocumentEncoder(tiny_bert, "cpu", settings=settings)
    np.testing.assert_allclose(ours.encode(TEXTS), other.encode(TEXTS), atol=1e-5)
    assert max(map(len, ours.ids(TEXTS))) == 160  # the model's positions, fewer than 256


def test_ids_are_those_of_the_tokenizer(
    tiny_model: tuple[I3Retriever, I3Tokenizer], directory: str
) -> None:
    _, tokenizer = tiny_model
    titles = ["eggs", None, "", "NA", "water"]
    batch = tokenizer.passages(TEXTS, titles)
    expected = [
        ids[mask.bool()].tolist()
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    assert I3DocumentEncoder(directory, "cpu").ids(TEXTS, titles) == expected


def test_what_a_device_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(I3Error, match="fp16 is for GPUs; on a CPU use --dtype bf16"):
        check_possible(CPU, "fp16", "torch")
    monkeypatch.setattr("i3_pyserini.encode.compute.find_spec", lambda name: None)
    with pytest.raises(I3Error, match="needs OpenVINO: pip install openvino"):
        check_possible(CPU, "fp32", "openvino")
    monkeypatch.setattr("i3_pyserini.encode.compute.find_spec", lambda name: "there")
    with pytest.raises(I3Error, match="is for CPUs, not for --device cuda"):
        check_possible(torch.device("cuda"), "fp32", "openvino")


def test_what_onnx_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i3_pyserini.model.onnx_session.find_spec", lambda name: None)
    with pytest.raises(I3Error, match=r"pip install 'i3-pyserini\[onnx\]'"):
        check_possible(CPU, "fp32", "onnx")
    monkeypatch.setattr("i3_pyserini.model.onnx_session.find_spec", lambda name: "there")
    with pytest.raises(I3Error, match="computes in fp32"):
        check_possible(CPU, "bf16", "onnx")
    with pytest.raises(I3Error, match="is for CPUs, not for --device cuda"):
        check_possible(torch.device("cuda"), "fp32", "onnx")


@needs_openvino
def test_model_that_cannot_be_converted_is_said() -> None:
    class Strange(nn.Module):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            values: Tensor = torch.linalg.eigvals(input_ids.float() @ input_ids.float().T)
            return values.abs()

    with pytest.raises(I3Error, match=r"OpenVINO .* model .*; use --backend torch"):
        passage_function(Strange(), CPU, "fp32", "openvino")


@pytest.mark.slow
@needs_openvino
def test_other_vectors_than_torch_s_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compute.FARTHEST, "fp32", -1.0)  # OpenVINO with several streams: at random
    with pytest.raises(I3Error, match="OpenVINO's vectors of this model are off by"):
        passage_function(Bag(), CPU, "fp32", "openvino")

"""What encoding does on a GPU; all but the last tests run its code on a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.encode.gpu import MOST_TOKENS, GpuFunction, fitting_tokens, tokens_for
from i3_pyserini.encode.parallel import IN_FLIGHT, in_parallel
from i3_pyserini.errors import I3Error

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


class Small(nn.Module):
    """A device with memory for so many ids; a vector is the sum of a text's ids, and its length."""

    def __init__(self, ids: int) -> None:
        super().__init__()
        self.most, self.sizes = ids, [0]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        if input_ids.numel() > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(len(input_ids))
        return torch.stack([(input_ids * attention_mask).sum(1), attention_mask.sum(1)], 1)


def batch(texts: int) -> tuple[Any, Any]:
    ids = np.arange(texts * 4, dtype=np.int64).reshape(texts, 4)
    mask = np.ones_like(ids)
    mask[1::2, 3:] = 0
    return ids, mask


@pytest.mark.parametrize(("most", "sizes"), [(100, [9]), (20, [4, 5]), (16, [4, 2, 3])])
def test_a_batch_that_does_not_fit_is_halved(
    most: int, sizes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    ids, mask = batch(9)
    small = Small(most)
    run = GpuFunction(small, CPU)
    found = run(ids, mask)
    np.testing.assert_array_equal(found, np.stack([(ids * mask).sum(1), mask.sum(1)], 1))
    assert found.dtype == np.float32
    assert small.sizes[1:] == sizes
    run(ids, mask)
    assert capsys.readouterr().err.count("note: cpu: not enough memory for 9 texts") == (most < 100)


def test_a_text_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(I3Error, match=r"^cpu: not enough memory for one text of 4 ids; "):
        GpuFunction(Small(3), CPU)(*batch(2))


def test_other_errors_are_not_memory() -> None:
    class Wrong(nn.Module):
        def forward(self, *_: Tensor) -> Tensor:
            raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side"):
        GpuFunction(Wrong(), CPU)(*batch(2))


def test_models_run_one_batch_at_a_time() -> None:
    class Alone(nn.Module):
        running = most = 0

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            self.running += 1
            self.most = max(self.most, self.running)
            torch.ones(200, 200) @ torch.ones(200, 200)
            self.running -= 1
            return input_ids.float()

    alone = Alone()
    run = GpuFunction(alone, CPU)
    found: dict[int, Any] = {}

    def encode(rows: list[int]) -> int:
        found[rows[0]] = run(np.array([rows]), np.ones((1, len(rows)), dtype=np.int64))
        return len(rows)

    assert list(in_parallel(encode, [[n, n + 1] for n in range(50)], IN_FLIGHT)) == [2] * 50
    assert alone.most == 1
    assert all(found[n].tolist() == [[n, n + 1]] for n in range(50))


@pytest.mark.parametrize(
    ("free", "each", "longest", "tokens"),
    [
        (80e9, 40_000, 256, MOST_TOKENS),
        (100e6, 40_000, 256, 2000),
        (1e6, 40_000, 256, 256),  # what does not fit then is halved
        (1e9, 0, 256, MOST_TOKENS),
    ],
)
def test_tokens_that_fit(free: float, each: float, longest: int, tokens: int) -> None:
    assert tokens_for(free, each, longest) == tokens


@torch.inference_mode()
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("interaction", ["none", "released", "paper"])
@pytest.mark.parametrize("start", ["original", "residual", "scaled"])
def test_all_parts_compute_in_half_precision(
    dtype: str, interaction: str, start: str, tiny_bert: str
) -> None:
    torch.manual_seed(0)
    model = I3Retriever.from_backbone(
        tiny_bert, interaction=interaction, interactor_init=start, normalize=True
    ).eval()
    for parameter in model.parameters():  # projections start at zero
        parameter.add_(torch.randn_like(parameter), alpha=0.02)
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    inputs = tokenizer.passages(["boil an egg", "photosynthesis", "water " * 30], [None] * 3)
    expected = model.encode_passages(**inputs).vectors
    half = model.to({"fp16": torch.float16, "bf16": torch.bfloat16}[dtype])
    found = half.encode_passages(**inputs).vectors
    assert expected is not None and found is not None
    assert found.dtype == torch.float32
    assert (found * expected).sum(-1).min() > (0.9999 if dtype == "fp16" else 0.995)


@needs_cuda
@pytest.mark.parametrize(("dtype", "apart"), [("fp32", 1e-4), ("fp16", 2e-2), ("bf16", 1e-1)])
def test_vectors_of_a_gpu_are_those_of_the_cpu(
    dtype: str, apart: float, tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    save_model_directory(*tiny_model, tmp_path / "model")
    name, texts = str(tmp_path / "model"), ["boil an egg", "photosynthesis", "water " * 30, ""]
    here = I3DocumentEncoder(name, "cpu")
    there = I3DocumentEncoder(name, "cuda:0", dtype=dtype)
    np.testing.assert_allclose(there.encode(texts), here.encode(texts), atol=apart)


@needs_cuda
def test_memory_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wide(nn.Module):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            wide = input_ids.unsqueeze(-1).float().expand(-1, -1, 2500).clone()  # 10,000 bytes each
            return wide.sum(dim=(1, 2)).unsqueeze(-1)

    device = torch.device("cuda:0")
    monkeypatch.setattr("i3_pyserini.encode.gpu.tokens_for", lambda free, each, longest: each)
    each = fitting_tokens(GpuFunction(Wide(), device), device, 64)
    assert each == pytest.approx(10_000, rel=0.3)

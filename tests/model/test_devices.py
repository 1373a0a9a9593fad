"""Devices: which is chosen, what it can compute, and what is said."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer, save_model_directory, threads
from i3_pyserini.encode.compute import check_possible
from i3_pyserini.encode.encoders import I3DocumentEncoder, I3QueryEncoder
from i3_pyserini.encode.index_encoder import quickest_device
from i3_pyserini.errors import I3Error
from i3_pyserini.model.devices import (
    computes_bf16,
    first_gpu,
    limit_torch,
    note_slow_bf16,
    torch_device,
)

CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_processor_that_onednn_sees_as_avx2_has_no_bf16() -> None:
    code = "import torch; from i3_pyserini.model.devices import computes_bf16 as c; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(c(torch.device('cpu')))"],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("dtype", "in_hardware", "said"),
    [("bf16", False, "note: cpu has no bf16"), ("bf16", True, ""), ("fp32", False, "")],
)
def test_slow_bf16_is_told(
    dtype: str,
    in_hardware: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("i3_pyserini.model.devices.computes_bf16", lambda device: in_hardware)
    note_slow_bf16(dtype, CPU)
    told = capsys.readouterr().err
    assert told.startswith(said) if said else told == ""


@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "expected"),
    [(False, False, False), (True, False, True), (False, True, True)],
)
def test_avx512_alone_is_not_bf16(
    avx512_bf16: bool, amx: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """oneDNN says yes for any AVX-512, and emulates bf16 there more slowly than fp32."""

    class OneDnn:
        @staticmethod
        def _is_mkldnn_bf16_supported() -> bool:
            return True

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.ops, "mkldnn", OneDnn, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert computes_bf16(CPU) is expected


def test_other_devices_are_not_guessed() -> None:
    assert not computes_bf16(torch.device("meta"))


def test_torch_that_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "cpus_by_affinity", lambda: 64)
    monkeypatch.setattr(threads, "_quotas", lambda process: [1.0])
    try:
        torch.set_num_threads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert limit_torch() == torch.get_num_threads() == 2
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert limit_torch() == torch.get_num_threads() == 1
        monkeypatch.setattr(threads, "_quotas", lambda process: [])
        assert limit_torch() == 1  # never more than before
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda:0"), (False, True, "mps"), (False, False, None)],
)
def test_the_first_gpu(
    cuda: bool, mps: bool, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert first_gpu() == expected
    monkeypatch.setattr("i3_pyserini.encode.index_encoder.may_have_gpu", lambda: True)
    assert quickest_device(None) == expected
    assert quickest_device("cpu") == "cpu"
    monkeypatch.setattr("i3_pyserini.encode.index_encoder.may_have_gpu", lambda: False)
    assert quickest_device(None) is None


def test_apples_gpu_has_no_note_about_bf16(capsys: pytest.CaptureFixture[str]) -> None:
    note_slow_bf16("bf16", torch.device("mps"))
    assert capsys.readouterr().err == ""


def test_a_precision_that_a_gpu_does_not_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TypeError("BFloat16 is not supported on MPS\nmore")

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(I3Error, match=r"^--dtype bf16 is not usable on mps \(BFloat16 .* MPS\); "):
        check_possible(torch.device("mps"), "bf16", "torch")


def test_apples_gpu_where_there_is_none() -> None:
    if torch.backends.mps.is_available():
        assert torch_device(None if first_gpu() == "mps" else "mps").type == "mps"
        return
    with pytest.raises(I3Error, match=r"^--device mps is not usable \(.*\); try --device cpu$"):
        torch_device("mps")


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs Apple's GPU (mps)")
@pytest.mark.parametrize(("dtype", "apart"), [("fp32", 1e-4), ("fp16", 2e-2)])
def test_vectors_of_apples_gpu_are_those_of_the_cpu(
    dtype: str, apart: float, tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    save_model_directory(*tiny_model, tmp_path / "model")
    name, texts = str(tmp_path / "model"), ["boil an egg", "photosynthesis", ""]
    here, there = I3DocumentEncoder(name, "cpu"), I3DocumentEncoder(name, "mps", dtype=dtype)
    found = there.encode(texts, ["eggs", None, "a"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, here.encode(texts, ["eggs", None, "a"]), atol=apart)
    asked = I3QueryEncoder(name, "mps", fp16=dtype == "fp16").encode_batch(texts[:2])
    np.testing.assert_allclose(
        asked, I3QueryEncoder(name, "cpu").encode_batch(texts[:2]), atol=apart
    )

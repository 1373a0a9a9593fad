"""Processors without bf16: what is chosen and what is said."""

import os
import subprocess
import sys

import pytest
import torch

from i3_pyserini import threads
from i3_pyserini.model.devices import computes_bf16, limit_torch, note_slow_bf16

CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_processor_that_onednn_sees_as_avx2_has_no_bf16() -> None:
    code = "import torch; from i3_pyserini.model.devices import computes_bf16 as c; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(c(torch.device('cpu')))"],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
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
    monkeypatch.setattr(threads, "_by_affinity", lambda: 64)
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

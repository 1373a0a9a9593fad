"""Processors without bf16: what is chosen and what is said."""

import os
import subprocess
import sys

import pytest
import torch

from i3_pyserini.model.precision import computes_bf16, note_slow_bf16

CPU = torch.device("cpu")


def test_a_processor_that_onednn_sees_as_avx2_has_no_bf16() -> None:
    code = "import torch; from i3_pyserini.model.precision import computes_bf16 as c; "
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
    monkeypatch.setattr("i3_pyserini.model.precision.computes_bf16", lambda device: in_hardware)
    note_slow_bf16(dtype, CPU)
    told = capsys.readouterr().err
    assert told.startswith(said) if said else told == ""


def test_other_devices_are_not_guessed() -> None:
    assert not computes_bf16(torch.device("meta"))

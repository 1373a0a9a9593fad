"""`benchmarks.gpu`, on a CPU and with tiny models."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu
from benchmarks.gpu import SECTIONS, TINY, Bench, run
from benchmarks.gpu_work import Device, Shape, model_of, passage_lengths, texts_of
from benchmarks.leaderboard import page
from benchmarks.record import load
from i3_pyserini.errors import I3Error

HERE = Device(torch.device("cpu"), 0.001)
ONE = replace(TINY, shapes={"BERT-base": Shape(1, 32, 2, 200)}, tokens=(256,))


def test_everything_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(HERE, ONE, 5, tmp_path / "gpu.json")
    record = load(tmp_path / "gpu.json")
    values = {figure.name: figure.value or 0 for figure in record.figures}
    assert "not measured" not in record.note + capsys.readouterr().out
    assert values["BERT-base, I³, fp32: least cosine to the CPU's fp32"] == 1
    assert 0.99 < values["BERT-base, I³, bf16: least cosine to the CPU's fp32"] < 1
    assert values["search, 500 vectors, fp32: hits of the CPU"] == 100
    for begin in ("BERT-base, plain, bf16, 128 ids: share", "search, 500 × 16, float16, 8 at once"):
        assert any(name.startswith(begin) and value > 0 for name, value in values.items())
    steps = [name for name in values if name.startswith("training step")]
    assert len(steps) == 4
    assert record.machine.processor and record.machine.processor.startswith("the CPU; ")


def test_nothing_is_begun_when_time_is_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(HERE, ONE, 0, tmp_path / "gpu.json")
    assert not (tmp_path / "gpu.json").exists()
    said = capsys.readouterr().out
    for what in ("the peak in fp32", "BERT-base, I³", "search, 500", "training step"):
        assert f"not measured: {what}" in said


def test_a_section_that_fails_is_named_and_the_next_one_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(bench: Bench) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 13.00 GiB\nmore")

    def training(bench: Bench) -> None:
        bench.add("a step", 1.0, "tokens/s", 0)

    monkeypatch.setattr(gpu, "SECTIONS", (search, training))
    run(HERE, ONE, 5, tmp_path / "gpu.json")
    record = load(tmp_path / "gpu.json")
    assert [figure.name for figure in record.figures] == ["a step"]
    assert "not measured: search (CUDA out of memory. Tried to allocate 13.00 GiB)" in record.note


def test_each_section_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(bench: Bench) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "SECTIONS", (SECTIONS[0], killed))
    with pytest.raises(KeyboardInterrupt):
        run(HERE, ONE, 5, tmp_path / "gpu.json")
    assert [figure.name for figure in load(tmp_path / "gpu.json").figures] == [
        "matrix products, fp32",
        "matrix products, bf16",
    ]


def test_operations_are_those_of_the_model() -> None:
    shape, length, texts = Shape(3, 32, 2, 200), 48, 5
    model = model_of(shape, "none")
    ids = torch.tensor(texts_of([length] * texts, shape))
    # Of attention, only plain products are counted on a CPU.
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model.encode_passages(ids, torch.ones_like(ids))
    assert counter.get_total_flops() == texts * shape.flops(length)


def test_lengths_are_those_of_the_collection() -> None:
    lengths = passage_lengths(20_000)
    assert sum(lengths) / len(lengths) == pytest.approx(83, abs=1)
    assert max(lengths) <= 256


def test_a_trial_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--tiny", "--record"])
    with pytest.raises(I3Error, match="omit --record"):
        gpu.main()


def test_the_page_says_that_it_is_not_run(tmp_path: Path) -> None:
    assert "## gpu\n\nencoding, search and training on a GPU\n\n**Not run**" in page({})
    run(HERE, ONE, 5, tmp_path / "gpu.json")
    assert "Not run" not in page({"gpu": load(tmp_path / "gpu.json")})

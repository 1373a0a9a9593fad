import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.trainer_utils import load_sharded_checkpoint

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.model.export import load_model_directory
from i3_pyserini.model.original import save_original

TinyModel = tuple[I3Retriever, I3Tokenizer]
QUERIES = ["how long to boil an egg", "", "eggs " * 100]


@pytest.fixture
def directory(tiny_model: TinyModel, tmp_path: Path) -> Path:
    save_model_directory(*tiny_model, tmp_path / "model")
    return tmp_path / "model"


def stock_query_vectors(folder: Path) -> np.ndarray[Any, Any]:
    """Query vectors by the steps of stock Pyserini's AutoQueryEncoder (1.6.0, _auto.py)."""
    encoder = AutoModel.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, clean_up_tokenization_spaces=True)
    vectors = []
    for query in QUERIES:
        inputs = tokenizer(
            query,
            add_special_tokens=True,
            return_tensors="pt",
            padding="longest",
            return_token_type_ids=False,
            truncation=True,
        )
        vectors.append(encoder(**inputs)[0].detach().numpy()[:, 0, :].flatten())
    return np.stack(vectors)


@torch.no_grad()
def test_stock_encoder_gives_our_query_vectors(tiny_model: TinyModel, directory: Path) -> None:
    model, tokenizer = tiny_model
    ours = torch.stack([model.encode_queries(**tokenizer.queries([query]))[0] for query in QUERIES])
    np.testing.assert_allclose(
        stock_query_vectors(directory / "query_encoder"), ours.numpy(), atol=1e-6
    )


def test_round_trip_is_bit_for_bit(tiny_model: TinyModel, directory: Path) -> None:
    model, tokenizer = load_model_directory(directory)
    for name, weight in tiny_model[0].state_dict().items():
        assert torch.equal(weight, model.state_dict()[name])
    save_model_directory(model, tokenizer, directory.with_name("again"))
    files = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    for file in files:
        assert (directory / file).read_bytes() == (directory.with_name("again") / file).read_bytes()


def test_plain_from_pretrained_and_trainer_read_it(tiny_model: TinyModel, directory: Path) -> None:
    loaded = I3Retriever.from_pretrained(directory)
    for name, weight in tiny_model[0].state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name])
    report = load_sharded_checkpoint(loaded, str(directory))
    assert not report.missing_keys
    assert not report.unexpected_keys


def test_weights_are_on_disk_once(tiny_model: TinyModel, directory: Path) -> None:
    weights = sum(value.numel() * 4 for value in tiny_model[0].state_dict().values())
    on_disk = sum(path.stat().st_size for path in directory.rglob("*.safetensors"))
    pooler = 4 * (32 * 32 + 32)
    headers = 30_000
    assert weights < on_disk < weights + pooler + headers


@pytest.mark.slow
def test_stock_loading_is_silent(directory: Path) -> None:
    """No report of missing or unexpected weights in the logs of stock tools."""
    folder = str(directory / "query_encoder")
    code = f"import transformers; transformers.AutoModel.from_pretrained({folder!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    for word in ("MISSING", "UNEXPECTED", "newly initialized", "pooler"):
        assert word not in done.stdout + done.stderr


def test_tokenizers_carry_their_lengths(directory: Path) -> None:
    assert AutoTokenizer.from_pretrained(directory / "query_encoder").model_max_length == 32
    assert I3Tokenizer.from_pretrained(directory).tokenizer.model_max_length == 140


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, "--encoder-class auto"),
        ({"pooling": "mean", "normalize": True}, "--encoder-class auto --pooling mean --l2-norm"),
        ({"query_prefix": "query:"}, "--encoder-class auto --query-prefix query:"),
    ],
)
def test_stock_flags(tiny_bert: str, settings: dict[str, Any], flags: str) -> None:
    assert I3Retriever.from_backbone(tiny_bert, **settings).config.settings().stock_flags() == flags


def test_existing_directory_is_kept_unless_told(tiny_model: TinyModel, directory: Path) -> None:
    with pytest.raises(I3Error, match="exists and is not empty; choose another name"):
        save_model_directory(*tiny_model, directory)
    (directory / "query_encoder" / "old.txt").write_text("of the model before", encoding="utf-8")
    save_model_directory(*tiny_model, directory, overwrite=True)
    assert not (directory / "query_encoder" / "old.txt").exists()
    assert [path.name for path in directory.parent.iterdir()] == ["model"]


def test_only_a_model_directory_is_overwritten(tiny_model: TinyModel, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(I3Error, match="is not a model directory"):
        save_model_directory(*tiny_model, tmp_path / "thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_nothing_is_left_of_a_failed_write(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("i3_pyserini.model.export.save_file", disk_full)
    with pytest.raises(I3Error, match=r"model: cannot be written \(No space left on device\)"):
        save_model_directory(*tiny_model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_real_full_disk(tiny_model: TinyModel, tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk."""
    resource = pytest.importorskip("resource")
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(I3Error, match="model: cannot be written"):
            save_model_directory(*tiny_model, tmp_path / "model")
        with pytest.raises(I3Error, match=r"back\.p: cannot be written"):
            save_original(tiny_model[0], tmp_path / "back.p")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_way(tiny_model: TinyModel, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("", encoding="utf-8")
    with pytest.raises(I3Error, match="is a file"):
        save_model_directory(*tiny_model, tmp_path / "model")
    with pytest.raises(I3Error, match="cannot be written"):
        save_model_directory(*tiny_model, tmp_path / "model" / "inside")


def test_damaged_directories(directory: Path, tiny_bert: str) -> None:
    with pytest.raises(I3Error, match="not an I³ model but of type 'bert'"):
        load_model_directory(tiny_bert)
    with pytest.raises(I3Error, match="no such directory"):
        load_model_directory(directory / "nowhere")
    weights = directory / "model-passages.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(I3Error, match="weights cannot be read"):
        load_model_directory(directory)
    weights.unlink()
    with pytest.raises(I3Error, match="weights cannot be read"):
        load_model_directory(directory)
    weights.write_bytes(content)
    index = directory / "model.safetensors.index.json"
    trimmed = json.loads(index.read_text(encoding="utf-8"))
    trimmed["weight_map"] = {
        name: file for name, file in trimmed["weight_map"].items() if file != weights.name
    }
    index.write_text(json.dumps(trimmed), encoding="utf-8")
    with pytest.raises(I3Error, match=r"missing weights: interactor\.layers\.0"):
        load_model_directory(directory)
    for file in directory.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(I3Error, match="no tokenizer"):
        I3Tokenizer.from_pretrained(directory)

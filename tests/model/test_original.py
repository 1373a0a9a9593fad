"""Wrong and hostile `.p` files. (What right ones give is in tests/parity.)"""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer
from i3_pyserini.model.original import from_original, original_name, save_original, to_original
from tests.conftest import tiny_bert_config

TinyModel = tuple[I3Retriever, I3Tokenizer]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("was-run",))


@pytest.fixture
def tensors(tiny_model: TinyModel) -> dict[str, Tensor]:
    return dict(to_original(tiny_model[0]))


def convert(content: object, tmp_path: Path, backbone: str) -> TinyModel:
    torch.save(content, tmp_path / "file.p")
    return from_original(tmp_path / "file.p", backbone)


def test_ddp_prefix_and_pooler_are_dropped(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    given = {f"module.{name}": value for name, value in tensors.items()}
    given["module.lm_q.pooler.dense.weight"] = torch.zeros(32, 32)
    model, _ = convert(given, tmp_path, tiny_bert)
    for name, value in to_original(model).items():
        assert torch.equal(value, tensors[name])


def test_every_missing_and_unexpected_key_is_listed(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    del tensors["c_head.0.output.dense.bias"], tensors["cls.predictions.bias"]
    tensors["lm_x.weight"] = torch.zeros(1)
    with pytest.raises(I3Error) as error:
        convert(tensors, tmp_path, tiny_bert)
    for said in (
        "missing c_head.0.output.dense.bias",
        "missing cls.predictions.bias",
        "unexpected lm_x.weight",
        "file.p",
    ):
        assert said in str(error.value)


def test_decoder_without_its_head(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    given = {name: value for name, value in tensors.items() if not name.startswith("cls.")}
    with pytest.raises(I3Error, match=r"missing cls\.predictions\.bias; missing cls\.pred"):
        convert(given, tmp_path, tiny_bert)


def test_shapes_and_biases_are_checked(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    name = "d_head.0.intermediate.dense.weight"
    with pytest.raises(I3Error, match=r"has shape \[65, 32\], not \[64, 32\]"):
        convert({**tensors, name: torch.zeros(65, 32)}, tmp_path, tiny_bert)
    other = {**tensors, "cls.predictions.bias": tensors["cls.predictions.bias"] + 1}
    with pytest.raises(I3Error, match="differ"):
        convert(other, tmp_path, tiny_bert)


@pytest.mark.parametrize("shape", [(), (3,), (3, 2, 1)])
def test_weights_that_are_no_matrix(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    name = "lm_p.embeddings.word_embeddings.weight"
    with pytest.raises(I3Error, match="lm_p's word weights have shape"):
        convert({**tensors, name: torch.zeros(shape)}, tmp_path, tiny_bert)


def test_whole_numbers_are_no_weights(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    name = "lm_q.embeddings.LayerNorm.bias"
    with pytest.raises(I3Error, match=rf"{name} has numbers of torch\.int64"):
        convert({**tensors, name: tensors[name].long()}, tmp_path, tiny_bert)


def test_two_tensors_of_one_name(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path
) -> None:
    """One of them would be lost."""
    name = "lm_q.embeddings.LayerNorm.bias"
    with pytest.raises(I3Error, match=f"two tensors are called {name}"):
        convert({**tensors, f"module.{name}": tensors[name] + 1}, tmp_path, tiny_bert)


def test_backbone_of_other_sizes_is_named(
    tensors: dict[str, Tensor], make_backbone: Any, tmp_path: Path
) -> None:
    config = tiny_bert_config()
    config.hidden_size, config.num_hidden_layers = 16, 3
    with pytest.raises(I3Error, match=r"hidden size 32 against 16, layers 2 against 3"):
        convert(tensors, tmp_path, make_backbone(config))


def test_not_an_i3_checkpoint(tiny_bert: str, tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"no BERT under lm_p\.\* \(it begins with some\.weight\)"):
        convert({"some.weight": torch.zeros(1)}, tmp_path, tiny_bert)
    with pytest.raises(I3Error, match="contains a list"):
        convert([1, 2], tmp_path, tiny_bert)
    with pytest.raises(I3Error, match="not tensors: epoch"):
        convert({"epoch": 3, "model": torch.zeros(1)}, tmp_path, tiny_bert)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated(
    tensors: dict[str, Tensor], tiny_bert: str, tmp_path: Path, share: float
) -> None:
    torch.save(tensors, tmp_path / "file.p")
    content = (tmp_path / "file.p").read_bytes()
    (tmp_path / "file.p").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(I3Error, match="truncated, or not a PyTorch checkpoint"):
        from_original(tmp_path / "file.p", tiny_bert)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\x03\x04nonsense", b"\x80\x02nonsense"])
def test_other_files(tiny_bert: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.p").write_bytes(content)
    with pytest.raises(I3Error, match=r"not a PyTorch checkpoint|more than plain tensors"):
        from_original(tmp_path / "file.p", tiny_bert)
    with pytest.raises(I3Error, match="no such file"):
        from_original(tmp_path / "other.p", tiny_bert)


@pytest.mark.parametrize("protocol", [None, 2, 4])
def test_code_is_refused_and_not_run(
    tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if protocol is None:
        torch.save({"lm_p": Evil()}, "file.p")
    else:
        Path("file.p").write_bytes(pickle.dumps({"lm_p": Evil()}, protocol))
    with pytest.raises(I3Error, match=r"file\.p: refused: it contains more than plain") as error:
        from_original(Path("file.p"), tiny_bert)
    assert protocol == 4 or "posix.mkdir" in str(error.value)  # PyTorch does not read so far in 4
    assert "\n" not in str(error.value)
    assert not Path("was-run").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"interaction": "paper"},
        {"query_prefix": "query:"},
        {"missing_value": "-"},
        {"pooling": "mean"},
        {"interactor_init": "residual"},
        {"pseudo_query_positions": "learned"},
        {"tie_encoders": True},
    ],
)
def test_models_that_the_original_cannot_load(
    tiny_bert: str, tmp_path: Path, settings: dict[str, str]
) -> None:
    model = I3Retriever.from_backbone(tiny_bert, **settings)
    with pytest.raises(I3Error, match="the original does not support this model"):
        save_original(model, tmp_path / "back.p")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_unless_told(tiny_model: TinyModel, tmp_path: Path) -> None:
    (tmp_path / "back.p").write_text("mine", encoding="utf-8")
    with pytest.raises(I3Error, match="exists; choose another name"):
        save_original(tiny_model[0], tmp_path / "back.p")
    save_original(tiny_model[0], tmp_path / "back.p", overwrite=True)
    assert torch.load(tmp_path / "back.p", weights_only=True)


def test_names_are_one_to_one(tiny_model: TinyModel) -> None:
    names = list(tiny_model[0].state_dict())
    assert len({original_name(name) for name in names}) == len(names)
    with pytest.raises(I3Error, match="no tensor for"):
        original_name("something.else")

"""Readers of models: `.p` files, safetensors, tokenizers, and what a folder declares."""

import io
import json
import pickle
import struct
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_tensors
from transformers import BertConfig, BertModel

from i3_pyserini import I3Retriever
from i3_pyserini.errors import I3Error
from i3_pyserini.model.config import I3Config, load_i3_config
from i3_pyserini.model.exported import RECORD, read_export, settings_of_export
from i3_pyserini.model.numpy_bert import load_numpy_bert
from i3_pyserini.model.original import check_fit, load_original, read_checkpoint, to_original
from i3_pyserini.model.pooling import read_dense
from i3_pyserini.model.settings import DenseLayer
from i3_pyserini.model.torch_files import read_torch_file
from tests.fuzz.target import Target, fixed
from tests.fuzz.vectors import in_safetensors, of_safetensors

SIZE = 4  # of vectors
LONGEST = 1 << 12  # numbers in a tensor
RAN = "was-run"


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


class Evil:
    """Makes a folder where it is unpickled, which is seen."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.mkdir, (f"/tmp/{RAN}",)  # noqa: S108  (it must not be made)


def saved(content: object, **options: Any) -> bytes:
    """As PyTorch saves."""
    target = io.BytesIO()
    torch.save(content, target, **options)
    return target.getvalue()


def _checkpoint(path: Path) -> object:
    """Tensors, every one of the file under a name of its own."""
    before, found = read_torch_file(path), read_checkpoint(path)
    assert len(found) == len(before), f"{len(found)} tensors of {len(before)}"
    assert all(isinstance(one, torch.Tensor) for one in found.values()), "no tensors"
    return list(found)


def in_zip(pickled: bytes) -> bytes:
    """A file of PyTorch with this pickle, and data of one storage."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", bytes(16))
        archive.writestr("archive/data/1", bytes(16))
        archive.writestr("archive/version", b"3\n")
    return target.getvalue()


def of_zip(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        return archive.read(name)


def _pickles() -> list[bytes]:
    tensors = {"module.a": torch.zeros(4), "b": torch.zeros(2, dtype=torch.int64)}
    return [of_zip(saved(tensors))]


def _wrong_pickles() -> list[bytes]:
    return [pickle.dumps({"a": Evil()}, 2), pickle.dumps({"a": 1}, 2), pickle.dumps([], 2), b""]


@cache
def _config() -> BertConfig:
    return BertConfig(
        vocab_size=7,
        hidden_size=SIZE,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=SIZE,
        max_position_embeddings=5,
        type_vocab_size=1,
    )


@cache
def _model() -> I3Retriever:
    """A model as the original's, whose weights are overwritten by each input."""
    torch.manual_seed(1)
    settings: dict[str, Any] = {"cls_token_id": 1, "sep_token_id": 2, "mask_token_id": 3}
    settings |= {"query_length": 5, "passage_length": 5, "interaction": "none"}
    settings |= {"pseudo_query_length": 5, "training_pseudo_query_length": 3}
    return I3Retriever(I3Config(encoder_config=_config(), **settings))


def in_tensors(content: bytes) -> bytes:
    """A `.p` file of lines `NAME TYPE SIZE …`: a tensor of ones each."""
    tensors: dict[str, torch.Tensor] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        name, _, rest = line.strip().partition(" ")
        kind, *sizes = rest.split() or ["float32"]
        shape = [int(size) % 9 for size in sizes if size.isascii() and size.isdecimal()][:4]
        dtype = getattr(torch, kind, None)
        if name and isinstance(dtype, torch.dtype) and dtype.itemsize <= 8:
            tensors[name] = torch.zeros(shape).to(dtype)
    return saved(tensors)


def _as_lines(tensors: dict[str, torch.Tensor]) -> bytes:
    lines = (
        f"{name} {str(one.dtype).removeprefix('torch.')} {' '.join(map(str, one.shape))}\n"
        for name, one in tensors.items()
    )
    return "".join(lines).encode()


def _release(path: Path) -> object:
    """A release is loaded whole and strictly, or names what does not fit."""
    tensors = read_checkpoint(path)
    check_fit(path, tensors, "bert", _config())
    load_original(_model(), tensors, path)
    own = to_original(_model())
    assert own.keys() <= tensors.keys() | {name for name in own if "position_ids" in name}, "names"
    for name, value in tensors.items():
        if name in own and "position_ids" not in name:
            assert torch.equal(own[name].float(), value.float()), f"{name} was not loaded"
            assert value.dtype.is_floating_point, f"{name} {value.dtype}"
    return list(tensors)


def _releases() -> list[bytes]:
    tensors = dict(to_original(_model()))
    wrapped = {f"module.{name}": value for name, value in tensors.items()}
    return [_as_lines(tensors), _as_lines(wrapped)]


def _wrong_releases() -> list[bytes]:
    whole = _releases()[0]
    lines = whole.splitlines(keepends=True)
    words = b"lm_p.embeddings.word_embeddings.weight"
    return [
        b"".join(lines[1:]),
        whole + b"lm_q.more float32 1\n",
        whole + b"module.lm_q.embeddings.word_embeddings.weight float32 7 4\n",
        whole.replace(words + b" float32 7 4", words + b" float32"),
        whole.replace(words + b" float32 7 4", words + b" float32 7"),
        whole.replace(words + b" float32 7 4", words + b" int64 7 4"),
        b"a float32 1\n",
        b"",
    ]


@cache
def _bert() -> tuple[bytes, bytes]:
    """The files of a tiny BERT: its configuration and its weights."""
    torch.manual_seed(1)
    model = BertModel(_config(), add_pooling_layer=False)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = Path(folder)
        return (path / "config.json").read_bytes(), (path / "model.safetensors").read_bytes()


def _numpy_bert(path: Path) -> object:
    """A header and weights: an encoder whose vectors are numbers, or none."""
    (path.parent / "config.json").write_bytes(_bert()[0])
    return _numbers(path)


def _numbers(path: Path) -> object:
    found = load_numpy_bert(path.parent)
    if found is None:
        raise I3Error(f"{path}: for transformers")
    ids = np.zeros((1, min(found.positions, 9)), dtype=np.int64)
    with np.errstate(all="ignore"):
        vectors = found(ids, np.ones_like(ids))
    assert vectors.shape == (*ids.shape, found.hidden_size), vectors.shape
    return vectors


def _other_sizes() -> list[bytes]:
    """Configurations that are not those of the weights."""
    fields = json.loads(_bert()[0])
    names = ("hidden_size", "max_position_embeddings", "num_hidden_layers")
    changes = [{name: fields[name] + 1} for name in names]
    changes += [{"num_attention_heads": 0}, {"model_type": "other"}, {"hidden_act": "relu"}]
    return [json.dumps({**fields, **change}).encode() for change in changes]


def _numpy_config(path: Path) -> object:
    (path.parent / "model.safetensors").write_bytes(_bert()[1])
    return _numbers(path)


def _weight_map(path: Path) -> object:
    """An index of weights names files of its folder only."""
    (path.parent / "config.json").write_bytes(_bert()[0])
    (path.parent / "model.safetensors").write_bytes(_bert()[1])
    below = path.parent / "below"
    below.mkdir()
    (below / "model.safetensors").write_bytes(_bert()[1])
    found = _numbers(path)
    named = json.loads(path.read_bytes())["weight_map"].values()
    assert set(named) == {"model.safetensors"}, f"weights of {set(named)}"
    return found


def _dense(path: Path) -> object:
    layer = DenseLayer("2_Dense", 2, 2, True, "torch.nn.modules.activation.Tanh", False)
    folder = path.parent / "2_Dense"
    folder.mkdir()
    path.rename(folder / path.name)
    found = read_dense([layer], str(path.parent))
    (own,) = found
    assert all(one.dtype.is_floating_point for one in own.state_dict().values())
    return found


def _dense_files() -> list[bytes]:
    tensors = {"linear.weight": torch.ones(2, 2), "linear.bias": torch.zeros(2)}
    return [of_safetensors(save_tensors(tensors))]


def _wrong_dense() -> list[bytes]:
    found = [{"linear.weight": torch.ones(2, 2)}, {"linear.weight": torch.ones(3, 2)}]
    return [of_safetensors(save_tensors(tensors)) for tensors in found]


def _i3_config(path: Path) -> object:
    found = load_i3_config(str(path.parent))
    found.settings()
    own = json.loads(path.read_bytes())
    for name in ("pooling", "normalize", "query_length", "interaction", "passage_template"):
        assert own.get(name) in (None, getattr(found, name)), name
    return found.dimension


def _i3_configs() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _model().config.save_pretrained(folder)
        return [(Path(folder) / "config.json").read_bytes()]


def _export(path: Path) -> object:
    record = read_export(path.parent)
    assert record.kind in ("i3", "auto") and record.dimension > 0, record
    return settings_of_export(record)


# Fields of a configuration that transformers refuses, each in its own way.
WRONG: list[dict[str, object]] = [
    {"pooling": "x"},
    {"dtype": "float3"},
    {"id2label": 1},
    {"id2label": {"a": "b"}},
    {"encoder_config": {"model_type": "bert", "layer_norm_eps": None}},
]
TARGETS = [
    Target(
        "checkpoint",
        "model.p",
        _checkpoint,
        lambda: [saved({"module.a": torch.ones(2), "b": torch.zeros(1, dtype=torch.int64)})],
        lambda: [
            saved({"weight": Evil()}),
            saved({"weight": Evil()}, _use_new_zipfile_serialization=False),
            pickle.dumps({"a": Evil()}, 2),
            saved({"a": 1}),
            saved({"module.a": torch.ones(1), "a": torch.ones(1)}),
            b"PK",
        ],
    ),
    Target("checkpoint-pickle", "model.p", _checkpoint, _pickles, _wrong_pickles, in_zip),
    Target("release", "model.p", _release, _releases, _wrong_releases, in_tensors),
    Target(
        "safetensors-header",
        "model.safetensors",
        _numpy_bert,
        lambda: [of_safetensors(_bert()[1])],
        fixed(b"{}", struct.pack("<Q", 1 << 40)),
        in_safetensors,
    ),
    Target(
        "numpy-config",
        "config.json",
        _numpy_config,
        lambda: [_bert()[0]],
        lambda: [b"[]", b"[" * 9999, *_other_sizes()],
    ),
    Target(
        "weight-map",
        "model.safetensors.index.json",
        _weight_map,
        lambda: [_json(weight_map={"a": "model.safetensors"})],
        fixed(
            _json(weight_map={"a": "below/model.safetensors"}),
            _json(weight_map=["a"]),
            b"[]",
        ),
    ),
    Target("dense", "model.safetensors", _dense, _dense_files, _wrong_dense, in_safetensors),
    Target(
        "i3-config",
        "config.json",
        _i3_config,
        _i3_configs,
        fixed(
            *(b"{}", b"[]", b'"2"', b"1", b"[" * 100_000),
            *(_json(model_type="i3", **more) for more in WRONG),
        ),
    ),
    Target(
        "export-record",
        RECORD,
        _export,
        lambda: [_json(**{"class": "auto", "dimension": 3, "settings": {}})],
        fixed(b"{}", _json(**{"class": "x", "dimension": 3}), _json(dimension=0)),
    ),
]

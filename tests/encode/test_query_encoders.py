import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import DistilBertConfig, PreTrainedConfig

from i3_pyserini.encode.encoders import I3QueryEncoder
from i3_pyserini.encode.flags import QueryFlags
from i3_pyserini.encode.index_encoder import encoder_for
from i3_pyserini.encode.query_encoders import (
    NumpyQueryEncoder,
    TransformersQueryEncoder,
    kind_of,
    load_query_encoder,
    note_cut,
)
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.index import EncoderRecord
from i3_pyserini.model.config import I3Config
from i3_pyserini.model.settings import EncoderSettings
from i3_pyserini.model.words import load_words
from tests.conftest import VOCABULARY
from tests.model.odd_tokenizers import KINDS, Kind, make_odd_model
from tests.model.odd_tokenizers import TEXTS as ODD_TEXTS

TEXTS = [
    "how long to boil an egg",
    "",
    "Photosynthesis [SEP] light?",
    "eggs " * 100,
    "ÉGGS 水",
    "a",
]


def test_i3_queries_are_those_of_the_model(place: Path) -> None:
    model = str(place / "model")
    expected = I3QueryEncoder(model, "cpu").encode_batch(TEXTS)
    for name in (model, f"{model}/query_encoder"):
        encoder = load_query_encoder(name)
        assert isinstance(encoder, NumpyQueryEncoder)
        assert encoder.name == model
        np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)
    torch = load_query_encoder(model, device="cpu:0")
    assert isinstance(torch, TransformersQueryEncoder)
    np.testing.assert_allclose(torch.encode(TEXTS), expected, atol=1e-5)
    assert encoder.cut == torch.cut == 1


@pytest.mark.parametrize("device", [None, "cpu:0"])
def test_queries_that_are_cut_are_counted(
    minilm: str, device: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = load_query_encoder(minilm, device=device, settings=EncoderSettings(query_length=5))
    encoder.encode(["a b", "a b c", "a b c d", "a b c d e"])
    note_cut(encoder, 4)
    assert "2 of 4 queries are truncated to 5 ids" in capsys.readouterr().err
    encoder.encode(["a b"])
    note_cut(encoder, 1)
    assert not capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        EncoderSettings(),
        EncoderSettings("mean", True),
        EncoderSettings("mean", query_prompt="what is ", query_length=9),
    ],
)
def test_numpy_and_transformers_agree(minilm: str, settings: EncoderSettings) -> None:
    light = load_query_encoder(minilm, settings=settings)
    full = load_query_encoder(minilm, device="cpu:0", settings=settings)
    assert isinstance(light, NumpyQueryEncoder) and isinstance(full, TransformersQueryEncoder)
    texts = [*TEXTS, *(f"query number {n} about {'words ' * (n % 7)}" for n in range(100))]
    np.testing.assert_allclose(light.encode(texts), full.encode(texts), atol=1e-5)


def test_settings_of_a_configuration(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "model", tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    changes = {"query_length": 6, "query_prefix": "what is", "pooling": "mean", "normalize": True}
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8"
    )
    found = load_query_encoder(str(tmp_path / "model")).encode(TEXTS)
    expected = I3QueryEncoder(str(tmp_path / "model"), "cpu").encode_batch(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    plain = load_query_encoder(str(place / "model")).encode(TEXTS)
    assert np.abs(plain - found).max() > 0.01


def test_defaults_are_those_of_the_model() -> None:
    config = I3Config(encoder_config={"model_type": "bert"})
    assert EncoderSettings.of_i3({}) == config.settings()


def test_other_architectures_go_through_transformers(
    make_backbone: Callable[[PreTrainedConfig], str],
) -> None:
    name = make_backbone(
        DistilBertConfig(vocab_size=len(VOCABULARY), dim=32, n_heads=4, n_layers=1, hidden_dim=64)
    )
    encoder = load_query_encoder(name)
    assert isinstance(encoder, TransformersQueryEncoder)
    assert encoder.encode(TEXTS).shape == (len(TEXTS), 32)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_routes_have_one_tokenizer(kind: Kind, tmp_path: Path) -> None:
    model = make_odd_model(kind, tmp_path / "odd")
    settings = EncoderSettings("mean", True)
    light = load_query_encoder(model, settings=settings)
    full = load_query_encoder(model, device="cpu:0", settings=settings)
    assert isinstance(light, NumpyQueryEncoder) == (kind.model == "bert")
    assert isinstance(full, TransformersQueryEncoder)
    np.testing.assert_allclose(light.encode(ODD_TEXTS), full.encode(ODD_TEXTS), atol=1e-5)


def test_a_token_without_an_embedding_is_left_to_transformers(tmp_path: Path) -> None:
    declared = {"added_tokens_decoder": {"999": {"content": "[NEW]", "special": True}}}
    model = make_odd_model(Kind(config=declared), tmp_path / "odd")
    assert isinstance(load_query_encoder(model), TransformersQueryEncoder)


@pytest.mark.parametrize(
    ("named", "made_by", "flag", "kind"),
    [
        ("some/model", "i3", None, "i3"),
        ("some/model", "auto", None, "auto"),
        ("some/model", "i3", "auto", "auto"),
        ("another/model", "i3", None, "auto"),
        ("some/model", None, None, "auto"),
    ],
)
def test_the_manifest_says_of_which_kind_its_model_is(
    monkeypatch: pytest.MonkeyPatch, named: str, made_by: str | None, flag: Any, kind: str
) -> None:
    asked: list[Any] = []

    def load(*words: Any) -> None:
        asked.extend(words)
        raise I3Error("not loaded")

    monkeypatch.setattr("i3_pyserini.encode.index_encoder.load_query_encoder", load)
    with pytest.raises(I3Error, match="not loaded"):
        encoder_for(
            EncoderRecord(name="some/model", kind=made_by, **EncoderSettings().as_manifest()),
            "index",
            QueryFlags(named, flag),
        )
    assert asked[:2] == [named, kind]


def test_names_that_are_nothing(place: Path, tmp_path: Path) -> None:
    assert kind_of(str(place / "model")) == "i3"
    for name in ("./absent", str(tmp_path / "absent"), "a/b/c"):
        with pytest.raises(I3Error, match="no such directory"):
            load_query_encoder(name)
    with pytest.raises(I3Error, match="not an I³ model directory"):
        load_query_encoder(str(place), "i3")


def test_a_damaged_configuration_is_no_other_kind_of_model(place: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(place / "model", model)
    config = model / "config.json"
    for content in ("", '{"model_type": "i3"', "[]"):
        config.write_text(content, encoding="utf-8")
        for read in (kind_of, load_query_encoder, load_words):
            with pytest.raises(I3Error, match=r"config\.json: cannot be read"):
                read(str(model))


def test_starting_needs_no_torch(place: Path) -> None:
    code = (
        "import sys; from i3_pyserini.encode.query_encoders import load_query_encoder\n"
        f"load_query_encoder({str(place / 'model')!r}).encode(['eggs'])\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'pyserini') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "[]"

"""Backbones that a retriever is made of, and those that cannot serve."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
    T5Config,
)

from i3_pyserini import I3Error, I3Retriever, I3Tokenizer, save_model_directory
from i3_pyserini.model.export import load_model_directory
from tests.conftest import VOCABULARY, tiny_bert_config
from tests.model.backbones import FAMILIES, MakeBackbone, vectors


def test_backbone_saved_as_a_masked_language_model(
    tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    masked = BertForMaskedLM(tiny_bert_config())
    masked.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    model = I3Retriever.from_backbone(str(tmp_path))
    for name, weight in masked.bert.state_dict().items():
        for encoder in (model.query_encoder, model.passage_encoder):
            assert torch.equal(encoder.state_dict()[name], weight)


def test_too_long_for_the_backbone(tiny_bert: str, make_backbone: MakeBackbone) -> None:
    with pytest.raises(I3Error, match="passage_length is 200, but the backbone has only 160"):
        I3Retriever.from_backbone(tiny_bert, passage_length=200)
    roberta = make_backbone(FAMILIES["roberta"])  # positions start behind the padding id
    with pytest.raises(I3Error, match="has only 511 positions"):
        I3Retriever.from_backbone(roberta, passage_length=512)


def test_backbones_that_cannot_serve(
    make_backbone: MakeBackbone, tiny_bert: str, tmp_path: Path
) -> None:
    t5 = make_backbone(T5Config(d_model=32, num_heads=4, num_layers=1, vocab_size=len(VOCABULARY)))
    with pytest.raises(I3Error, match="type 't5' has an encoder and a decoder"):
        I3Retriever.from_backbone(t5)
    with pytest.raises(I3Error, match="no such directory"):
        I3Retriever.from_backbone(str(tmp_path / "nowhere"))
    with pytest.raises(I3Error, match="is a file; "):
        I3Retriever.from_backbone(f"{tiny_bert}/config.json")


def test_backbone_with_missing_weights(tiny_bert: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in Path(tiny_bert).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(I3Error, match=r"weights are missing: encoder\.layer\.1\.output\.dense"):
        I3Retriever.from_backbone(str(tmp_path))


def test_backbone_without_tokenizer(tiny_bert: str, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((Path(tiny_bert) / name).read_bytes())
    with pytest.raises(I3Error, match="no tokenizer"):
        I3Retriever.from_backbone(str(tmp_path))


def test_tokenizer_of_another_backbone(tiny_bert: str, tmp_path: Path) -> None:
    for file in Path(tiny_bert).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "vocab_size": 10}), encoding="utf-8"
    )
    with pytest.raises(I3Error, match=r"the tokenizer has \d+ tokens but the backbone has only 10"):
        I3Retriever.from_backbone(str(tmp_path))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_backbone_stored_in_half_precision(
    tiny_bert: str, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path, dtype: torch.dtype
) -> None:
    half: Any = AutoModel.from_pretrained(tiny_bert, dtype=dtype)
    half.save_pretrained(tmp_path / "half")
    tiny_tokenizer.save_pretrained(tmp_path / "half")
    model = I3Retriever.from_backbone(str(tmp_path / "half")).eval()
    assert {weight.dtype for weight in model.state_dict().values()} == {torch.float32}
    vectors(model, I3Tokenizer.from_pretrained(str(tmp_path / "half"), model.config))
    model.save_pretrained(tmp_path / "model")
    again = I3Retriever.from_pretrained(tmp_path / "model", dtype=dtype)
    assert {weight.dtype for weight in again.state_dict().values()} == {dtype}


@pytest.mark.parametrize("damage", ["truncated", "activation", "sizes", "modules"])
def test_damaged_backbones(tiny_bert: str, tmp_path: Path, damage: str) -> None:
    for file in Path(tiny_bert).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8"))
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "modules":
        (tmp_path / "modules.json").write_text("[", encoding="utf-8")
    else:
        change = {"hidden_act": "gelou"} if damage == "activation" else {"intermediate_size": 60}
        config.write_text(json.dumps({**fields, **change}), encoding="utf-8")
    said = {
        "truncated": "weights cannot be read",
        "activation": "gelou",
        "sizes": r"differ from config\.json: .*\[64, 32\] instead of \[60, 32\]",
        "modules": r"modules\.json: cannot be read",
    }[damage]
    with pytest.raises(I3Error, match=said):
        I3Retriever.from_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("config.json", {"model_type": "foreign", "auto_map": {"AutoConfig": "foreign.Code"}}),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "Code", "auto_map": {"AutoTokenizer": ["foreign.Code", None]}},
        ),
    ],
)
def test_code_of_a_model_is_never_run(
    tiny_bert: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    fields: dict[str, Any],
) -> None:
    folder, ran = tmp_path / "MODEL", tmp_path / "ran"
    shutil.copytree(tiny_bert, folder)
    code = f"from pathlib import Path\nPath({str(ran)!r}).touch()\nclass Code: ...\n"
    (folder / "foreign.py").write_text(code, encoding="utf-8")
    known = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(known | fields), encoding="utf-8")
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return "y"

    # transformers asks on a terminal, and runs the code if somebody types y.
    monkeypatch.setattr("builtins.input", answer)
    with suppress(I3Error):
        I3Retriever.from_backbone(str(folder))
    assert not asked and not ran.exists()


def test_a_decoder_s_first_token_is_not_its_text(
    make_backbone: MakeBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    for family, reads_forwards in (("llama", True), ("qwen3", True), ("gemma3_text", False)):
        folder = make_backbone(FAMILIES[family])
        capsys.readouterr()
        model = I3Retriever.from_backbone(folder).eval()
        assert model.config.pooling == ("last" if reads_forwards else "cls")
        assert ("reads from left to right" in capsys.readouterr().err) == reads_forwards
        queries, _ = vectors(model, I3Tokenizer.from_pretrained(folder, model.config))
        assert (queries[0] - queries[1]).abs().max() > 1e-3
        if reads_forwards:
            with pytest.raises(I3Error, match="the first token knows nothing of the text"):
                I3Retriever.from_backbone(folder, pooling="cls")


def test_a_separator_that_the_tokenizer_does_not_have(make_backbone: MakeBackbone) -> None:
    folder = make_backbone(FAMILIES["qwen3"])
    model = I3Retriever.from_backbone(folder)
    tokenizer = I3Tokenizer.from_pretrained(folder, model.config)
    assert tokenizer.passage_texts(["eggs"], ["boil"]) == ["boil eggs"]
    model = I3Retriever.from_backbone(folder, passage_template="{title} {sep} {text}")
    with pytest.raises(I3Error, match=r"uses \{sep\}, but the backbone's tokenizer has no sep_tok"):
        I3Tokenizer.from_pretrained(folder, model.config)


def test_a_tokenizer_without_padding_token(make_backbone: MakeBackbone, tmp_path: Path) -> None:
    folder = Path(make_backbone(FAMILIES["llama"]))
    model = I3Retriever.from_backbone(str(folder))
    tokenizer = I3Tokenizer.from_pretrained(folder, model.config).tokenizer
    assert tokenizer.pad_token == tokenizer.eos_token
    shutil.copytree(folder, tmp_path / "none")
    path = tmp_path / "none" / "tokenizer_config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**fields, "eos_token": None}), encoding="utf-8")
    with pytest.raises(I3Error, match="has no pad_token and no eos_token"):
        I3Retriever.from_backbone(str(tmp_path / "none"))


def test_word_scores_start_as_projected_embeddings(make_backbone: MakeBackbone) -> None:
    model = I3Retriever.from_backbone(
        make_backbone(FAMILIES["albert"]), reconstruction_head_init="embeddings"
    )
    encoder: Any = model.passage_encoder
    words = encoder.embeddings.word_embeddings.weight
    expected = encoder.encoder.embedding_hidden_mapping_in(words)
    torch.testing.assert_close(model.reconstruction_head.decoder.weight, expected)


@pytest.mark.parametrize("positions", ["backbone", "learned"])
@pytest.mark.parametrize("family", ["albert", "electra", "eurobert"])
def test_positions_that_a_backbone_cannot_have(
    make_backbone: MakeBackbone, tmp_path: Path, family: str, positions: str
) -> None:
    """Embeddings narrower than the layers, and decoders: only vectors can be learned."""
    folder = make_backbone(FAMILIES[family])
    asked: dict[str, Any] = {"pseudo_query_positions": positions}
    asked |= {"cls_token_id": 2, "sep_token_id": 3, "mask_token_id": 4}
    said = f"pseudo_query_positions is '{positions}', but type '{family}' .* 32 dimensions"
    with pytest.raises(I3Error, match=said):
        I3Retriever.from_backbone(folder, **asked)
    assert not I3Retriever.from_backbone(folder, **asked, interaction="none").has_reconstructor
    model = I3Retriever.from_backbone(folder)
    tokenizer = I3Tokenizer.from_pretrained(folder, model.config)
    save_model_directory(model, tokenizer, tmp_path / "MODEL")
    path = tmp_path / "MODEL" / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(fields | asked), encoding="utf-8")
    with pytest.raises(I3Error, match=said) as caught:
        load_model_directory(tmp_path / "MODEL")
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)

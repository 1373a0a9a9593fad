import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi
from torch.nn import functional as F  # noqa: N812
from transformers import AutoModel

from i3_pyserini import I3Config, I3Error, I3Retriever, I3Tokenizer
from tests.conftest import tiny_bert_config
from tests.model.backbones import FAMILIES, TEXTS, TITLES, MakeBackbone, vectors

EAGER = ("mpnet", "deberta-v2")  # transformers has no SDPA for them
POOLED = [("bert", "cls"), *((family, "last") for family in FAMILIES)]


@pytest.mark.parametrize(("family", "pooling"), POOLED)
@pytest.mark.parametrize("interaction", ["released", "paper", "none"])
def test_every_backbone_and_architecture(
    make_backbone: MakeBackbone, tmp_path: Path, family: str, interaction: str, pooling: str
) -> None:
    backbone = make_backbone(FAMILIES[family])
    model = I3Retriever.from_backbone(backbone, interaction=interaction, pooling=pooling).eval()
    tokenizer = I3Tokenizer.from_pretrained(backbone, model.config)
    queries, passages = vectors(model, tokenizer)
    assert queries.shape == passages.shape == (3, 32)
    assert queries.isfinite().all()
    assert passages.isfinite().all()
    for row, (text, title) in enumerate(zip(TEXTS, TITLES, strict=True)):  # padding is not seen
        with torch.no_grad():
            alone = model.encode_passages(**tokenizer.passages([text], [title])).vectors
        torch.testing.assert_close(alone[0], passages[row], atol=1e-5, rtol=1e-5)
    model.save_pretrained(tmp_path / "once")
    again = I3Retriever.from_pretrained(tmp_path / "once")
    again.save_pretrained(tmp_path / "twice")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "once" / name).read_bytes() == (tmp_path / "twice" / name).read_bytes()
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name
    assert all(
        torch.equal(*pair)
        for pair in zip(vectors(again, tokenizer), (queries, passages), strict=True)
    )


@pytest.mark.parametrize("interaction", ["released", "paper"])
@pytest.mark.parametrize("family", [one for one in FAMILIES if one not in EAGER])
def test_sdpa_and_eager_agree(make_backbone: MakeBackbone, family: str, interaction: str) -> None:
    backbone = make_backbone(FAMILIES[family])
    results = []
    for attention in ("sdpa", "eager"):
        torch.manual_seed(3)
        model = I3Retriever.from_backbone(
            backbone, interaction=interaction, attn_implementation=attention
        ).eval()
        for encoder in (model.query_encoder, model.passage_encoder):
            assert encoder.config._attn_implementation == attention
        results.append(vectors(model, I3Tokenizer.from_pretrained(backbone, model.config)))
    for sdpa, eager in zip(*results, strict=True):
        torch.testing.assert_close(sdpa, eager, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("interaction", ["released", "paper"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("start", ["residual", "scaled"])
def test_untrained_residual_model_is_its_backbone(
    tiny_bert: str, interaction: str, pooling: str, normalize: bool, start: str
) -> None:
    settings: dict[str, Any] = {"pooling": pooling, "normalize": normalize}
    plain = I3Retriever.from_backbone(tiny_bert, interaction="none", **settings).eval()
    upgraded = I3Retriever.from_backbone(
        tiny_bert, interaction=interaction, interactor_init=start, **settings
    ).eval()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, plain.config)
    for before, after in zip(vectors(plain, tokenizer), vectors(upgraded, tokenizer), strict=True):
        assert torch.equal(before, after)


def test_residual_branch_can_learn(tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interactor_init="residual").train()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    passages = model.encode_passages(**tokenizer.passages(TEXTS)).vectors
    assert passages is not None
    passages.square().sum().backward()
    projection = model.interactor.residual_projection
    assert projection is not None
    assert projection.weight.grad is not None
    assert projection.weight.grad.abs().max() > 0


def test_minilm_upgraded_is_minilm(minilm: str) -> None:
    """The real all-MiniLM-L6-v2, whose mean pooling and normalisation are found by themselves."""
    model = I3Retriever.from_backbone(minilm, interactor_init="residual").eval()
    assert (model.config.pooling, model.config.normalize) == ("mean", True)
    batch = I3Tokenizer.from_pretrained(minilm, model.config).passages(TEXTS, TITLES)
    with torch.no_grad():
        states = AutoModel.from_pretrained(minilm)(**batch).last_hidden_state
        weights = batch["attention_mask"].unsqueeze(-1)
        expected = F.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
        torch.testing.assert_close(
            model.encode_passages(**batch).vectors, expected, atol=1e-6, rtol=0
        )


def test_a_scaled_model_does_not_depend_on_the_length_of_pooled_vectors(tiny_bert: str) -> None:
    """Means over tokens are short: the pseudo-query drowns them, unless they are scaled."""
    found = {}
    for start in ("residual", "scaled"):
        torch.manual_seed(5)
        model = I3Retriever.from_backbone(tiny_bert, interactor_init=start).eval()
        projection = model.interactor.residual_projection
        assert projection is not None
        torch.nn.init.normal_(projection.weight)
        pooled = torch.randn(4, 32)
        with torch.no_grad():
            long, short = (model.interact(factor * pooled).vectors for factor in (1.0, 0.01))
        assert long is not None
        assert short is not None
        found[start] = torch.allclose(100 * short, long, rtol=1e-4, atol=1e-4)
    assert found == {"residual": False, "scaled": True}


@pytest.mark.parametrize("family", ["bert", "mpnet", "distilbert"])
def test_layers_start_as_the_last_of_the_backbone(make_backbone: MakeBackbone, family: str) -> None:
    """On what the last layer reads, a copy of it gives what the backbone gives."""
    folder = make_backbone(FAMILIES[family])
    model = I3Retriever.from_backbone(folder, interaction="paper", layer_init="backbone").eval()
    tokenizer = I3Tokenizer.from_pretrained(folder, model.config)
    batch = tokenizer.passages(TEXTS[:1], TITLES[:1])
    with torch.no_grad():
        output = model.passage_encoder(**batch, output_hidden_states=True)
        *_, before, after = output.hidden_states
        copied = model.interactor(before)
    if family == "mpnet":  # its attention has a bias by distance, which is not copied
        assert torch.cosine_similarity(copied, after, dim=-1).min() > 0.99
    else:
        torch.testing.assert_close(copied, after, atol=1e-5, rtol=1e-5)
    assert torch.equal(
        model.reconstructor.layers[0].passage_attention.value.weight,
        model.interactor.layers[0].self_attention.value.weight,
    )


def test_layers_of_other_kinds_are_not_copied(
    make_backbone: MakeBackbone, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_backbone(FAMILIES["modernbert"])
    with pytest.raises(I3Error, match=r"layers of type 'modernbert' cannot be copied"):
        I3Retriever.from_backbone(folder, layer_init="backbone")
    for interaction, notes in (("none", 0), ("released", 1)):
        model = I3Retriever.from_backbone(folder, interaction=interaction, layer_init="auto")
        assert model.config.layer_init == "original"
        said = capsys.readouterr().err
        assert said.count("layers of type 'modernbert' cannot be copied") == notes


def test_layers_that_can_be_copied_are(tiny_bert: str) -> None:
    models = []
    for start in ("auto", "backbone"):
        torch.manual_seed(3)
        models.append(I3Retriever.from_backbone(tiny_bert, layer_init=start))
    assert models[0].config.layer_init == "backbone"
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_the_two_architectures_differ(tiny_bert: str) -> None:
    results = []
    for interaction in ("released", "paper"):
        torch.manual_seed(5)
        model = I3Retriever.from_backbone(
            tiny_bert, interaction=interaction, interactor_init="original"
        ).eval()
        results.append(vectors(model, I3Tokenizer.from_pretrained(tiny_bert, model.config))[1])
    assert not torch.allclose(results[0], results[1], atol=1e-3)


def test_paper_interactor_sees_every_vector(tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert, interaction="paper").eval()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    batch = tokenizer.passages(TEXTS, TITLES)
    with torch.no_grad():
        encoding = model.encode_passages(**batch)
    length = batch["input_ids"].size(1) + model.config.pseudo_query_length
    assert encoding.interactor_input is not None
    assert encoding.interactor_input.shape == (3, length, 32)


def test_initial_weights(tiny_bert: str) -> None:
    """As the original: BERT's initialisation for the layers, PyTorch's for the head, not tied."""
    model = I3Retriever.from_backbone(tiny_bert)
    std = tiny_bert_config().initializer_range
    for layer in (model.reconstructor.layers[0], model.interactor.layers[0]):
        up = layer.feed_forward.up  # type: ignore[union-attr]
        assert up.weight.std().item() == pytest.approx(std, rel=0.1)  # type: ignore[union-attr, operator]
        assert up.bias.abs().max() == 0  # type: ignore[union-attr, operator]
    head = model.reconstruction_head
    assert 0 < head.dense.bias.abs().max() <= 32**-0.5
    assert head.decoder.bias.abs().max() == 0
    words: Any = model.passage_encoder.get_input_embeddings()
    assert head.decoder.weight.data_ptr() != words.weight.data_ptr()
    assert not torch.equal(head.decoder.weight, words.weight)


def test_weights_absent_from_a_checkpoint_are_initialised(tiny_bert: str, tmp_path: Path) -> None:
    plain = I3Retriever.from_backbone(tiny_bert, interaction="none")
    plain.save_pretrained(tmp_path)
    config = I3Config.from_dict({**plain.config.to_dict(), "interaction": "released"})
    config.interactor_init = "residual"
    model = I3Retriever.from_pretrained(tmp_path, config=config)
    assert model.interactor.residual_projection is not None
    assert model.interactor.residual_projection.weight.abs().max() == 0
    up = model.interactor.layers[0].feed_forward.up  # type: ignore[union-attr]
    assert up.weight.std().item() == pytest.approx(0.2, rel=0.1)  # type: ignore[union-attr, operator]


def test_training_and_encoding_use_their_own_pseudo_query_length(tiny_bert: str) -> None:
    model = I3Retriever.from_backbone(tiny_bert)
    batch = I3Tokenizer.from_pretrained(tiny_bert, model.config).passages(TEXTS)
    for training, length in ((True, 32), (False, 34)):
        pseudo_query = model.train(training).encode_passages(**batch).pseudo_query
        assert pseudo_query is not None
        assert pseudo_query.size(1) == length


def test_gradient_checkpointing_changes_no_gradient(tiny_bert: str) -> None:
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(7)
        model = I3Retriever.from_backbone(tiny_bert)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        if checkpointing:
            with warnings.catch_warnings(action="ignore"):  # renamed in transformers 6
                model.gradient_checkpointing_enable()
        batch = I3Tokenizer.from_pretrained(tiny_bert, model.config).passages(TEXTS)
        passages = model.train().encode_passages(**batch).vectors
        assert passages is not None
        passages.square().sum().backward()
        gradients.append(
            {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])


@pytest.mark.slow
def test_push_to_hub(tiny_model: tuple[I3Retriever, I3Tokenizer], monkeypatch: Any) -> None:
    """As for any model: the files of `save_pretrained` are committed to a repository."""
    sent: dict[str, list[str]] = {}

    class Created:
        repo_id = "someone/i3"

    def create_commit(_self: HfApi, repo_id: str, operations: Any, **_: Any) -> None:
        sent[repo_id] = sorted(operation.path_in_repo for operation in operations)

    monkeypatch.setattr(HfApi, "create_repo", lambda *_args, **_kwargs: Created())
    monkeypatch.setattr(HfApi, "create_commit", create_commit)
    monkeypatch.setattr(HfApi, "model_info", lambda *_args, **_kwargs: None, raising=False)
    monkeypatch.setattr(
        "transformers.utils.hub.create_and_tag_model_card",  # it asks the hub for the present card
        lambda *_args, **_kwargs: type("Card", (), {"save": lambda *_: None})(),
    )
    model: Any = tiny_model[0]
    model.push_to_hub("someone/i3")
    assert {"config.json", "model.safetensors"} <= set(sent["someone/i3"])


def test_labels_in_evaluation_mode(tiny_bert: str) -> None:
    """Evaluation during training: the pseudo-query is then of the labels' length."""
    model = I3Retriever.from_backbone(tiny_bert).eval()
    tokenizer = I3Tokenizer.from_pretrained(tiny_bert, model.config)
    batch = tokenizer.passages(TEXTS)
    labels = tokenizer.reconstruction_labels(TEXTS)
    output = model(
        passage_input_ids=batch["input_ids"],
        passage_attention_mask=batch["attention_mask"],
        reconstruction_labels=labels,
    )
    assert output.reconstruction_loss.isfinite()
    with pytest.raises(ValueError, match="come in pairs"):
        model(query_input_ids=batch["input_ids"])
    plain = I3Retriever.from_backbone(tiny_bert, interaction="none")
    with pytest.raises(ValueError, match="has no reconstructor"):
        plain(reconstruction_labels=labels)


def test_saving_over_a_model_directory_is_refused(
    tiny_model: tuple[I3Retriever, I3Tokenizer], tmp_path: Path
) -> None:
    from i3_pyserini import save_model_directory

    save_model_directory(*tiny_model, tmp_path / "model")
    with pytest.raises(I3Error, match="query_encoder"):
        tiny_model[0].save_pretrained(tmp_path / "model")

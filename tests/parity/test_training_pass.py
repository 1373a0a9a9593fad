"""The training-mode forward and backward pass, dropout off, against the original's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from i3_pyserini import I3Retriever
from i3_pyserini.model.original import HEAD_BIAS, HEAD_BIAS_AGAIN, original_name
from i3_pyserini.model.outputs import I3Output

from .conftest import Golden


def training_pass(golden: Golden, model: I3Retriever, number: int) -> I3Output:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    queries, passages = (golden.batch(f"train{number}_{kind}") for kind in ("query", "passage"))
    labels = golden.arrays("tokenization/batches.npz")[f"train{number}_decoder_mlm_labels"]
    output: I3Output = model(
        queries["input_ids"],
        queries["attention_mask"],
        passages["input_ids"],
        passages["attention_mask"],
        labels,
    )
    return output


def contrastive_loss(output: I3Output) -> torch.Tensor:
    assert output.query_vectors is not None
    assert output.passage_vectors is not None
    scores = output.query_vectors @ output.passage_vectors.T
    per_query = scores.size(1) // scores.size(0)
    return F.cross_entropy(scores, torch.arange(scores.size(0)) * per_query)


def test_training_vectors(golden: Golden, model: I3Retriever) -> None:
    output = training_pass(golden, model, 0)
    expected = golden.arrays("training/train_reps.npz")
    torch.testing.assert_close(output.query_vectors, expected["q_reps"], atol=1e-5, rtol=0)
    torch.testing.assert_close(output.passage_vectors, expected["p_reps"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("number", [0, 1])
def test_losses(golden: Golden, model: I3Retriever, number: int) -> None:
    expected = golden.json("training/losses_and_gradients.json")["in_device"][f"batch{number}"]
    output = training_pass(golden, model, number)
    assert output.reconstruction_loss is not None
    assert output.reconstruction_loss.item() == pytest.approx(expected["mlm"], rel=1e-5)
    assert contrastive_loss(output).item() == pytest.approx(expected["ce"], rel=1e-5)


def test_gradients(golden: Golden, model: I3Retriever) -> None:
    reference = golden.json("training/losses_and_gradients.json")
    output = training_pass(golden, model, 0)
    assert output.reconstruction_loss is not None
    weight = reference["weight_of_mlm_in_the_backward"]
    (contrastive_loss(output) + weight * output.reconstruction_loss).backward()
    norms = {
        original_name(name): parameter.grad.norm().item()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    norms[HEAD_BIAS_AGAIN] = norms.pop(HEAD_BIAS)
    expected = {
        name: value["norm"] if isinstance(value, dict) else value
        for name, value in reference["gradients_in_device_batch0"].items()
    }
    assert norms.keys() == expected.keys()
    for name, norm in expected.items():
        if norm >= 1e-6:
            assert norms[name] == pytest.approx(norm, rel=1e-4), name


def test_attention_to_one_vector_has_no_gradient(golden: Golden, model: I3Retriever) -> None:
    output = training_pass(golden, model, 0)
    assert output.reconstruction_loss is not None
    (contrastive_loss(output) + output.reconstruction_loss).backward()
    unseen = [
        parameter
        for name, parameter in model.reconstructor.named_parameters()
        if ".passage_attention.query." in name or ".passage_attention.key." in name
    ]
    assert len(unseen) == 4 * golden.args.n_head_layers
    for parameter in unseen:
        assert parameter.grad is not None  # zero, not absent: LAMB's weight decay acts on it
        assert parameter.grad.abs().max() == 0

"""Vectors and every intermediate tensor, against the original's own numbers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from i3_pyserini import I3Retriever
from i3_pyserini.model.original import from_original

from .conftest import Golden

ATOL, LOGITS_ATOL = 1e-5, 2e-5


def close(actual: Tensor, expected: Tensor, atol: float = ATOL) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def outputs_of(module: Any, run: Callable[[], object]) -> Tensor:
    """What a module returned while `run` was running."""
    caught: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: caught.append(output))
    run()
    handle.remove()
    return caught[-1]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.no_grad()
def test_query_vectors(golden: Golden, model: I3Retriever, attention: str) -> None:
    model.set_attn_implementation(attention)
    assert model.query_encoder.config._attn_implementation == attention
    expected = golden.arrays("outputs/eval.npz")["q_reps"]
    close(model.encode_queries(**golden.batch("query")), expected)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.no_grad()
def test_passage_vectors(golden: Golden, model: I3Retriever, attention: str) -> None:
    model.set_attn_implementation(attention)
    expected = golden.arrays("outputs/eval.npz")
    encoding = model.encode_passages(**golden.batch("passage"))
    for ours, original in {
        "vectors": "p_reps",
        "pooled": "cls_p",
        "pseudo_query": "generated_q_hidden",
        "interactor_input": "interactor_in",
    }.items():
        close(encoding[ours], expected[original])
    close(encoding["token_states"][:3], expected["p_last_hidden_first3"])
    close(model.interactor(encoding["interactor_input"]), expected["interactor_out"])


@torch.no_grad()
def test_every_layer(golden: Golden, model: I3Retriever) -> None:
    expected = golden.arrays("outputs/eval.npz")
    batch = golden.batch("passage")
    embeddings = outputs_of(
        model.passage_encoder.embeddings, lambda: model.encode_passages(**batch)
    )
    close(embeddings, expected["decoder_input_embeds"])
    for number, layer in enumerate(model.reconstructor.layers):
        if f"c_head{number}_out_first3" in expected:
            output = outputs_of(layer, lambda: model.encode_passages(**batch))
            close(output[:3], expected[f"c_head{number}_out_first3"])
    vectors = model.encode_passages(**batch)["interactor_input"]
    for number, layer in enumerate(model.interactor.layers):
        if f"d_head{number}_out" in expected:
            close(
                outputs_of(layer, lambda: model.interactor(vectors)),
                expected[f"d_head{number}_out"],
            )


@torch.no_grad()
def test_vectors_do_not_depend_on_the_batch(golden: Golden, model: I3Retriever) -> None:
    batch = golden.batch("passage")
    together = model.encode_passages(**batch).vectors
    length = int(batch["attention_mask"][0].sum())
    alone = model.encode_passages(**{name: ids[:1, :length] for name, ids in batch.items()}).vectors
    assert together is not None
    assert alone is not None
    close(alone, together[:1])


@torch.no_grad()
def test_decode_passage(golden: Golden, model: I3Retriever) -> None:
    expected = golden.arrays("outputs/decode_passage.npz")
    logits = model.decode_passages(expected["input_ids"], expected["attention_mask"])
    close(logits[0], expected["logits_first"], LOGITS_ATOL)
    values, ids = logits.topk(expected["top20_ids"].size(-1))
    close(values, expected["top20_values"], LOGITS_ATOL)
    stable = expected["top20_stable"]
    assert torch.equal(ids[stable], expected["top20_ids"][stable])


@torch.no_grad()
def test_vanilla(golden: Golden) -> None:
    model, _ = golden.load("vanilla_best")
    assert not model.has_reconstructor
    expected = golden.arrays("outputs/eval.npz")
    close(model.encode_queries(**golden.batch("query")), expected["vanilla_q_reps"])
    passages = model.encode_passages(**golden.batch("passage")).vectors
    assert passages is not None
    close(passages, expected["vanilla_p_reps"])


@torch.no_grad()
def test_retriever_is_best_without_prefix(golden: Golden, model: I3Retriever) -> None:
    other = from_original(golden.checkpoint("retriever"), golden.backbone, golden.settings)[0]
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])


@torch.no_grad()
def test_fresh_model_on_the_backbone(golden: Golden) -> None:
    model = I3Retriever.from_backbone(
        golden.backbone,
        interaction="none",
        normalize=golden.settings.normalize,
        query_length=golden.settings.query_length,
        passage_length=golden.settings.passage_length,
        pseudo_query_length=golden.settings.generated_query_length + 2,
    ).eval()
    expected = golden.arrays("outputs/eval.npz")["backbone_init_q_reps"]
    close(model.encode_queries(**golden.batch("query")), expected)

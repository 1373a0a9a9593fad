import pytest
import torch
from torch import Tensor, nn

from i3_pyserini.model.layer_sizes import LayerSizes
from i3_pyserini.model.modules import QueryPassageInteractor, QueryReconstructor

SIZES = LayerSizes(
    hidden_size=16,
    num_attention_heads=4,
    intermediate_size=32,
    vocab_size=50,
    hidden_act="gelu",
    layer_norm_eps=1e-12,
    hidden_dropout=0.0,
    attention_dropout=0.0,
    initializer_range=0.02,
)


@pytest.fixture(params=[1, 2])
def reconstructor(request: pytest.FixtureRequest) -> nn.Module:
    return QueryReconstructor(SIZES, request.param, num_positions=0).eval()


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float32)


@torch.no_grad()
def test_reconstructor_is_bidirectional(reconstructor: nn.Module) -> None:
    embeddings, memory = random(1, 6, 16), random(2, 3, 16)
    before = reconstructor(embeddings, memory)
    embeddings[0, -1] += 1.0
    after = reconstructor(embeddings, memory)
    assert (before - after)[:, 0].abs().max() > 1e-3


@torch.no_grad()
def test_mask_of_ones_is_no_mask(reconstructor: nn.Module) -> None:
    embeddings, memory = random(1, 6, 16), random(2, 3, 16)
    ones = torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(
        reconstructor(embeddings, memory, ones), reconstructor(embeddings, memory)
    )
    vectors = random(2, 5, 16)
    interactor = QueryPassageInteractor(SIZES, 2, "original").eval()
    mask = torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(interactor(vectors, mask), interactor(vectors))


@torch.no_grad()
def test_masked_memory_is_not_seen(reconstructor: nn.Module) -> None:
    embeddings, memory = random(1, 6, 16), random(2, 3, 16)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    expected = reconstructor(embeddings, memory, mask)
    memory[0, 2] = 100.0
    torch.testing.assert_close(reconstructor(embeddings, memory, mask), expected)
    memory[1, 2] = 100.0
    assert not torch.allclose(reconstructor(embeddings, memory, mask), expected)


@torch.no_grad()
def test_shortcuts_of_evaluation_change_nothing(reconstructor: nn.Module) -> None:
    """One embedding for the batch and no attention to a single vector, against the long way."""
    embeddings, memory = random(1, 6, 16), random(4, 1, 16)
    short = reconstructor(embeddings, memory)
    long = reconstructor.train()(embeddings.expand(4, -1, -1), memory)
    torch.testing.assert_close(short, long)


@torch.no_grad()
def test_first_only_is_the_first_of_all() -> None:
    interactor = QueryPassageInteractor(SIZES, 2, "original").eval()
    vectors = random(3, 5, 16)
    mask = torch.tensor([[True] * 5, [True] * 4 + [False], [True] * 3 + [False] * 2])
    first = interactor(vectors, mask, first_only=True)
    assert first.shape == (3, 1, 16)
    torch.testing.assert_close(first, interactor(vectors, mask)[:, :1])


@torch.no_grad()
def test_learned_positions_tell_masks_apart() -> None:
    same = random(1, 1, 16).expand(1, 6, 16)
    memory = random(2, 1, 16)
    without = QueryReconstructor(SIZES, 1, num_positions=0).eval()(same, memory)
    torch.testing.assert_close(without[:, 0], without[:, 5])
    learned = QueryReconstructor(SIZES, 1, num_positions=8).eval()(same, memory)
    assert not torch.allclose(learned[:, 0], learned[:, 5], atol=1e-3)

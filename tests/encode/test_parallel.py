"""Batches that several threads encode at once."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from i3_pyserini import I3Retriever, I3Tokenizer
from i3_pyserini.encode.batches import Batching, encode_ids
from i3_pyserini.encode.encoders import I3DocumentEncoder
from i3_pyserini.encode.parallel import AT_ONCE, IN_FLIGHT, batches_at_once, in_parallel

CPU = torch.device("cpu")
BATCHES = [[number] * (1 + number % 3) for number in range(9)]


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def in_new_thread(get: Callable[[], int]) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(get()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("at_once", "batches", "workers", "threads_each"),
    [
        (4, 9, 4, 1),
        (2, 9, 2, 2),
        (4, 3, 3, 1),
        (4, 2, 2, 2),
        (4, 1, 1, 4),
        (1, 9, 1, 4),
        (9, 9, 9, 1),
    ],
)
def test_threads_are_shared(at_once: int, batches: int, workers: int, threads_each: int) -> None:
    seen: set[tuple[str, int]] = set()
    all_here = threading.Barrier(workers)

    def encode(rows: list[int]) -> int:
        if threading.current_thread().name not in {name for name, _ in seen}:
            seen.add((threading.current_thread().name, torch.get_num_threads()))
            all_here.wait(30)
        return rows[0]

    assert list(in_parallel(encode, BATCHES[:batches], at_once)) == list(range(batches))
    assert [threads for _, threads in seen] == [threads_each] * workers
    here = threading.current_thread().name
    assert (here in {name for name, _ in seen}) == (workers == 1)
    assert torch.get_num_threads() == in_new_thread(torch.get_num_threads) == 4


@pytest.mark.usefixtures("four_threads")
def test_a_failure_ends_the_work() -> None:
    begun = []

    def encode(rows: list[int]) -> int:
        begun.append(rows)
        if rows[0] == 1:
            raise MemoryError
        time.sleep(0.01)  # so that a busy machine has time to see the failure before the end
        return rows[0]

    with pytest.raises(MemoryError):
        list(in_parallel(encode, [[number] for number in range(1000)], 2))
    assert len(begun) < 1000
    assert torch.get_num_threads() == in_new_thread(torch.get_num_threads) == 4


@pytest.mark.usefixtures("four_threads")
def test_how_many_at_once() -> None:
    assert batches_at_once(CPU) == 4
    assert batches_at_once(torch.device("cuda")) == IN_FLIGHT
    assert batches_at_once(torch.device("mps")) == 1
    torch.set_num_threads(AT_ONCE + 1)
    assert batches_at_once(CPU) == AT_ONCE


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize("passages", [None, 1])
def test_vectors_are_those_of_each_by_itself(
    tiny_model: tuple[I3Retriever, I3Tokenizer], passages: int | None
) -> None:
    encoder = I3DocumentEncoder.of(*tiny_model)
    words = "how long to boil an egg water place hot cold".split()
    ids = encoder.ids([" ".join(words[: 1 + n % 10]) for n in range(60)])
    done: list[int] = []
    found = encode_ids(encoder, ids, Batching(40, passages), done.append)
    assert sum(done) == 60 and len(done) > 4
    assert found == pytest.approx(np.concatenate([encoder.vectors([one]) for one in ids]), abs=1e-5)


def test_the_encoder_of_a_model_in_training_is_a_copy(
    tiny_model: tuple[I3Retriever, I3Tokenizer],
) -> None:
    model, tokenizer = tiny_model
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    encoder = I3DocumentEncoder.of(model, tokenizer)
    encoder.encode(["how long to boil an egg"])
    after = model.state_dict()
    assert model.training and state.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in state.items())
    assert all(parameter.requires_grad for parameter in model.parameters())

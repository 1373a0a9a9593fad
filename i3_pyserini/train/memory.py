"""What to do when memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from i3_pyserini.errors import I3Error

WORDS = ("out of memory", "allocate memory", "alloc_failed")


@contextmanager
def out_of_memory_is_explained() -> Iterator[None]:
    """Says which settings to lower when memory runs out.

    Raises:
        I3Error: it did.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no memory"
        known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not known and not any(words in reason.lower() for words in WORDS):
            raise
        raise I3Error(
            f"out of memory ({reason:.100}); lower training.chunk_passages (the gradient stays the "
            "same) or validation.batch_size, set training.gradient_checkpointing: true or "
            "precision: bf16; if that is not enough, lower training.batch_size, "
            "training.passages_per_query or model.passage_length"
        ) from error

"""Gradients of word vectors as the rows of the words that occur, until the optimizer's step.

Each call of an encoder gives the table of word vectors a gradient, and a dense one has the size of
the whole table (47 MB for MiniLM), nearly all zeros. A batch makes such a call for its queries and
for each bucket of its passages. On a CPU the time for these zeros is a good part of a step.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from i3_pyserini.model.retriever import I3Retriever


@contextmanager
def word_rows(model: I3Retriever) -> Iterator[None]:
    """Collects the gradients of word vectors as sparse ones, and makes one dense one at the end.

    Not for a model in DDP, which must know of sparse gradients when it wraps a model.

    Args:
        model: the model; its embeddings are as before when the context ends.
    """
    encoders = (model.query_encoder, model.passage_encoder)
    tables = [
        table
        for table in (encoder.get_input_embeddings() for encoder in encoders)
        if isinstance(table, nn.Embedding) and not table.sparse
    ]
    for table in tables:
        table.sparse = True
    try:
        yield
    finally:
        for table in tables:
            table.sparse = False
            gradient = table.weight.grad
            if gradient is not None and gradient.is_sparse:
                table.weight.grad = gradient.to_dense()

"""Lower-casing that a model declares beside its tokenizer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def lowercase_first(core: "Tokenizer") -> None:
    """Makes a tokenizer lower-case texts before all else; special tokens stay as they are.

    Nothing changes where its normaliser, or one of a sequence's, is `Lowercase` already.

    Args:
        core: of the library `tokenizers`; changed in place.

    Source: sentence-transformers 6.2, `modules/transformer.py`.
    """
    from tokenizers import normalizers  # noqa: PLC0415  (not needed by most models)

    own: Any = core.normalizer
    steps: list[Any] = [own] if own else []
    if isinstance(own, normalizers.Sequence):
        sequence: Any = own
        steps = list(sequence)
    if not any(isinstance(step, normalizers.Lowercase) for step in steps):
        core.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])

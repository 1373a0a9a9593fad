"""The sizes of a backbone's layers, whichever names its family gives them."""

from dataclasses import dataclass
from typing import Any

from transformers.activations import ACT2FN

from i3_pyserini.errors import I3Error

ACTIVATIONS = (
    *("hidden_act", "activation", "hidden_activation"),
    *("activation_function", "ff_activation"),
)
EPSILONS = ("layer_norm_eps", "norm_eps", "rms_norm_eps", "layer_norm_epsilon")


@dataclass(frozen=True)
class LayerSizes:
    """Sizes of the reconstructor's and interactor's layers: those of the backbone's layers."""

    hidden_size: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    hidden_act: str
    layer_norm_eps: float
    hidden_dropout: float
    attention_dropout: float
    initializer_range: float

    @classmethod
    def of(cls, config: Any) -> "LayerSizes":
        """Reads the sizes from a backbone's configuration, whichever names its family uses.

        Raises:
            I3Error: a size is missing.
        """

        def first(*names: str, default: Any = None) -> Any:
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
            if default is None:
                raise I3Error(
                    f"backbone type {config.model_type!r} has no {names[0]} in its configuration; "
                    "use an encoder such as BERT, MiniLM, DistilBERT, RoBERTa or ModernBERT"
                )
            return default

        hidden_size = first("hidden_size")
        sizes = cls(
            hidden_size=hidden_size,
            num_attention_heads=first("num_attention_heads"),
            intermediate_size=first(
                *("intermediate_size", "hidden_dim", "n_inner", "d_inner"), default=4 * hidden_size
            ),
            vocab_size=first("vocab_size"),
            hidden_act=first(*ACTIVATIONS),
            layer_norm_eps=first(*EPSILONS, default=1e-12),
            hidden_dropout=first("hidden_dropout_prob", "dropout", "mlp_dropout", default=0.0),
            attention_dropout=first(
                "attention_probs_dropout_prob", "attention_dropout", default=0.0
            ),
            initializer_range=first("initializer_range", default=0.02),
        )
        if sizes.hidden_act not in ACT2FN:
            raise I3Error(f"the backbone's activation {sizes.hidden_act!r} is unknown")
        if sizes.hidden_size % sizes.num_attention_heads:
            raise I3Error(
                f"hidden size {sizes.hidden_size} is not a multiple of "
                f"{sizes.num_attention_heads} attention heads"
            )
        return sizes

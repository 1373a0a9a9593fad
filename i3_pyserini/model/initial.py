"""The random weights that reconstructor, interactor and head start from."""

from torch import nn
from transformers import initialization as init

from i3_pyserini.model.modules import QueryPassageInteractor, ReconstructionHead


def initialize(
    module: nn.Module,
    head: ReconstructionHead | None,
    interactor: QueryPassageInteractor | None,
    std: float,
) -> None:
    """Initializes a module as the original does.

    Reconstructor, interactor and dense layers: normal, biases zero. Head: PyTorch's default
    initialization of linear layers, prediction bias zero. The residual projection is zero.

    Args:
        module: a module of a model.
        head: the model's head; None in a plain dual encoder.
        interactor: the model's interactor; likewise.
        std: standard deviation, the backbone's `initializer_range`.
    """
    if isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    elif isinstance(module, (nn.Linear, nn.Embedding)):
        if head is not None and any(module is part for part in head.modules()):
            module.reset_parameters()
            if module is head.decoder:
                init.zeros_(module.bias)
        elif interactor is not None and module is interactor.residual_projection:
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        else:
            init.normal_(module.weight, mean=0.0, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:  # of dense layers
                init.zeros_(module.bias)

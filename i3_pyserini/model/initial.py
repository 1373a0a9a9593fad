"""The random weights that reconstructor, interactor and head start from."""

from torch import nn
from transformers import initialization as init

from i3_pyserini.model.modules import QueryPassageInteractor, ReconstructionHead


def initialize(
    module: nn.Module, head: ReconstructionHead, interactor: QueryPassageInteractor, std: float
) -> None:
    """Initializes a module as the original does.

    Reconstructor and interactor: normal, biases zero. Head: PyTorch's default initialization of
    linear layers, prediction bias zero. The residual projection is zero.

    Args:
        module: a module of a model.
        head: the model's head.
        interactor: the model's interactor.
        std: standard deviation, the backbone's `initializer_range`.
    """
    if isinstance(module, nn.LayerNorm):
        init.ones_(module.weight)
        init.zeros_(module.bias)
    elif isinstance(module, (nn.Linear, nn.Embedding)):
        if any(module is part for part in head.modules()):
            module.reset_parameters()
            if module is head.decoder:
                init.zeros_(module.bias)
        elif module is interactor.residual_projection:
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        else:
            init.normal_(module.weight, mean=0.0, std=std)
            if isinstance(module, nn.Linear):
                init.zeros_(module.bias)

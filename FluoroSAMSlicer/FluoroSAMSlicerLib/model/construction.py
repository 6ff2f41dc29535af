"""Networks without the cost of random initial weights, to be filled from a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .config import FluoroSAMConfig
from .network import FluoroSAM


def empty_network(config: FluoroSAMConfig) -> FluoroSAM:
    """A network to be given its weights by :func:`fill`; those of a large one need no memory until then."""
    if config.names_in_one_pass:
        # To draw a few million numbers is quick; to draw none, on "meta", imports torch's compiler: a second.
        with torch.random.fork_rng(devices=[]):
            return FluoroSAM(config)
    with torch.device("meta"):
        return FluoroSAM(config)


def fill(network: FluoroSAM, state: Mapping[str, Tensor]) -> None:
    """Adopt every tensor of ``state`` (all our keys, right shapes) without copying, and derive the rest."""
    network.load_state_dict(state, strict=True, assign=True)
    for module in network.modules():
        if hasattr(module, "relative_position_index"):
            module.relative_position_index = module._create_relative_position_index().view(-1)
    # Adopted tensors carry no flag of their own; only this one is fixed by design.
    network.requires_grad_(True)
    network.prompts.sam.shared_embedding.positional_embedding.requires_grad_(False)

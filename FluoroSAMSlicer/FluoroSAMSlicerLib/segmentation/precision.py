"""A network's matrices in 16-bit numbers, made once and laid out for the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PRODUCT = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
_PACKING = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None)


EXACT_GELU = ("GELU", "GELUActivation")
"""Classes of torch and of transformers, by name, so that transformers stays out where nothing is of it."""


class HalfMatrices:
    """The weights of all linear and convolution layers of ``module``, whose values nobody changes.

    Autocast turns them into 16-bit numbers anew at every call, and the processor's library then lays them out
    anew in the order that its instructions read; together a quarter of a large encoder's time. Here both are
    done once, to the same values. The module itself keeps the exact ones; those that are memory-mapped from a
    file need no memory while they rest.
    """

    def __init__(self, module: nn.Module) -> None:
        self._layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        self._before_gelu = {
            block.fc1: block.activation_fn for block in module.modules() if _is_perceptron(block)
        }
        self._packed: dict[nn.Module, Callable[[Tensor], Tensor]] = {}
        self._halved: list[tuple[nn.Module, str, nn.Parameter, nn.Parameter]] = []
        self._made: tuple[torch.dtype, torch.device] | None = None

    @contextmanager
    def used(self, kind: torch.dtype) -> Iterator[None]:
        """Inside, under autocast to the same ``kind``, the module computes with matrices of that type."""
        wanted = kind, self._layers[0].weight.device
        if self._made != wanted:
            self._make(*wanted)
        try:
            for layer, packed in self._packed.items():
                layer.forward = packed
            for layer, name, _, halved in self._halved:
                setattr(layer, name, halved)
            yield
        finally:
            for layer in self._packed:
                vars(layer).pop("forward", None)
            for layer, name, exact, _ in self._halved:
                setattr(layer, name, exact)

    def _make(self, kind: torch.dtype, device: torch.device) -> None:
        packing = device.type == "cpu" and kind == torch.bfloat16 and can_pack()
        self._packed, self._halved = {}, []
        for layer in self._layers:
            if packing and isinstance(layer, nn.Linear):
                activation = self._before_gelu.get(layer)
                self._packed[layer] = PackedLinear(layer, activation is not None)
                if activation is not None:
                    self._packed[activation] = _unchanged
                continue
            for name, exact in layer.named_parameters(recurse=False):
                halved = nn.Parameter(exact.detach().to(kind), requires_grad=False)
                self._halved.append((layer, name, exact, halved))
        self._made = kind, device


class PackedLinear:
    """What a linear layer computes under autocast to bfloat16 on the CPU, bit for bit.

    With ``gelu`` the activation behind it is taken before the result is rounded, without a pass of its own.
    """

    def __init__(self, layer: nn.Linear, gelu: bool = False) -> None:
        self._after = ("gelu", [], "none") if gelu else ("none", [], "")
        self._exact: Tensor | None = layer.weight.detach()
        self._bias = None if layer.bias is None else layer.bias.detach().to(torch.bfloat16)
        self._weight: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self._weight is None:
            # The best order of the values depends on the number of rows that they meet.
            rows = x.numel() // x.shape[-1]
            self._weight = _PACKING(self._exact.to(torch.bfloat16), rows)
            self._exact = None
        return _PRODUCT(x.to(torch.bfloat16), self._weight, self._bias, *self._after)


def _is_perceptron(block: nn.Module) -> bool:
    """Whether ``block`` is a linear layer ``fc1`` and an exact GELU, in this order, and what follows."""
    activation = getattr(block, "activation_fn", None)
    return (
        isinstance(getattr(block, "fc1", None), nn.Linear)
        and type(activation).__name__ in EXACT_GELU
        and getattr(activation, "approximate", "none") == "none"
        and getattr(activation, "act", F.gelu) is F.gelu
    )


def _unchanged(x: Tensor) -> Tensor:
    return x


def can_pack() -> bool:
    """Whether this build of torch has the operations behind :class:`PackedLinear`; they are no public API."""
    if _PRODUCT is None or _PACKING is None or not torch.backends.mkldnn.is_available():
        return False
    try:
        weight = torch.eye(16, dtype=torch.bfloat16)
        product = _PRODUCT(weight, _PACKING(weight, 16), None, "none", [], "")
        return bool(torch.equal(product, weight))
    # Whatever they answer, there is another way.
    except Exception:
        return False

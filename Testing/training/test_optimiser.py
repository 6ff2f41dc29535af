"""Matrices and convolution kernels by Muon, tables and vectors by AdamW, all resumable."""

from __future__ import annotations

import copy

import torch
from FluoroSAMSlicerLib.training.optimiser import CODES, CODES_RATE, Optimiser
from torch import nn


def small() -> dict[str, nn.Parameter]:
    torch.manual_seed(3)
    shapes = {"conv.weight": (8, 4, 3, 3), "linear.weight": (6, 8), "linear.bias": (6,), CODES: (5, 6)}
    return {name: nn.Parameter(torch.randn(shape)) for name, shape in shapes.items()}


def train(named, optimiser, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        optimiser.zero_grad()
        generator = torch.Generator().manual_seed(step)
        sum((p * torch.randn(p.shape, generator=generator)).sum() for p in named.values()).backward()
        optimiser.step(1e-2)


def test_every_parameter_moves_and_codes_move_faster():
    named = small()
    before = {name: p.detach().clone() for name, p in named.items()}
    train(named, Optimiser(named, 1e-2, 0.0), 1)
    moved = {name: (p - before[name]).detach() for name, p in named.items()}
    assert all(change.abs().min() > 0 for change in moved.values())
    torch.testing.assert_close(moved[CODES].abs().mean() / moved["linear.bias"].abs().mean(),
                               torch.tensor(float(CODES_RATE)), rtol=0.01, atol=0)  # fmt: skip


def test_a_kernel_moves_by_an_orthogonal_matrix_as_far_as_adam_would():
    named = small()
    before = named["conv.weight"].detach().clone()
    train(named, Optimiser(named, 1e-2, 0.0), 1)
    change = (named["conv.weight"] - before).detach().flatten(1)
    values = torch.linalg.svdvals(change)
    assert values.min() > 0.5 * values.max()
    assert 0.1e-2 < change.square().mean().sqrt() < 0.4e-2


def test_state_goes_on_where_it_stopped():
    whole, parts = small(), small()
    optimiser = Optimiser(whole, 1e-2, 0.02)
    train(whole, optimiser, 5)
    first = Optimiser(parts, 1e-2, 0.02)
    train(parts, first, 2)
    second = Optimiser(parts, 1e-2, 0.02)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(parts, second, 3, first=2)
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name], msg=name)


def test_kernels_that_lie_channels_last_move_as_others_do():
    plain, last = small(), small()
    kernel = last["conv.weight"]
    kernel.data = kernel.data.to(memory_format=torch.channels_last)
    for named in (plain, last):
        train(named, Optimiser(named, 1e-2, 0.02), 3)
    torch.testing.assert_close(last["conv.weight"], plain["conv.weight"], rtol=1e-3, atol=1e-4)
    assert not torch.equal(last["conv.weight"], small()["conv.weight"])

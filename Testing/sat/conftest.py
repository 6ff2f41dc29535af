"""The parity fixture's files and network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.sat import load_published
from FluoroSAMSlicerLib.sat.tokens import WordPieces
from safetensors.torch import load_file


class Fixture:
    """The files of a parity fixture and the network that its weights make."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.description = json.loads((folder / "config.json").read_text())
        self.tile = tuple(self.description["tile"])
        self.heads = self.description["nhead"]
        self.inputs = load_file(folder / "inputs.safetensors")
        self.expected = load_file(folder / "expected.safetensors")
        self.e2e = load_file(folder / "e2e.safetensors")
        self.preprocess = json.loads((folder / "preprocess.json").read_text())
        self.preprocessed = load_file(folder / "preprocess.safetensors")
        self.network = load_published(folder / "weights.safetensors", None, self.tile, self.heads)
        self.words = WordPieces.read(folder / "vocab.txt")

    def every(self, name: str) -> tuple[torch.Tensor, int]:
        """An expected tensor stored whole or thinned, and by how much it is thinned."""
        return _every(self.expected, f"{name}.every", name)

    def normalised(self, case: str) -> tuple[torch.Tensor, int]:
        return _every(self.preprocessed, f"{case}.normalised_every", f"{case}.normalised")

    def probability(self, case: str) -> tuple[torch.Tensor, int]:
        return _every(self.e2e, f"{case}.prob_every", f"{case}.prob")

    def packed(self, case: str, what: str, number: int, shape) -> np.ndarray:
        bits = np.unpackbits(self.e2e[f"{case}.{what}_packed"][number].numpy())
        return bits[: int(np.prod(shape))].reshape(tuple(shape)).astype(bool)

    def image(self, case: str) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs[f"{case}.image"].numpy(), self.inputs[f"{case}.affine"].numpy()


def _every(tensors, prefix: str, whole: str) -> tuple[torch.Tensor, int]:
    thinned = next((key for key in tensors if key.startswith(prefix)), None)
    return (tensors[thinned], int(thinned[len(prefix) :])) if thinned else (tensors[whole], 1)


@pytest.fixture(scope="session")
def fixture(sat_fixture):
    return Fixture(sat_fixture)


@pytest.fixture
def library(user_models) -> Path:
    return user_models


@pytest.fixture
def installed(small_sat) -> str:
    return small_sat

"""Which Python packages are there, and which the model still needs. No Qt."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

TORCH = "torch"
TORCH_VERSION = ">=2.4"
KEPT = ("numpy", "torch", "torchvision", "SimpleITK", "scipy", "requests", "vtk")
"""Packages of Slicer, or of other extensions, that nothing we install may replace."""


@dataclass(frozen=True)
class Need:
    """One package that is missing: what pip installs, and the version that is there already ("" for none)."""

    requirement: str
    name: str
    installed: str = ""


class Requirements:
    """What a requirements file asks for, and torch, which is told apart for the way it is installed."""

    def __init__(self, file: Path) -> None:
        self._file = Path(file)

    def missing(self) -> list[Need]:
        """Without torch."""
        importlib.invalidate_caches()
        return [need for line in self._lines() if (need := _need(line)) is not None]

    def torch(self) -> Need | None:
        """The need of torch; None where a torch that can be used is there."""
        importlib.invalidate_caches()
        if installed_version(TORCH) == "" and importlib.util.find_spec(TORCH) is not None:
            return None
        return _need(TORCH + TORCH_VERSION)

    def constraints(self) -> str:
        """Lines for pip that hold on to the packages that must not be replaced."""
        pins = ((name, installed_version(name)) for name in KEPT)
        return "".join(f"{name}=={version}\n" for name, version in pins if version)

    def _lines(self) -> list[str]:
        lines = (line.split("#")[0].strip() for line in self._file.read_text("utf-8").splitlines())
        return [line for line in lines if line]


def installed_version(name: str) -> str:
    """ "" for a package that is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _need(line: str) -> Need | None:
    try:
        requirements = importlib.import_module("packaging.requirements")
    except ImportError:  # Slicer before 5.11 has it inside of pip only
        requirements = importlib.import_module("pip._vendor.packaging.requirements")
    requirement = requirements.Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    installed = installed_version(requirement.name)
    if installed and requirement.specifier.contains(installed, prereleases=True):
        return None
    return Need(line, requirement.name, installed)

"""Installing what is missing, by Slicer's own means."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from .requirements import TORCH, TORCH_VERSION, Requirements

REQUESTER = "FluoroSAM"


class InstallationError(Exception):
    """The message says what to do."""


class Installer:
    """Installs on demand only; runs pip, and so Qt, on the main thread."""

    def __init__(self, requirements: Requirements) -> None:
        self._requirements = requirements

    def needs(self) -> list:
        torch = self._requirements.torch()
        return ([torch] if torch else []) + self._requirements.missing()

    def hasPyTorchExtension(self) -> bool:
        return importlib.util.find_spec("PyTorchUtils") is not None

    def install(self, wheels: Path | None = None) -> bool:
        """Install all that is missing, from a folder of wheels if one is given, else from the internet.

        True if Slicer has to be restarted for it to take effect. Raises InstallationError.
        """
        loaded = {need.name for need in self.needs() if need.installed and _module(need.name) in sys.modules}
        torch = self._requirements.torch()
        if torch is not None:
            self._installTorch(torch, wheels)
        missing = [need.requirement for need in self._requirements.missing()]
        if missing:
            self._pip(missing, wheels)
        importlib.invalidate_caches()
        left = self.needs()
        if left:
            raise InstallationError(
                _("These packages could not be installed: {names}. The Python console says why.").format(
                    names=", ".join(need.name for need in left)
                )
            )
        return bool(loaded)

    def _installTorch(self, need, wheels: Path | None) -> None:
        if need.installed:
            raise InstallationError(
                _(
                    "PyTorch {installed} is installed, but {wanted} is needed. It is left as it is, because other "
                    "extensions may need it: update it in the PyTorch module, then restart Slicer."
                ).format(installed=need.installed, wanted=TORCH_VERSION)
            )
        if wheels is None and self.hasPyTorchExtension():
            utils = importlib.import_module("PyTorchUtils")
            if utils.PyTorchUtilsLogic().installTorch(
                askConfirmation=False, torchVersionRequirement=TORCH_VERSION
            ):
                return
            raise InstallationError(_("PyTorch was not installed. Try it in the PyTorch module."))
        self._pip([TORCH + TORCH_VERSION], wheels)

    def _pip(self, packages: list[str], wheels: Path | None) -> None:
        if wheels is not None and not any(Path(wheels).glob("*.whl")):
            raise InstallationError(
                _("{folder} holds no wheels (.whl files). Choose the folder they are in.").format(
                    folder=wheels
                )
            )
        options = [] if wheels is None else ["--no-index", "--find-links", Path(wheels).as_posix()]
        descriptor, name = tempfile.mkstemp("-constraints.txt", text=True)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self._requirements.constraints())
        try:
            _run_pip([*options, *packages], Path(name))
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            raise InstallationError(
                _(
                    "The installation of {names} failed. Check the internet connection, or install from a "
                    "folder of wheels. The Python console has the details."
                ).format(names=", ".join(packages))
            ) from error
        finally:
            os.unlink(name)


def _run_pip(arguments: list[str], constraints: Path) -> None:
    try:
        from slicer.packaging import pip_install
    except ImportError:  # Slicer before 5.11; it takes one string
        quoted = [shlex.quote(one) for one in (*arguments, "-c", constraints.as_posix())]
        slicer.util.pip_install(" ".join(quoted))
        return
    pip_install(arguments, constraints=constraints.as_posix(), requester=REQUESTER, show_progress=True)


def _module(package: str) -> str:
    return {"Pillow": "PIL"}.get(package, package.replace("-", "_"))

"""The first run: what is missing, in plain words, and the buttons that install it."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from ..binding import connect
from ..dialogs import Dialogs
from ..installer import InstallationError, Installer
from ..requirements import TORCH


class InstallBox:
    """Hidden while nothing is missing. ``onReady()`` is called when all is there after an installation."""

    def __init__(self, ui, installer: Installer, dialogs: Dialogs, onReady: Callable[[], None]) -> None:
        self._ui, self._installer, self._dialogs, self._onReady = ui, installer, dialogs, onReady
        connect(ui.installButton, "clicked()", self.install)
        connect(ui.offlineButton, "clicked()", self.installOffline)

    def check(self) -> bool:
        """Whether the model can run; shows the box if it cannot."""
        needs = self._installer.needs()
        self._ui.installFrame.setVisible(bool(needs))
        if needs:
            self._ui.installLabel.setText(self._explanation(needs))
        return not needs

    def install(self) -> None:
        self._run(None)

    def installOffline(self) -> None:
        folder = self._dialogs.folder(_("Folder with the wheels (.whl files)"))
        if folder is not None:
            self._run(folder)

    def _run(self, folder) -> None:
        self._enable(False)
        try:
            restart = self._installer.install(folder)
        except InstallationError as error:
            self._ui.installLabel.setText(str(error))
            return
        finally:
            self._enable(True)
        if restart:
            self._ui.installLabel.setText(_("Everything is installed. Restart Slicer to use it."))
        elif self.check():
            self._onReady()

    def _enable(self, on: bool) -> None:
        self._ui.installButton.setEnabled(on)
        self._ui.offlineButton.setEnabled(on)

    def _explanation(self, needs: list) -> str:
        names = ", ".join(_("PyTorch") if need.name == TORCH else need.name for need in needs)
        text = _("Before the first use, Slicer needs {count} more Python packages: {names}.").format(
            count=len(needs), names=names
        )
        if any(need.name == TORCH for need in needs):
            text += " " + (
                _("The PyTorch extension chooses the PyTorch that suits this computer.")
                if self._installer.hasPyTorchExtension()
                else _(
                    "PyTorch is a large download (0.2 to 3 GB); the PyTorch extension lets you choose its version."
                )
            )
        return (
            text + " " + _("The compact model itself comes with this module; no image leaves this computer.")
        )

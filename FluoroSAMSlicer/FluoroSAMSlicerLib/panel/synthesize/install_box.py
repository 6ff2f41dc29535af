"""What the Synthesize tab lacks on its first use, and the buttons that install it."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from ..binding import connect
from ..dialogs import Dialogs
from ..installer import InstallationError, Installer
from ..requirements import Need, Requirements


class SynthesizeRequirements(Requirements):
    """Images are rendered without the model, and so without torch."""

    def torch(self) -> Need | None:
        return None


class InstallBox:
    """Hidden while nothing is missing. ``onReady()`` is called when all is there after an installation."""

    def __init__(self, ui, installer: Installer, dialogs: Dialogs, onReady: Callable[[], None]) -> None:
        self._ui, self._installer, self._dialogs, self._onReady = ui, installer, dialogs, onReady
        connect(ui.installButton, "clicked()", lambda: self._install(None))
        connect(ui.offlineButton, "clicked()", self._offline)

    def check(self) -> bool:
        """Whether images can be rendered; shows the box if they cannot."""
        needs = self._installer.needs()
        self._ui.installFrame.setVisible(bool(needs))
        if needs:
            names = ", ".join(need.name for need in needs)
            self._ui.installLabel.setText(
                _("To render images, Slicer needs these Python packages: {names}.").format(names=names)
            )
        return not needs

    def _offline(self) -> None:
        folder = self._dialogs.folder(_("Folder with the wheels (.whl files)"))
        if folder is not None:
            self._install(folder)

    def _install(self, folder) -> None:
        ui = self._ui
        for button in (ui.installButton, ui.offlineButton):
            button.setEnabled(False)
        try:
            restart = self._installer.install(folder)
        except InstallationError as error:
            ui.installLabel.setText(str(error))
            return
        finally:
            for button in (ui.installButton, ui.offlineButton):
                button.setEnabled(True)
        if restart:
            ui.installLabel.setText(_("Everything is installed. Restart Slicer to use it."))
        elif self.check():
            self._onReady()

"""Which model answers, and on which device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from .binding import Held, connect
from .context import SegmentContext
from .settings import Settings

COMPACT = "compact"
DEVICES = ("auto", "cuda", "mps", "cpu")


class ModelSection:
    """``install(path)`` checks a published checkpoint, keeps what is needed of it and gives its place;
    ``onModel()`` is called when another model or device was chosen."""

    def __init__(
        self, ui, context: SegmentContext, settings: Settings, install: Callable, onModel: Callable[[], None]
    ) -> None:
        self._ui, self._context, self._settings = ui, context, settings
        self._install, self._onModel = install, onModel
        self._held = Held()
        titles = (_("Automatic"), _("GPU (NVIDIA)"), _("GPU (Apple)"), _("Processor"))
        for device, title in zip(DEVICES, titles, strict=True):
            ui.deviceComboBox.addItem(title, device)
        self._listModels()
        device = settings.text("device", DEVICES[0])
        ui.deviceComboBox.setCurrentIndex(max(ui.deviceComboBox.findData(device), 0))
        connect(ui.modelComboBox, "currentIndexChanged(int)", self._onChosen)
        connect(ui.deviceComboBox, "currentIndexChanged(int)", self._onChosen)
        connect(ui.installModelButton, "clicked()", self._onInstall)
        self._use()

    def _listModels(self) -> None:
        with self._held:
            box = self._ui.modelComboBox
            box.clear()
            box.addItem(_("Compact (comes with this module)"), COMPACT)
            for path in self._settings.names("models"):
                if Path(path).exists():
                    box.addItem(Path(path).name, path)
            box.setCurrentIndex(max(box.findData(self._settings.text("model", COMPACT)), 0))

    def _use(self) -> None:
        ui = self._ui
        model = ui.modelComboBox.itemData(ui.modelComboBox.currentIndex)
        device = ui.deviceComboBox.itemData(ui.deviceComboBox.currentIndex)
        self._context.logic.setModel(model, device)

    def _onChosen(self, _index: int) -> None:
        if self._held:
            return
        ui = self._ui
        self._settings.set("model", ui.modelComboBox.itemData(ui.modelComboBox.currentIndex))
        self._settings.set("device", ui.deviceComboBox.itemData(ui.deviceComboBox.currentIndex))
        self._use()
        self._onModel()

    def _onInstall(self) -> None:
        path = self._context.dialogs.openFile(
            _("Published FluoroSAM checkpoint"),
            _("Checkpoints") + " (*.pth *.pt *.ckpt *.safetensors *.zip);;" + _("All files") + " (*)",
            self._settings.text("modelFolder"),
        )
        if path is None or not self._context.dialogs.accept(licence_text()):
            return
        place = self._context.attempt(self._install, path)
        if place is None:
            return
        self._settings.set("modelFolder", str(path.parent))
        known = [str(place), *(one for one in self._settings.names("models") if one != str(place))]
        self._settings.set("models", known)
        self._settings.set("model", str(place))
        self._listModels()
        self._use()
        self._onModel()


def licence_text() -> str:
    return _(
        "The published FluoroSAM weights are licensed under CC BY-NC-SA 4.0:\n\n"
        "\N{BULLET} give credit to their authors,\n"
        "\N{BULLET} no commercial use,\n"
        "\N{BULLET} pass changed weights on under the same licence.\n\n"
        "They are for research and no medical device. The full licence is at "
        "https://creativecommons.org/licenses/by-nc-sa/4.0/\n\n"
        "Do you accept these terms and use these weights?"
    )

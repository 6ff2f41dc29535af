"""Which model answers, and on which device."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from ...model import installed_models, saved_model_folder, user_model_folder
from ..binding import Held, connect
from ..settings import Settings
from .checkpoint_request import CheckpointRequest, model_name
from .context import Context

COMPACT = "compact"
DEVICES = ("auto", "cuda", "mps", "cpu")


class ModelSection:
    """``onModel()`` is called when another model or device was chosen. A published checkpoint, after its licence was
    accepted, or a training's result is installed in the background; `installed` takes what came of it."""

    def __init__(self, ui, context: Context, settings: Settings, onModel: Callable[[], None]) -> None:
        self._ui, self._context, self._settings, self._onModel = ui, context, settings, onModel
        self._held = Held()
        titles = (_("Automatic"), _("GPU (NVIDIA)"), _("GPU (Apple)"), _("Processor"))
        for device, title in zip(DEVICES, titles, strict=True):
            ui.deviceComboBox.addItem(title, device)
        self._list()
        device = settings.text("device", DEVICES[0])
        ui.deviceComboBox.setCurrentIndex(max(ui.deviceComboBox.findData(device), 0))
        connect(ui.modelComboBox, "currentIndexChanged(int)", self._onChosen)
        connect(ui.deviceComboBox, "currentIndexChanged(int)", self._onChosen)
        connect(ui.installModelButton, "clicked()", self._onInstall)
        self._use()

    def installed(self, model) -> None:
        """A checkpoint was installed; it becomes the chosen model."""
        self._settings.set("model", model.name)
        self._list()
        self._use()
        self._context.status.say(" ".join((_("{name} is installed.").format(name=model.name), *model.notes)))
        self._onModel()

    def _list(self) -> None:
        box = self._ui.modelComboBox
        with self._held:
            box.clear()
            box.addItem(_("Compact (comes with this module)"), COMPACT)
            for name in installed_models():
                box.addItem(name, name)
            box.setCurrentIndex(max(box.findData(self._settings.text("model", COMPACT)), 0))
        box.setToolTip(
            _(
                "The weights that answer. Installed ones are in {folder}; delete their folder to remove them."
            ).format(folder=user_model_folder())
        )

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
        dialogs = self._context.dialogs
        path = dialogs.openFile(
            _("Published FluoroSAM checkpoint, or model.safetensors of a training"),
            _("Models") + " (*.ckpt *.pth *.pt *.safetensors);;" + _("All files") + " (*)",
            self._settings.text("modelFolder"),
        )
        if path is None:
            return
        name = model_name(path)
        replace = name in installed_models()
        if replace and not dialogs.confirm(
            _("A model called {name} is installed already. Replace it?").format(name=name)
        ):
            return
        if saved_model_folder(path) or dialogs.accept(licence_text()):
            self._settings.set("modelFolder", str(path.parent))
            title = _("Installing {name}").format(name=name)
            self._context.submit(CheckpointRequest(path, name, title, replace))


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

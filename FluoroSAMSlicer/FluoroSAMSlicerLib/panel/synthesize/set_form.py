"""The form of a training set: numbers that are fixed or vary between two ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...mrml.synthesize.view import DEFAULT_PIXELS
from ..binding import Held, connect

SIZES = (128, 256, 384, 512, 768, 1024, 1536)


@dataclass(frozen=True)
class Varying:
    """A row of the form: its check box says whether the number varies, its boxes are the ends."""

    field: str
    stem: str
    low: float
    high: float
    varies: bool = True


ROWS = (
    Varying("lao_deg", "lao", -45, 45),
    Varying("cra_deg", "cra", -25, 25),
    Varying("rotation_deg", "turn", 0, 10, False),
    Varying("sdd_mm", "sdd", 1000, 1200),
    Varying("sid_mm", "sid", 600, 800),
    Varying("detector_mm", "detector", 300, 400),
    Varying("kilovolts", "kilovolts", 60, 120),
    Varying("dose_ugy", "dose", 0.05, 5),
)
NUMBERS = {"count": "countSpinBox", "tools": "toolsSpinBox", "seed": "seedSpinBox"}
DEFAULTS = {"count": 100, "tools": 0, "seed": 0, "size": DEFAULT_PIXELS}


class SetForm:
    """``onChange()`` hears of what the user changes."""

    def __init__(self, ui, onChange: Callable[[], None]) -> None:
        self._ui, self._onChange, self._held = ui, onChange, Held()
        for size in SIZES:
            ui.sizeComboBox.addItem(f"{size} \N{MULTIPLICATION SIGN} {size}", size)
        for row in ROWS:
            check, low, high = self._widgets(row)
            connect(check, "toggled(bool)", lambda on, high=high: high.setEnabled(on))
            connect(check, "toggled(bool)", self._changed)
            connect(low, "valueChanged(double)", self._changed)
            connect(high, "valueChanged(double)", self._changed)
        for widget in NUMBERS.values():
            connect(getattr(ui, widget), "valueChanged(int)", self._changed)
        connect(ui.sizeComboBox, "currentIndexChanged(int)", self._changed)
        self.show({})

    def content(self) -> dict:
        """What the form says, for keeping; `show` takes it."""
        ui = self._ui
        kept: dict = {name: int(getattr(ui, widget).value) for name, widget in NUMBERS.items()}
        kept["size"] = int(ui.sizeComboBox.itemData(ui.sizeComboBox.currentIndex))
        for row in ROWS:
            check, low, high = self._widgets(row)
            kept[row.field] = [float(low.value), float(high.value), bool(check.checked)]
        return kept

    def show(self, content: dict) -> None:
        ui = self._ui
        with self._held:
            for name, widget in NUMBERS.items():
                getattr(ui, widget).setValue(int(content.get(name, DEFAULTS[name])))
            size = ui.sizeComboBox.findData(int(content.get("size", DEFAULTS["size"])))
            ui.sizeComboBox.setCurrentIndex(max(size, 0))
            for row in ROWS:
                check, low, high = self._widgets(row)
                first, last, varies = content.get(row.field, (row.low, row.high, row.varies))
                low.setValue(float(first))
                high.setValue(float(last))
                check.setChecked(bool(varies))
                high.setEnabled(bool(varies))

    def named(self) -> dict:
        """Arguments of SetSettings, the count included."""
        content = self.content()
        named = {name: content[name] for name in (*NUMBERS, "size")}
        for row in ROWS:
            low, high, varies = content[row.field]
            named[row.field] = (low, high) if varies else low
        return named

    def _widgets(self, row: Varying):
        ui, stem = self._ui, row.stem
        return (
            getattr(ui, f"{stem}CheckBox"),
            getattr(ui, f"{stem}LowSpinBox"),
            getattr(ui, f"{stem}HighSpinBox"),
        )

    def _changed(self, *_) -> None:
        if not self._held:
            self._onChange()

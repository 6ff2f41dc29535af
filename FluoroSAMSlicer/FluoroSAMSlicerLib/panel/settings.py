"""What belongs to the machine and not to a scene, kept in Slicer's settings."""

from __future__ import annotations

import qt
import slicer.util

GROUP = "FluoroSAM/"


class Settings:
    """Model, device, folder and recent names, as the last session left them."""

    def text(self, name: str, default: str = "") -> str:
        return slicer.util.settingsValue(GROUP + name, default, converter=str)

    def flag(self, name: str, default: bool) -> bool:
        return slicer.util.settingsValue(GROUP + name, default, converter=slicer.util.toBool)

    def names(self, name: str) -> list[str]:
        """A list, stored as lines: what settings files make of a list differs between systems."""
        return [line for line in self.text(name).split("\n") if line]

    def set(self, name: str, value: str | bool | list[str]) -> None:
        qt.QSettings().setValue(GROUP + name, "\n".join(value) if isinstance(value, list) else value)

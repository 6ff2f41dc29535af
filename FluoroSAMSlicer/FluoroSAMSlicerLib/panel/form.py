"""A form of the module as its widgets."""

from __future__ import annotations

from pathlib import Path

import slicer.util


def load_form(path: Path):
    """An object whose attributes are the form's named widgets; ``root`` is the whole."""
    root = slicer.util.loadUI(str(path))
    ui = slicer.util.childWidgetVariables(root)
    ui.root = root
    # A scroll area fills its background, which in a tab is another one than that of the bar below.
    for part in (ui.scrollContent, ui.scrollArea.viewport()):
        part.setAutoFillBackground(False)
    return ui

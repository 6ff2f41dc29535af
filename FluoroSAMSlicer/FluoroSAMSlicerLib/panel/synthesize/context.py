"""What the parts of the Synthesize tab share: the CT, its labels, the view, the image, and how to ask for work."""

from __future__ import annotations

import logging
from collections.abc import Callable

from slicer.i18n import tr as _

from ..binding import Held
from ..dialogs import Dialogs
from ..status_line import StatusLine


class Context:
    """``ct`` and ``labels`` are nodes or None, ``segments`` the ids that are ticked (None: there are no labels).
    ``view`` is a ViewSettings, ``image`` the volume that was rendered last. ``ready`` is False as
    long as packages are missing. ``jobs`` is set by the panel."""

    def __init__(self, logic, status: StatusLine, dialogs: Dialogs) -> None:
        self.logic, self.status, self.dialogs = logic, status, dialogs
        self.changing = Held()
        self.jobs = None
        self.ct = self.labels = self.image = None
        self.segments: list[str] | None = None
        self.view = None
        self.ready = True
        self._viewWarning = ""

    def attempt(self, action: Callable, *args, **named):
        """The result of an action of the logic; None, and a message in the panel, where it fails."""
        try:
            with self.changing:
                return action(*args, **named)
        except Exception as error:
            self.status.warn(explained(error))
        return None

    def warnOfView(self, text: str) -> None:
        """Say what is wrong with the view, until `viewIsFine`."""
        self.status.warn(text)
        self._viewWarning = self.status.text

    def viewIsFine(self) -> None:
        """Take back the warning about the view, if it is still shown."""
        if self._viewWarning and self.status.text == self._viewWarning:
            self.status.clear()
        self._viewWarning = ""


def explained(error: Exception) -> str:
    """What went wrong, for the user; the console has the details of what nobody foresaw."""
    from ...mrml.synthesize.logic import USER_ERRORS, Cancelled

    if isinstance(error, Cancelled):
        return _("Stopped.")
    if isinstance(error, USER_ERRORS):
        text = str(error)
        return text[:1].upper() + text[1:]
    if isinstance(error, ImportError):
        return _("A Python package is missing: {name}.").format(name=error.name or error)
    logging.error("The Synthesize tab failed", exc_info=error)
    return _("Something went wrong; the Python console has the details: {error}").format(error=error)

"""What the parts of the Segment tab share: the image and the segment that are worked on, and how to ask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from slicer.i18n import tr as _

from ..binding import Held
from ..dialogs import Dialogs
from ..status_line import StatusLine


class Context:
    """``changing`` holds while the program itself changes prompts. ``ready`` is False as long as packages
    that the model needs are missing. ``jobs`` is set by whoever makes the Jobs."""

    def __init__(self, logic, status: StatusLine, dialogs: Dialogs) -> None:
        self.logic, self.status, self.dialogs = logic, status, dialogs
        self.changing = Held()
        self.jobs = None
        self.volume = None
        self.segment: str | None = None
        self.ready = True

    def attempt(self, action: Callable, *args, **named):
        """The result of an action of the logic; None, and a message in the panel, where it fails."""
        from ...mrml.segment.logic import USER_ERRORS, NeedsConfirmation

        try:
            with self.changing:
                return action(*args, **named)
        except NeedsConfirmation as question:
            if not self.dialogs.confirm(str(question)):
                return None
            with self.changing:
                return action(*args, **named, overwriteEdits=True)
        except USER_ERRORS as error:
            self.status.warn(str(error))
        except ImportError as error:
            self.status.warn(_("A Python package is missing: {name}.").format(name=error.name or error))
        except Exception as error:
            logging.exception("The Segment tab failed")
            self.status.warn(
                _("Something went wrong; the Python console has the details: {error}").format(error=error)
            )
        return None

    def submit(self, requests) -> bool:
        """Have one request, or several, answered in the background; False if there is none."""
        if requests is None:
            return False
        wanted = list(requests) if isinstance(requests, Iterable) else [requests]
        if wanted and not self.ready:
            self.status.warn(_("First install what is missing, by the button at the top."))
        elif wanted:
            self.status.clear()
            self.jobs.submit(wanted)
        return bool(wanted)

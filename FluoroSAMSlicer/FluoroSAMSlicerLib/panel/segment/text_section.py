"""Names: typing them, what they were taken for, presets and names asked for before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

import qt
from slicer.i18n import tr as _

from ...anatomy import AnatomyError
from ..binding import connect
from ..name_completer import NameCompleter
from ..settings import Settings

PREVIEW_MS = 300
RECENT = 12
EXPLAINED = 3
"""Letters from which on a line is explained: fewer mean too many things."""
ALTERNATIVES_SHOWN = 4
NARROW = 240
PRESETS_A_ROW = 3
ARROW = "\N{RIGHTWARDS ARROW} "


class TextSection:
    """``vocabulary`` has ``complete(prefix, limit)`` and ``presets``; ``choices(text)`` says what a line means,
    a NameChoice for each name. ``onAsk(text)`` is called for a line that shall be segmented, after
    ``confirm(question)`` where a name in it is none of the vocabulary's.
    """

    def __init__(
        self,
        ui,
        complete: Callable,
        choices: Callable,
        presets: Mapping[str, Sequence[str]],
        settings: Settings,
        onAsk: Callable[[str], None],
        confirm: Callable[[str], bool],
    ) -> None:
        self._ui, self._choices, self._settings, self._onAsk = ui, choices, settings, onAsk
        self._confirm = confirm
        self._shown: list = []
        self._trouble = ""
        self._open: int | None = None
        self._actions: list = []
        self._completer = NameCompleter(ui.textEdit, complete)
        self._preview = qt.QTimer()
        self._preview.setSingleShot(True)
        self._preview.setInterval(PREVIEW_MS)
        connect(self._preview, "timeout()", lambda: self.explain())
        connect(ui.textEdit, "textChanged(QString)", lambda _text: self._preview.start())
        connect(ui.textEdit, "returnPressed()", self._onReturn)
        connect(ui.segmentButton, "clicked()", self.ask)
        connect(ui.meaningLabel, "linkActivated(QString)", self._onLink)
        ui.meaningLabel.setVisible(False)
        self._makePresets(presets)
        self._listRecent()

    @property
    def text(self) -> str:
        return self._ui.textEdit.text

    @property
    def explaining(self) -> bool:
        """Whether the line was changed and what it means is not told yet."""
        return self._preview.isActive()

    def setText(self, text: str) -> None:
        if text != self.text:
            self._ui.textEdit.setText(text)

    def setEnabled(self, enabled: bool) -> None:
        self._ui.segmentButton.setEnabled(enabled)
        for button in self._presetButtons:
            button.setEnabled(enabled)

    def close(self) -> None:
        self._preview.stop()

    def ask(self) -> None:
        """Segment what the line says."""
        self.explain(least=1)
        if not self._ui.segmentButton.enabled:
            return
        text = self.text.strip()
        if self._trouble or any(choice.ambiguous for choice in self._shown):
            return
        unknown = [f'"{choice.typed}"' for choice in self._shown if not choice.known]
        if unknown and not self._confirm(
            _("{names}: not a known structure. Its mask may lie anywhere. Try all the same?").format(
                names=", ".join(unknown)
            )
        ):
            return
        self._onAsk(text)
        if text:
            self._remember(text)

    def explain(self, least: int = EXPLAINED) -> None:
        """Say what the line was taken for, from ``least`` letters on."""
        self._preview.stop()
        text = self.text.strip()
        self._shown, self._trouble = [], ""
        try:
            self._shown = self._choices(text) if len(text) >= least else []
        except AnatomyError as error:
            self._trouble = str(error)
        self._open = 0 if len(self._shown) == 1 else None
        self._tell()

    def _tell(self) -> None:
        """Names that were understood share a line, the one of them that was opened and those in doubt have
        one each. Links are "number" for opening a name and "number:place" for an alternative."""
        plain, lines = [], [escape(self._trouble)] if self._trouble else []
        for number, choice in enumerate(self._shown):
            if choice.ambiguous or not choice.known or number == self._open:
                lines.append(self._line(number, choice))
            else:
                plain.append(f'<a href="{number}">{escape(choice.title)}</a>')
        if plain:
            lines.insert(0, ARROW + ", ".join(plain))
        label = self._ui.meaningLabel
        label.setText("<br>".join(lines))
        label.setVisible(bool(lines))
        # A collapsible section does not ask its labels how high they get when their lines are broken.
        label.setMinimumHeight(label.heightForWidth(max(label.width, NARROW)) if lines else 0)

    def _line(self, number: int, choice) -> str:
        others = choice.alternatives[:ALTERNATIVES_SHOWN]
        links = " \N{MIDDLE DOT} ".join(
            f'<a href="{number}:{place}">{escape(other.name)}</a>' for place, other in enumerate(others)
        )
        typed = escape(choice.typed)
        if choice.ambiguous:
            return _("<b>{typed}</b>: which one? {links}").format(typed=typed, links=links)
        if not choice.known:
            line = _("<b>{typed}</b> is not in the vocabulary and goes to the model as typed.")
            line = line.format(typed=typed)
            return line + (" " + _("Did you mean {links}?").format(links=links) if links else "")
        line = f"{ARROW}<b>{escape(choice.title)}</b>"
        return line + (" " + _("or {links}").format(links=links) if links else "")

    def _onReturn(self) -> None:
        if not self._completer.choosing:
            self.ask()

    def _onLink(self, link: str) -> None:
        """Open a name, or put an alternative in its place and segment if that settles all names."""
        number, _colon, place = link.partition(":")
        if not place:
            self._open = int(number)
            self._tell()
            return
        names = [choice.typed for choice in self._shown]
        names[int(number)] = self._shown[int(number)].alternatives[int(place)].name
        self._ui.textEdit.setText(", ".join(names))
        self.ask()

    def _makePresets(self, presets: Mapping[str, Sequence[str]]) -> None:
        self._presetButtons = []
        titles = {
            "chest": _("Chest"),
            "pelvis": _("Pelvis"),
            "spine": _("Spine"),
            "knee": _("Knee"),
            "hand": _("Hand"),
            "foot": _("Foot"),
        }
        layout = self._ui.presetFrame.layout()
        for title, names in presets.items():
            button = qt.QToolButton(self._ui.presetFrame)
            button.setText(titles.get(title, title))
            button.setObjectName(f"{title}PresetButton")
            button.setToolTip(_("Segment {names}").format(names=", ".join(names)))
            button.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
            connect(button, "clicked()", lambda names=tuple(names): self._askFor(", ".join(names)))
            place = len(self._presetButtons)
            layout.addWidget(button, place // PRESETS_A_ROW, place % PRESETS_A_ROW)
            self._presetButtons.append(button)

    def _askFor(self, text: str) -> None:
        self.setText(text)
        self.ask()

    def _remember(self, text: str) -> None:
        known = [text, *(name for name in self._settings.names("recentNames") if name != text)]
        self._settings.set("recentNames", known[:RECENT])
        self._listRecent()

    def _listRecent(self) -> None:
        button = self._ui.recentButton
        for action in self._actions:
            button.removeAction(action)
            action.deleteLater()
        self._actions = []
        for text in self._settings.names("recentNames"):
            action = qt.QAction(text if len(text) < 60 else text[:57] + "...", button)
            connect(action, "triggered()", lambda text=text: self._askFor(text))
            button.addAction(action)
            self._actions.append(action)
        button.setEnabled(bool(self._actions))

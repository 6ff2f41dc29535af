"""Training sets: what varies, a look at random samples, and the long run in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ..background import BackgroundJobs
from ..binding import connect
from ..settings import Settings
from ..status_line import WARNING
from .context import Context, explained
from .picture import mosaic, show_picture
from .set_form import SetForm

SAMPLES, COLUMNS, PICTURE_PX = 6, 3, 356
NARROW, MARGINS = 220, 24


class SetSection:
    """The run has a thread of its own, so that views can be looked at meanwhile. ``onSamples(request)`` is asked to
    have samples made; `showSamples` takes them. ``onChange()`` hears of what the user changes in the form."""

    def __init__(
        self,
        ui,
        context: Context,
        settings: Settings,
        background: BackgroundJobs,
        onSamples: Callable,
        onChange: Callable[[], None],
    ) -> None:
        self._ui, self._context, self._settings = ui, context, settings
        self._background, self._onSamples = background, onSamples
        self.form = SetForm(ui, onChange)
        background.listener = self
        ui.folderEdit.setText(settings.text("setFolder"))
        connect(ui.folderButton, "clicked()", self._onFolder)
        connect(ui.folderEdit, "editingFinished()", self._onTyped)
        connect(ui.samplesButton, "clicked()", self._onSamplesButton)
        connect(ui.generateButton, "clicked()", self._onGenerate)
        connect(ui.stopButton, "clicked()", self.stop)
        ui.samplesLabel.setVisible(False)
        self._say("")
        self._running(False)

    @property
    def busy(self) -> bool:
        return self._background.busy

    def refresh(self) -> None:
        """Enable what can be done now."""
        ui, context = self._ui, self._context
        usable = context.ct is not None and bool(context.segments) and context.ready
        ui.samplesButton.setEnabled(usable)
        ui.generateButton.setEnabled(usable and not self.busy)
        unfinished = _begun(self._folder()) and not _finished(self._folder())
        ui.generateButton.setText(_("Go on with this set") if unfinished else _("Generate"))

    def stop(self) -> None:
        """End the run after the image at hand; the same settings go on from there."""
        self._background.cancel()
        if self.busy:
            self._say(_("Stopping after this image..."))

    def close(self) -> None:
        self._background.close()

    def showSamples(self, samples) -> None:
        label = self._ui.samplesLabel
        side = max(NARROW, min(PICTURE_PX, self._ui.setSectionButton.width - MARGINS))
        show_picture(label, mosaic(samples.pictures, COLUMNS), side)
        label.setToolTip("\n".join(f"{number}. {text}" for number, text in enumerate(samples.captions, 1)))
        label.setVisible(True)

    def jobProgress(self, _request, fraction: float, text: str) -> None:
        bar = self._ui.setProgressBar
        bar.setValue(round(1000 * max(fraction, 0)))
        bar.setFormat(text)

    def jobDone(self, _request, report) -> None:
        self._say(report_words(report))

    def jobFailed(self, _request, error: Exception) -> None:
        self._say(f"{WARNING} {explained(error)}")

    def jobsFinished(self) -> None:
        self._running(False)
        self.refresh()

    def _request(self, make: Callable, *args, **named):
        """A request made from the form; None, and a message in this section, where it cannot be."""
        context = self._context
        try:
            wanted = context.logic.setSettings(**self.form.named())
            return make([(context.ct, context.labels)], wanted, *args, segments=context.segments, **named)
        except Exception as error:
            self._say(f"{WARNING} {explained(error)}")
        return None

    def _onSamplesButton(self) -> None:
        self._say("")
        request = self._request(self._context.logic.samplesRequest, SAMPLES)
        if request is not None:
            self._onSamples(request)

    def _onGenerate(self) -> None:
        self._say("")
        request = self._request(self._context.logic.setRequest, self._folder())
        if request is not None:
            self._background.submit(request)
            self._running(True)

    def _onFolder(self) -> None:
        path = self._context.dialogs.folder(_("Folder for the training set"), self._folder())
        if path is not None:
            self._ui.folderEdit.setText(str(path))
            self._onTyped()

    def _onTyped(self) -> None:
        self._settings.set("setFolder", self._folder())
        self.refresh()

    def _folder(self) -> str:
        return self._ui.folderEdit.text.strip()

    def _running(self, running: bool) -> None:
        ui = self._ui
        bar = ui.setProgressBar
        bar.setRange(0, 1000)
        if running:
            bar.setValue(0)
            bar.setFormat(_("Beginning..."))
        bar.setVisible(running)
        ui.stopButton.setVisible(running)
        ui.generateButton.setEnabled(not running)

    def _say(self, text: str) -> None:
        self._ui.setMessageLabel.setText(text)
        self._ui.setMessageLabel.setVisible(bool(text))


def report_words(report) -> str:
    """What a run left behind, in words."""
    rate = report.made / report.seconds if report.seconds > 0 else 0
    made = _("{images} images in {folder} ({made} made now, {rate:.2g} a second).").format(
        images=report.images, folder=report.folder, made=report.made, rate=rate
    )
    if report.failures:
        return " ".join((f"{WARNING} {made}", *(f"{name}: {why}." for name, why in report.failures.items())))
    if report.cancelled:
        return _("Stopped: {made} Press the button again to go on.").format(made=made)
    return _("Finished: {made}").format(made=made)


def _begun(folder: str) -> bool:
    return bool(folder) and (Path(folder) / "set.json").is_file()


def _finished(folder: str) -> bool:
    return (Path(folder) / "images.csv").is_file()

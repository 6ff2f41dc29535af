"""Files from the segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from slicer.i18n import tr as _

from ..binding import connect
from ..settings import Settings
from .context import Context
from .file_job import FileJob


@dataclass(frozen=True)
class ExportFormat:
    """``function`` of ``mrml.export`` writes it; ``suffix`` is empty for formats of a file per segment."""

    title: str
    function: str
    suffix: str
    filters: str = ""


def formats() -> tuple[ExportFormat, ...]:
    return (
        ExportFormat(_("Slicer segmentation (.seg.nrrd)"), "exportSegNrrd", ".seg.nrrd", "(*.seg.nrrd)"),
        ExportFormat(_("NIfTI masks, one per segment"), "exportNifti", ""),
        ExportFormat(_("PNG masks, one per segment"), "exportMasks", ""),
        ExportFormat(_("PNG overlay picture"), "exportOverlay", ".png", "(*.png)"),
        ExportFormat(_("COCO JSON"), "exportCoco", ".json", "(*.json)"),
        ExportFormat(_("Table of areas (CSV)"), "exportAreas", ".csv", "(*.csv)"),
        ExportFormat(_("DICOM segmentation"), "exportDicomSeg", ".dcm", "(*.dcm)"),
    )


class ExportSection:
    """``fileForInstance(uid)`` finds DICOM files of Slicer's database; None where there is no database."""

    def __init__(
        self, ui, context: Context, settings: Settings, fileForInstance: Callable | None = None
    ) -> None:
        self._ui, self._context, self._settings = ui, context, settings
        self._fileForInstance = fileForInstance
        self._formats = formats()
        for one in self._formats:
            ui.formatComboBox.addItem(one.title)
        connect(ui.formatComboBox, "currentIndexChanged(int)", lambda _index: self.refresh())
        connect(ui.exportButton, "clicked()", self.export)

    def refresh(self) -> None:
        """Say whether the chosen format can be written now."""
        context, chosen = self._context, self._chosen
        there = context.volume is not None and bool(context.logic.segments(context.volume))
        reason = "" if there else _("There is nothing to export yet.")
        if there and chosen.function == "exportDicomSeg" and self._source() is None:
            reason = _("The image did not come from a DICOM file.")
        self._ui.exportButton.setEnabled(not reason)
        self._ui.exportButton.setToolTip(reason)
        self._ui.selectedOnlyCheckBox.setEnabled(chosen.function != "exportSegNrrd")

    def export(self) -> None:
        """Ask where to, have it written in the background, and say what was written."""
        context, chosen = self._context, self._chosen
        segmentation = context.attempt(context.logic.segmentationFor, context.volume, create=False)
        if segmentation is None:
            return
        start = Path(self._settings.text("exportFolder")) / (context.volume.GetName() + chosen.suffix)
        if chosen.suffix:
            place = context.dialogs.saveFile(_("Export to"), f"{chosen.title} {chosen.filters}", str(start))
            if place is not None and not place.name.endswith(chosen.suffix):
                place = place.with_name(place.name + chosen.suffix)
        else:
            place = context.dialogs.folder(_("Export into"), str(start.parent))
        if place is None:
            return
        self._settings.set("exportFolder", str(place.parent if chosen.suffix else place))
        write = context.attempt(self._prepared, chosen, segmentation, place)
        if write is not None:
            title = _("Writing {name}").format(name=place.name)
            context.jobs.submitFile(FileJob(title, write, partial(self._onWritten, place)))

    def _onWritten(self, place: Path, written) -> None:
        files = written if isinstance(written, list) else [written]
        self._context.status.say(
            _("Wrote {file}").format(file=files[0])
            if len(files) == 1
            else _("Wrote {count} files into {folder}").format(count=len(files), folder=place)
        )

    @property
    def _chosen(self) -> ExportFormat:
        return self._formats[max(self._ui.formatComboBox.currentIndex, 0)]

    def _prepared(self, chosen: ExportFormat, segmentation, place: Path) -> Callable[[], object]:
        """What is left to do when all that is needed was taken from the scene."""
        from ...mrml import export

        prepare = getattr(export, chosen.function).prepare
        if chosen.function == "exportSegNrrd":
            return prepare(segmentation, place)
        more = {}
        if self._ui.selectedOnlyCheckBox.checked and self._context.segment:
            more["segmentIds"] = [self._context.segment]
        if chosen.function == "exportDicomSeg":
            more["fileForInstance"] = self._fileForInstance
        return prepare(segmentation, self._context.volume, place, **more)

    def _source(self) -> Path | None:
        from ...mrml.export import dicomSource

        return dicomSource(self._context.volume, self._fileForInstance)

"""The header of an image that a DICOM SEG is made from: brought into a form that the standard allows."""

from __future__ import annotations

import re
from pathlib import Path

from .drafts import ExportError

EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber",
)  # fmt: skip
"""Attributes of type 2 of the patient, study, series and image (PS3.3 C.7): always there, empty where unknown."""
DATES = {
    "DA": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "TM": re.compile(r"\d{2,6}(\.\d{1,6})?"),
}
STANDARD = "1.2.840.10008."
COPIED = (
    "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence", "PatientSpeciesCodeSequence",
    "PatientBreedCodeSequence", "ProcedureCodeSequence", "ReferencedStudySequence",
    "ConsultingPhysicianIdentificationSequence", "ReferringPhysicianIdentificationSequence",
    "PhysiciansOfRecordIdentificationSequence", "ReasonForPerformedProcedureCodeSequence",
)  # fmt: skip


def prepare(image, path: Path) -> None:
    """Bring a data set (no pixels) into the form that a SEG can be derived from, in place.

    Text of any character set is decoded and becomes ISO_IR 192 (PS3.3 C.12.1.1.2). Type 2 attributes that are
    absent are empty, dates and times that are none too; sequences of codes without a code are left out. Raises
    ExportError for an image that no SEG may refer to: without UIDs, or of a private or unknown SOP class.
    """
    from ...radiograph.dicom import modality_of

    if not str(image.get("SOPClassUID") or "").startswith(STANDARD):
        raise ExportError(
            f"{path.name} is of a private SOP class ({image.get('SOPClassUID') or 'none'}), which DICOM SEG cannot"
            " refer to. Choose another format, such as .seg.nrrd."
        )
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not image.get(keyword):
            raise ExportError(
                f"{path.name} has no {keyword}, which DICOM SEG refers to. Choose another format, such as .seg.nrrd."
            )
    _decode(image)
    for keyword in EMPTY:
        if image.get(keyword) is None:
            setattr(image, keyword, "" if keyword != "SeriesNumber" and keyword != "InstanceNumber" else None)
    for element in list(image):
        form = DATES.get(element.VR)
        if form and element.value and not form.fullmatch(str(element.value).strip()):
            image[element.tag].value = ""
    for keyword in COPIED:
        if keyword in image and not all(_coded(item) for item in image[keyword].value or ()):
            del image[keyword]
    sex = str(image.get("PatientSex") or "").strip().upper()
    image.PatientSex = sex if sex in ("M", "F", "O") else ""
    image.Modality = modality_of(image) or "OT"


def _decode(image) -> None:
    from pydicom.valuerep import PersonName

    try:
        image.decode()
    except (LookupError, ValueError, UnicodeError, AttributeError):
        pass  # an unknown character set: what can be read is read as ASCII
    image.SpecificCharacterSet = "ISO_IR 192"
    for element in image.iterall():
        if element.VR == "PN" and element.value:
            names = element.value if element.VM > 1 else [element.value]
            plain = [PersonName(str(name), encodings=["utf8"]) for name in names]
            element.value = plain if element.VM > 1 else plain[0]


def _coded(item) -> bool:
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    if "ReferencedSOPClassUID" in item:
        return bool(item.get("ReferencedSOPInstanceUID"))
    if "PersonIdentificationCodeSequence" in item:
        return all(_coded(one) for one in item.PersonIdentificationCodeSequence)
    return bool(
        value and (item.get("CodingSchemeDesignator") or item.get("URNCodeValue")) and item.get("CodeMeaning")
    )

"""Segments of radiographs in a scene: which segmentation belongs to which image, what each segment is,
and whether somebody changed it by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...segmentation import Prompt, PromptError
from ...segmentation.cut_mask import CutMask, fingerprint
from ..errors import SceneError
from ..nodes.image_state import check_volume, frame_of
from ..nodes.naming import structure_for
from ..nodes.placement import image_size
from ..nodes.points import SEGMENT_KEY, show
from ..nodes.segments import (
    LABELMAP,
    STRUCTURE_TAG,
    TAG_PREFIX,
    segment_mask,
    segment_tag,
    segmentation_node,
    set_segment,
)
from ..nodes.sequences import (
    browser_of,
    doubtful_frames,
    follow_browser,
    run_segmentation,
    set_doubtful_frames,
)
from .appearance import first_look
from .prompts import SegmentPrompt, StartMask
from .record import Record
from .regrid import follow_volume
from .segment_state import SegmentState, with_outcome, with_prompt

MASK_TAG = "mask"
CARRIED_TAG, TEXT_TAG = "carried", "text"
"""Tags of a segment that came from another frame of its run: 'yes', or why somebody should look, and its name as
typed."""


ANSWER_ANYWAY = "Replace it with the model's answer? To keep it and go on from it, press Start from mask instead."


class NeedsConfirmation(SceneError):
    """A segment was edited by hand and would be lost; the message is the question to the user."""

    def __init__(self, segmentId: str, name: str, question: str = ANSWER_ANYWAY):
        self.segmentId, self.name = segmentId, name
        super().__init__(f"{name} was changed by hand. {question}")


class ImageSegments:
    """The segments of every image of a scene, found and written; knows of prompts what the records keep.

    Methods with a volume node work on the frame that it shows now, those with a record on its image.
    """

    def __init__(self, scene) -> None:
        self.scene = scene
        self._written: dict[tuple[str, str], int] = {}

    def release(self) -> None:
        """Forget what saves work."""
        self._written.clear()

    def checkVolume(self, volumeNode) -> None:
        """Raise SceneError, with what to do, where the volume is no single X-ray image."""
        check_volume(volumeNode)

    def frameOf(self, volumeNode) -> int | None:
        """The item that a sequence browser shows in this volume; None for an image that is no proxy."""
        return frame_of(volumeNode)

    def segmentationFor(self, volumeNode, create: bool = True):
        """The segmentation node of the image that the volume shows; None if there is none to be had."""
        record = self.record(volumeNode) if create else self.known_record(volumeNode)
        return record.segmentation if record else None

    def useSegmentation(self, volumeNode, segmentationNode) -> None:
        """Go on in a segmentation that is in the scene already, such as a loaded ``.seg.nrrd``."""
        record = self.record(volumeNode)
        if record.segmentation is segmentationNode:
            return
        record.forget_all()
        segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        record.segmentation = segmentationNode

    def showFrame(self, volumeNode) -> None:
        """Show the segmentation of the frame that the volume shows now and hide those of its others."""
        frame = frame_of(volumeNode)
        for record in Record.all(self.scene):
            if record.volume is not volumeNode or frame is None:
                continue
            shown = record.frame == frame
            alone = record.shown_segmentation
            if alone is not None and browser_of(alone) is None:
                alone.SetDisplayVisibility(shown)
            if not shown:
                for points in record.points_nodes():
                    show(points, False)

    def setActiveSegment(self, volumeNode, segmentId: str | None) -> None:
        """Show the points of one segment, so that they can be moved; hide and lock all others."""
        current = self.known_record(volumeNode)
        key = self.key(current, segmentId) if current and segmentId else None
        for record in Record.all(self.scene):
            for points in record.points_nodes():
                own = current is not None and record.node is current.node
                show(points, own and points.GetAttribute(SEGMENT_KEY) == key)

    def segments(self, volumeNode) -> list[SegmentState]:
        """All segments of the image in their order, those drawn by hand too."""
        record = self.known_record(volumeNode)
        if record is None:
            return []
        return [self._state(record, one) for one in record.segmentation.GetSegmentation().GetSegmentIDs()]

    def segmentState(self, volumeNode, segmentId: str) -> SegmentState:
        record = self.record(volumeNode)
        self.segment(record, segmentId)
        return self._state(record, segmentId)

    def isEdited(self, volumeNode, segmentId: str) -> bool:
        """Whether the segment holds something that the model did not write: edits, or a drawing."""
        return self.edited(self.record(volumeNode), segmentId)

    def segmentOfPoints(self, markupsNode):
        """(volume node, segment id) of a points node; None for any other markups node."""
        for record in Record.all(self.scene):
            ours = any(points is markupsNode for points in record.points_nodes())
            if ours and record.volume is not None and record.segmentation is not None:
                segment_id = self.segment_id(record, markupsNode.GetAttribute(SEGMENT_KEY))
                return (record.volume, segment_id) if segment_id else None
        return None

    def record(self, volume) -> Record:
        """The record of the frame that ``volume`` shows, made if need be, its nodes in step with the volume."""
        check_volume(volume)
        frame = frame_of(volume)
        record = Record.find(self.scene, volume, frame) or Record.make(self.scene, volume, frame)
        if record.segmentation is None:
            record.forget_all()
            self._make_segmentation(record, volume)
        follow_volume(record)
        self._adopt(record)
        return record

    def _adopt(self, record: Record) -> None:
        """Segments that came from another frame of the run go on from the mask they have here."""
        for key, segment_id in self.ids_by_key(record).items() if record.frame is not None else ():
            segment = self.segment(record, segment_id)
            if segment_tag(segment, TAG_PREFIX + CARRIED_TAG) is None or record.prompt(key) is not None:
                continue
            mask = segment_mask(record.segmentation, segment_id, record.volume)
            text = segment_tag(segment, TAG_PREFIX + TEXT_TAG) or None
            start = StartMask.of(mask) if mask.any() else None
            record.set_prompt(key, SegmentPrompt(Prompt.of(text), start))

    def known_record(self, volume) -> Record | None:
        """The record of the frame that ``volume`` shows; None where nothing was asked of it."""
        check_volume(volume)
        record = Record.find(self.scene, volume, frame_of(volume))
        if record is None:
            shared = run_segmentation(volume)
            there = shared is not None and shared.GetSegmentation().GetNumberOfSegments() > 0
            return self.record(volume) if there else None
        if record.segmentation is None:
            record.forget_all()
            return None
        follow_volume(record)
        self._adopt(record)
        return record

    def place(self, volume, segment_id: str) -> tuple[Record, str]:
        """The image's record, and the key under which it keeps what belongs to a segment."""
        record = self.record(volume)
        return record, self.key(record, segment_id)

    def _make_segmentation(self, record: Record, volume) -> None:
        node = None if record.frame is None else run_segmentation(volume)
        if node is None:
            node = segmentation_node(self.scene, volume, f"{volume.GetName()} segmentation")
            first_look(node.GetDisplayNode())
            if record.frame is not None:
                follow_browser(volume, node)
        record.segmentation = node

    def segment(self, record: Record, segment_id: str):
        segmentation = record.segmentation
        segment = segmentation.GetSegmentation().GetSegment(segment_id) if segmentation else None
        if segment is None:
            raise SceneError("This segment is no longer there. Choose another one.")
        return segment

    def key(self, record: Record, segment_id: str) -> str:
        """The segment's key; one drawn by hand gets its name, made unique, as key."""
        segment = self.segment(record, segment_id)
        key = segment_tag(segment, STRUCTURE_TAG)
        if key is None:
            key = self.free_key(record, segment.GetName() or segment_id)
            segment.SetTag(STRUCTURE_TAG, key)
        return key

    def free_key(self, record: Record, name: str) -> str:
        plain = " ".join(name.replace("|", "/").split()) or "Segment"
        taken = {*record.keys(), *self.ids_by_key(record)}
        number, key = 2, plain
        while key in taken:
            key, number = f"{plain} ({number})", number + 1
        return key

    def ids_by_key(self, record: Record) -> dict[str, str]:
        segments = record.segmentation.GetSegmentation()
        found: dict[str, str] = {}
        for segment_id in segments.GetSegmentIDs():
            key = segment_tag(segments.GetSegment(segment_id), STRUCTURE_TAG)
            if key is not None:
                found.setdefault(key, segment_id)
        return found

    def segment_id(self, record: Record, key: str) -> str:
        return self.ids_by_key(record).get(key, "")

    def edited(self, record: Record, segment_id: str) -> bool:
        segment = self.segment(record, segment_id)
        labelmap = segment.GetRepresentation(LABELMAP)
        place = self._place(record, segment_id)
        if labelmap is not None and self._written.get(place) == labelmap.GetMTime():
            return False
        mask = segment_mask(record.segmentation, segment_id, record.volume)
        written = segment_tag(segment, TAG_PREFIX + MASK_TAG)
        edited = mask.any() if written is None else written != fingerprint(mask)
        if not edited and labelmap is not None:
            self._written[place] = labelmap.GetMTime()
        return bool(edited)

    def ask_before_overwriting(self, record: Record, segment_id: str, *question: str) -> None:
        if self.edited(record, segment_id):
            raise NeedsConfirmation(segment_id, self.segment(record, segment_id).GetName(), *question)

    def write(self, record: Record, key: str, mask: np.ndarray | CutMask, tags: dict[str, object]) -> str:
        """Make ``mask``, bool (H, W), the segment's, remembering that it is the model's work."""
        cut = mask if isinstance(mask, CutMask) else CutMask.of(mask)
        tags = {**tags, MASK_TAG: cut.fingerprint}
        if record.frame is not None:
            tags["frame"] = record.frame
        segment_id = set_segment(record.segmentation, record.volume, structure_for(key), cut, tags)
        # Nobody can tell how good an unknown word's mask is: it does not look as sure as the others.
        if tags.get("known") in ("yes", "no"):
            display = record.segmentation.GetDisplayNode()
            filled = tags["known"] == "yes"
            if display is not None and display.GetSegmentVisibility2DFill(segment_id) != filled:
                display.SetSegmentVisibility2DFill(segment_id, filled)
        if record.frame is not None:
            set_doubtful_frames(record.volume, set(doubtful_frames(record.volume)) - {record.frame})
        labelmap = record.segmentation.GetSegmentation().GetSegment(segment_id).GetRepresentation(LABELMAP)
        self._written[self._place(record, segment_id)] = labelmap.GetMTime()
        return segment_id

    def _place(self, record: Record, segment_id: str) -> tuple[str, str]:
        return record.node.GetID(), segment_id

    def empty(self, record: Record, key: str) -> str:
        """Make a segment that holds nothing, or take away all that it holds."""
        return self.write(record, key, CutMask.empty(image_size(record.volume)[::-1]), {})

    def _state(self, record: Record, segment_id: str) -> SegmentState:
        segment = self.segment(record, segment_id)
        key = segment_tag(segment, STRUCTURE_TAG)
        plain = SegmentState(
            segment_id, segment.GetName(), segment.GetColor(), key or segment.GetName(), False
        )
        try:
            prompt = record.prompt(key) if key is not None else None
            outcome = record.outcome(key) if key is not None else None
        except PromptError:
            prompt = outcome = None
        written = segment_tag(segment, TAG_PREFIX + MASK_TAG) is not None
        state = replace(plain, ours=written or prompt is not None)
        if outcome is None and (carried := segment_tag(segment, TAG_PREFIX + CARRIED_TAG)):
            score = float(segment_tag(segment, TAG_PREFIX + "score") or 0)
            state = replace(state, score=score, low_confidence=carried != "yes")
        return with_outcome(with_prompt(state, prompt), outcome)

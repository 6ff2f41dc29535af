"""Runs in a scene: the image's sequence, and its segments as a sequence of segmentations in step with it.

The sequence browser of an image shows one frame in the image's volume node, its proxy. The segments have one proxy
too, a segmentation node; what it shows is kept for its frame by the browser.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..library import scene_library

BROWSER = "vtkMRMLSequenceBrowserNode"
RUN, DOUBTFUL = "FluoroSAM.run", "FluoroSAM.doubtful"
"""Attributes of the segmentation sequence that this program made for an image: its images' sequence, and the numbers,
from 0, of the frames that somebody should look at."""


def browser_of(node):
    """The sequence browser that a node is a proxy of; None for any other node."""
    scene = node.GetScene()
    if scene is None:
        return None
    for number in range(scene.GetNumberOfNodesByClass(BROWSER)):
        browser = scene.GetNthNodeByClass(number, BROWSER)
        if browser.IsProxyNode(node.GetID()):
            return browser
    return None


def frame_of(node) -> int | None:
    """The item that a sequence browser shows in a node; None for a node that is no proxy."""
    browser = browser_of(node)
    return None if browser is None else browser.GetSelectedItemNumber()


def frame_count(volume) -> int:
    """How many frames the volume's browser has; 1 without a browser."""
    browser = browser_of(volume)
    return 1 if browser is None else browser.GetNumberOfItems()


def frame_image(volume, frame: int):
    """The volume node of one frame, as the browser keeps it."""
    return _data(browser_of(volume), volume, frame)


def frame_segmentation(segmentation, frame: int | None):
    """The node that holds a frame's segments: the proxy while it shows that frame, else what the browser keeps.

    A segmentation that is no proxy is its own.
    """
    browser = browser_of(segmentation)
    if browser is None or frame is None or browser.GetSelectedItemNumber() == frame:
        return segmentation
    return _data(browser, segmentation, frame)


def run_segmentation(volume):
    """The segmentation in step with the volume's browser; None where there is none yet."""
    sequence = _segments_of(volume)
    return None if sequence is None else browser_of(volume).GetProxyNode(sequence)


def _segments_of(volume):
    """The sequence of segmentations that this program put in step with the volume's browser, or None."""
    browser = browser_of(volume)
    if browser is None:
        return None
    scene = volume.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")):
        sequence = scene.GetNthNodeByClass(number, "vtkMRMLSequenceNode")
        ours = sequence.GetAttribute(RUN) is not None and sequence is not browser.GetSequenceNode(volume)
        if ours and browser.IsSynchronizedSequenceNode(sequence):
            return sequence
    return None


def follow_browser(volume, segmentation):
    """Put an empty segmentation node in step with the volume's browser: a sequence with an item for each frame."""
    browser = browser_of(volume)
    images = browser.GetSequenceNode(volume)
    sequence = scene_library().vtkMRMLSequenceNode()
    sequence.SetName(segmentation.GetName())
    sequence.SetAttribute(RUN, images.GetName() or "")
    sequence.SetIndexName(images.GetIndexName())
    sequence.SetIndexUnit(images.GetIndexUnit())
    sequence.SetIndexType(images.GetIndexType())
    for number in range(images.GetNumberOfDataNodes()):
        sequence.SetDataNodeAtValue(segmentation, images.GetNthIndexValue(number))
    sequence = volume.GetScene().AddNode(sequence)
    # Heard of between the two, the sequence would be given a second proxy by Slicer's own logic.
    modifying = browser.StartModify()
    browser.AddSynchronizedSequenceNode(sequence.GetID())
    browser.AddProxyNode(segmentation, sequence, False)
    browser.EndModify(modifying)
    # What is drawn in the proxy, by the Segment Editor too, belongs to its frame.
    browser.SetSaveChanges(sequence, True)
    browser.SetOverwriteProxyName(sequence, False)
    return sequence


def doubtful_frames(volume) -> list[int]:
    """The frames, from 0, whose segments somebody should look at."""
    sequence = _segments_of(volume)
    stored = (sequence.GetAttribute(DOUBTFUL) or "").split() if sequence is not None else []
    return [int(one) for one in stored if one.isdigit()]


def set_doubtful_frames(volume, frames: Iterable[int]) -> None:
    sequence = _segments_of(volume)
    if sequence is not None:
        sequence.SetAttribute(DOUBTFUL, " ".join(map(str, sorted(frames))))


def _data(browser, proxy, frame: int):
    sequence = browser.GetSequenceNode(proxy)
    master = browser.GetMasterSequenceNode()
    if not 0 <= frame < master.GetNumberOfDataNodes():
        return None
    return sequence.GetDataNodeAtValue(master.GetNthIndexValue(frame))

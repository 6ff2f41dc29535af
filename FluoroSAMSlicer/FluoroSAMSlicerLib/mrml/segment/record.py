"""The node that keeps, for one image, its segmentation, the prompts of every segment and their points.

A hidden vtkMRMLScriptedModuleNode per image, and per frame of a sequence: node references ``image``,
``segmentation`` and ``points`` (many), and a JSON parameter per segment. It is saved with the scene and
follows its nodes through import, whatever ids they get there.

Segments are told by their key, the ``FluoroSAM.structure`` tag: a canonical name, or a name given freely.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache

from ...segmentation import PromptError
from ..library import scene_library
from ..nodes.points import SEGMENT_KEY, clicks, make_points_node, set_clicks
from ..nodes.sequences import frame_segmentation
from .prompts import Outcome, SegmentPrompt

MODULE = "FluoroSAMSegment"
IMAGE, SEGMENTATION, POINTS = "image", "segmentation", "points"
FRAME, ORDER, PROMPT, OUTCOME = "frame", "order", "prompt ", "outcome "


class Record:
    """What one record node says; holds the node only, so that it may be made anew at any time."""

    def __init__(self, node):
        self.node = node

    @classmethod
    def all(cls, scene) -> Iterator[Record]:
        for number in range(scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")):
            node = scene.GetNthNodeByClass(number, "vtkMRMLScriptedModuleNode")
            if node.GetModuleName() == MODULE:
                yield cls(node)

    @classmethod
    def find(cls, scene, volume_node, frame: int | None) -> Record | None:
        wanted = _frame_text(frame)
        for record in cls.all(scene):
            if record.volume is volume_node and (record.node.GetParameter(FRAME) or "") == wanted:
                return record
        return None

    @classmethod
    def make(cls, scene, volume_node, frame: int | None) -> Record:
        node = scene_library().vtkMRMLScriptedModuleNode()
        node.SetName(f"FluoroSAM {volume_node.GetName()}")
        node.SetModuleName(MODULE)
        node.SetHideFromEditors(True)
        if frame is not None:
            node.SetParameter(FRAME, _frame_text(frame))
        node = scene.AddNode(node)
        node.SetNodeReferenceID(IMAGE, volume_node.GetID())
        return cls(node)

    @property
    def volume(self):
        return self.node.GetNodeReference(IMAGE)

    @property
    def frame(self) -> int | None:
        text = self.node.GetParameter(FRAME)
        return int(text) if text else None

    @property
    def segmentation(self):
        """The node that holds the segments of this record's image, or of its frame where that is not shown now."""
        node = self.shown_segmentation
        return None if node is None else frame_segmentation(node, self.frame)

    @segmentation.setter
    def segmentation(self, node) -> None:
        self.node.SetNodeReferenceID(SEGMENTATION, node.GetID())

    @property
    def shown_segmentation(self):
        """The segmentation node in the scene, which all frames of a run share."""
        return self.node.GetNodeReference(SEGMENTATION)

    def keys(self) -> list[str]:
        """Keys of the segments that have prompts, in the order in which they got them."""
        names = self.node.GetParameterNames()
        found = [name.removeprefix(PROMPT) for name in names if name.startswith(PROMPT)]
        order = self._order()
        return sorted(found, key=lambda key: order.index(key) if key in order else len(order))

    def prompt(self, key: str) -> SegmentPrompt | None:
        """The prompts of a segment, its clicks as the points node has them; None if it has none.

        Raises PromptError where the scene file was damaged.
        """
        stored = self.node.GetParameter(PROMPT + key)
        if not stored:
            return None
        prompt = _prompt(stored)
        points = self.points_node(key)
        found = [] if points is None or self.volume is None else clicks(points, self.volume)
        if not found and not prompt.prompt.points:
            return prompt
        return prompt.with_clicks([click[:2] for click in found], [int(click[2]) for click in found])

    def asked(self, key: str) -> SegmentPrompt:
        """The prompts of a segment, empty ones where it has none."""
        return self.prompt(key) or SegmentPrompt()

    def set_prompt(self, key: str, prompt: SegmentPrompt) -> None:
        """Keep these prompts and put the points where they say."""
        if not self.node.GetParameter(PROMPT + key):
            known = self.keys()
            self.node.SetParameter(ORDER, json.dumps([*known, key]))
        self.node.SetParameter(PROMPT + key, json.dumps(prompt.to_dict()))
        asked = prompt.prompt
        points = self.points_node(key, create=bool(asked.points))
        if points is None:
            return
        wanted = [(x, y, bool(label)) for (x, y), label in zip(asked.points, asked.labels, strict=True)]
        if prompt != self.prompt(key):
            set_clicks(points, self.volume, wanted)

    def _order(self) -> list[str]:
        try:
            return list(json.loads(self.node.GetParameter(ORDER) or "[]"))
        except (TypeError, ValueError):
            return []

    def outcome(self, key: str) -> Outcome | None:
        stored = self.node.GetParameter(OUTCOME + key)
        return Outcome.from_dict(_parsed(stored)) if stored else None

    def set_outcome(self, key: str, outcome: Outcome | None) -> None:
        if outcome is None:
            self.node.UnsetParameter(OUTCOME + key)
        else:
            self.node.SetParameter(OUTCOME + key, json.dumps(asdict(outcome)))

    def forget(self, key: str) -> None:
        """Drop the prompts of a segment and remove its points from the scene."""
        self.node.UnsetParameter(PROMPT + key)
        self.node.UnsetParameter(OUTCOME + key)
        points = self.points_node(key)
        if points is not None:
            self.node.GetScene().RemoveNode(points)

    def forget_all(self) -> None:
        """Drop everything that was asked; so when the user deleted the segmentation it was asked for."""
        for key in self.keys():
            self.forget(key)

    def points_nodes(self) -> list:
        """The points nodes of all segments; those that the user deleted are not among them."""
        count = self.node.GetNumberOfNodeReferences(POINTS)
        nodes = [self.node.GetNthNodeReference(POINTS, number) for number in range(count)]
        return [node for node in nodes if node is not None]

    def points_node(self, key: str, create: bool = False):
        for node in self.points_nodes():
            if node.GetAttribute(SEGMENT_KEY) == key:
                return node
        if not create:
            return None
        node = make_points_node(self.node.GetScene(), self.volume, f"{key} clicks", key)
        self.node.AddNodeReferenceID(POINTS, node.GetID())
        return node

    def snapshot(self) -> dict[str, SegmentPrompt]:
        """All prompts by key, without those that a damaged scene file made unreadable."""
        prompts = {}
        for key in self.keys():
            with suppress(PromptError):
                prompts[key] = self.asked(key)
        return prompts


@lru_cache(maxsize=1024)
def _prompt(stored: str) -> SegmentPrompt:
    """The prompts of a JSON parameter; every step of undo looks at those of all segments."""
    return SegmentPrompt.from_dict(_parsed(stored))


def _parsed(stored: str) -> dict:
    try:
        parsed = json.loads(stored)
    except ValueError as error:
        raise PromptError(
            "the prompts kept in this scene are damaged: ask for the structure again"
        ) from error
    if not isinstance(parsed, dict):
        raise PromptError("the prompts kept in this scene are damaged: ask for the structure again")
    return parsed


def _frame_text(frame: int | None) -> str:
    return "" if frame is None else str(frame)

"""What a part has measured so far, on disk after every figure, so that a part that is stopped loses none."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Record:
    """Figures by name, each a number or a text with a unit, a goal and whether it is met (None: no goal)."""

    def __init__(self, file: Path, device: str):
        self.file, self.content = file, {"device": device, "figures": {}, "notes": []}
        self._write()

    def add(self, name: str, value, unit: str = "", goal: str = "", met: bool | None = None) -> None:
        self.content["figures"][name] = {"value": value, "unit": unit, "goal": goal, "met": met}
        shown = f"{value:.4g}" if isinstance(value, float) else value
        print(f"{name}: {shown} {unit}{'' if met is None else '  met' if met else '  MISSED'}", flush=True)
        self._write()

    def note(self, text: str) -> None:
        self.content["notes"].append(text)
        print(text, flush=True)
        self._write()

    def _write(self) -> None:
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1))
        os.replace(part, self.file)


def page(results: dict[str, dict]) -> str:
    """Markdown of all parts: what was measured, and how each part ended."""
    lines = ["# On a GPU", ""]
    for part, result in results.items():
        lines += [
            f"## {part}",
            "",
            f"{result['ended']} after {result['seconds']:.0f} s; {result['device']}",
            "",
        ]
        if result["figures"]:
            lines += ["| figure | value | goal | met |", "|---|---|---|---|"]
        for name, figure in result["figures"].items():
            value = figure["value"]
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            met = {None: "", True: "yes", False: "**no**"}[figure["met"]]
            lines.append(f"| {name} | {shown} {figure['unit']} | {figure['goal']} | {met} |")
        lines += ["", *result["notes"], ""]
    return "\n".join(lines)
